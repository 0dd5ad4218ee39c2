use std::fmt::Debug;

use half::bf16;

use super::*;
use crate::cuda::emulation::{Emulation, Guarded};
use crate::kernels::activation::{Identity, LeakyRelu, Relu, Silu};
use crate::kernels::grouped_norm::{GroupedNorm, Standard};
use crate::kernels::moments::{Moments, moments};
use crate::kernels::real::Real;
use crate::kernels::tier::Tier;

const EPS: f64 = 1e-5;
/// Channels that fill a row of threads several times, not wholly, or more than once; items of one
/// part, of several, and of more than are joined at once.
const SHAPES: [NormShape; 5] = [
    NormShape { items: 2, rows: 105, channels: 6, groups: 3 },
    NormShape { items: 1, rows: 9, channels: 70, groups: 10 },
    NormShape { items: 3, rows: 77, channels: 1, groups: 1 },
    NormShape { items: 1, rows: 70, channels: 65, groups: 65 },
    NormShape { items: 1, rows: 1, channels: 4, groups: 1 },
];

/// Numbers around `mean`, of another spread in every channel.
pub(in crate::cuda) fn numbers<T: Number>(n: usize, seed: usize, mean: f64) -> Vec<T> {
    let number = |i: usize| {
        let spread = 0.5 + (i % 5) as f64 / 4.0;
        mean + spread * (((i * 7919 + seed * 104_729) % 2003) as f64 / 500.0 - 2.0)
    };
    (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect()
}

/// Equal within `tolerance` of the largest.
#[track_caller]
pub(in crate::cuda) fn close<T: Number>(got: &[T], want: &[T], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let number = |x: &T| x.load().to_f64();
    let largest = want.iter().map(|x| number(x).abs()).fold(0.0, f64::max);
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let (got, want) = (number(got), number(want));
        let fits = (got - want).abs() <= tolerance * largest.max(1e-3);
        assert!(fits, "element {i}: {got} for {want}, largest {largest}");
    }
}

fn statistics_of_the_cpu(shape: &NormShape, moments: &[Moments]) -> Vec<f64> {
    let means = moments.iter().map(|m| m.mean);
    let rstds = moments.iter().map(|m| 1.0 / (m.variance() + EPS).sqrt());
    let all: Vec<_> = means.chain(rstds).chain(moments.iter().map(|m| m.squares)).collect();
    assert_eq!(all.len(), 3 * shape.items * shape.groups);
    all
}

fn statistics_are_the_cpus<T: Number + Debug>(shape: NormShape, mean: f64, tolerance: f64) {
    let x = numbers::<T>(shape.items * shape.item(), 1, mean);
    let want = statistics_of_the_cpu(&shape, &moments(Tier::current(), &shape, &x));
    let x = Guarded::new(&x);
    let got = Emulation::both_orders(|m| standards(m, &shape, EPS, x.slice()));
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let error = (got - want).abs();
        assert!(error <= tolerance * want.abs().max(1.0), "{shape:?} {i}: {got} for {want}");
    }
}

#[test]
fn statistics_are_those_of_the_cpu_and_a_mean_far_from_zero_costs_no_digits() {
    for shape in SHAPES {
        for mean in [0.3, 1e4] {
            statistics_are_the_cpus::<f32>(shape, mean, 2e-6);
            statistics_are_the_cpus::<f64>(shape, mean, 1e-11);
        }
        statistics_are_the_cpus::<bf16>(shape, 0.3, 2e-6);
    }
    // Two steps of joining: more than 32 · 64 rows of columns.
    let long = NormShape { items: 1, rows: 133_001, channels: 1, groups: 1 };
    statistics_are_the_cpus::<f32>(long, 1e4, 2e-6);
}

fn case<T: Number + Debug, A: Activation>(shape: NormShape, of_input: bool, f: A, tolerance: f64)
where
    T::Real: Number + Element<Real = T::Real>,
{
    let n = shape.items * shape.item();
    let (x, dy) = (numbers::<T>(n, 1, 0.3), numbers::<T>(n, 2, 0.1));
    let weight = numbers::<T>(shape.channels, 3, 1.0);
    let bias = numbers::<T>(shape.channels, 4, 0.0);
    let moments = moments(Tier::current(), &shape, &x);
    let all = statistics_of_the_cpu(&shape, &moments);
    let (mean, rest) = all.split_at(moments.len());
    let rstd = &rest[..moments.len()];
    let standards: Vec<_> =
        mean.iter().zip(rstd).map(|(&mean, &rstd)| Standard { mean, rstd }).collect();
    let tier = Tier::current();
    let cpu = GroupedNorm {
        tier,
        shape,
        standards: &standards,
        weight: &weight,
        bias: &bias,
        activation: f,
    };
    let (mut y, mut dx) = (T::unwritten(n), T::unwritten(n));
    cpu.forward(&x, &mut y);
    let affine = cpu.affine_gradients(&x, &dy);
    cpu.input_gradient(of_input.then_some(&affine[..]), &x, &dy, &mut dx);
    let total = |of: fn(&crate::kernels::grouped_norm::AffineGradient) -> &Vec<f64>| -> Vec<T> {
        let sum = |c: usize| affine.iter().map(|item| of(item)[c]).sum();
        (0..shape.channels).map(|c| T::store(T::Real::from_f64(sum(c)))).collect()
    };
    let (dweight, dbias) = (total(|item| &item.weight), total(|item| &item.bias));

    let [x, dy, weight, bias] = [&x, &dy, &weight, &bias].map(|numbers| Guarded::new(numbers));
    let [mean, rstd] = [mean, rstd].map(Guarded::new);
    let wanted = Wanted { input: true, of_input };
    let made = |which: usize| {
        Emulation::both_orders(|machine| {
            let norm = Normalisation {
                machine,
                shape,
                mean: mean.slice(),
                rstd: rstd.slice(),
                weight: weight.slice(),
                bias: bias.slice(),
                activation: f,
            };
            if which == 0 {
                return norm.forward(x.slice());
            }
            let gradients = norm.gradients(wanted, x.slice(), dy.slice())?;
            Ok(match which {
                1 => gradients.weight,
                2 => gradients.bias,
                _ => gradients.input.unwrap(),
            })
        })
    };
    for (which, want) in [y, dweight, dbias, dx].iter().enumerate() {
        close(&made(which), want, tolerance);
    }
}

#[test]
fn it_and_its_gradients_are_those_of_the_cpu_at_every_shape() {
    for shape in SHAPES {
        case::<f32, _>(shape, true, Silu, 1e-5);
        case::<f64, _>(shape, true, Silu, 1e-11);
        case::<bf16, _>(shape, true, Silu, 0.008);
    }
}

#[test]
fn every_activation_is_fused() {
    let shape = SHAPES[0];
    case::<f32, _>(shape, true, Identity, 1e-5);
    case::<f32, _>(shape, true, Relu, 1e-5);
    case::<f32, _>(shape, true, LeakyRelu(0.01), 1e-5);
    case::<bf16, _>(shape, true, LeakyRelu(0.01), 0.008);
}

#[test]
fn statistics_that_are_given_get_no_gradient() {
    let shape = NormShape { items: 1, rows: 90, channels: 5, groups: 5 };
    case::<f32, _>(shape, false, Identity, 1e-5);
    case::<f64, _>(shape, false, Identity, 1e-11);
}
