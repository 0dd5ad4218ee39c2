use half::bf16;

use super::*;
use crate::cuda::emulation::{Emulation, Guarded};
use crate::kernels::activation::{Gelu, LeakyRelu, Relu, Silu};
use crate::kernels::elementwise as cpu;
use crate::kernels::real::Real;
use crate::kernels::tier::Tier;

/// Not a multiple of a block, nor of anything.
const N: usize = 1003;

/// From far left to far right, with the numbers where functions change.
fn numbers<T: Number>(n: usize, seed: usize) -> Vec<T> {
    let special = [0.0, -0.0, 1.0, -1.0, 1e-30, -40.0, 40.0, -120.0, 120.0];
    let number = |i: usize| match special.get(i) {
        Some(&x) => x,
        None => ((i * 7919 + seed * 104_729) % 2003) as f64 / 150.0 - 6.7,
    };
    (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect()
}

/// Equal within `tolerance` of the number, or of 0.01: the CPU's own polynomials are as far off in the
/// tails of the normal distribution.
fn close<T: Number>(got: &[T], want: &[T], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let (got, want) = (got.load().to_f64(), want.load().to_f64());
        let error = (got - want).abs();
        assert!(error <= tolerance * want.abs().max(0.01), "element {i}: {got} for {want}");
    }
}

fn activation_is_the_cpus<T: Number + std::fmt::Debug>(f: impl Activation, tolerance: f64) {
    let (x, dy) = (numbers::<T>(N, 0), numbers::<T>(N, 1));
    let (mut y, mut dx) = (T::unwritten(N), T::unwritten(N));
    cpu::map(Tier::current(), f, &x, &mut y);
    cpu::map_gradient(Tier::current(), f, &x, &dy, &mut dx);
    let (x, dy) = (Guarded::new(&x), Guarded::new(&dy));
    close(&Emulation::both_orders(|m| map(m, f, x.slice())), &y, tolerance);
    close(&Emulation::both_orders(|m| map_gradient(m, f, x.slice(), dy.slice())), &dx, tolerance);
}

#[test]
fn activations_and_their_gradients_are_those_of_the_cpu() {
    fn all<T: Number + std::fmt::Debug>(tolerance: f64) {
        activation_is_the_cpus::<T>(Silu, tolerance);
        activation_is_the_cpus::<T>(Gelu, tolerance);
        activation_is_the_cpus::<T>(Relu, 0.0);
        activation_is_the_cpus::<T>(LeakyRelu(0.01), tolerance);
    }
    all::<f32>(1e-5);
    all::<f64>(1e-12);
    all::<bf16>(0.008);
}

#[test]
fn a_gated_gelu_is_that_of_the_cpu_for_every_width() {
    fn case<T: Number + std::fmt::Debug>(width: usize, tolerance: f64) {
        let n = 11 * width;
        let (x, dy) = (numbers::<T>(2 * n, 2), numbers::<T>(n, 3));
        let (mut y, mut dx) = (T::unwritten(n), T::unwritten(2 * n));
        cpu::geglu(Tier::current(), width, &x, &mut y);
        cpu::geglu_gradient(Tier::current(), width, &x, &dy, &mut dx);
        let (x, dy) = (Guarded::new(&x), Guarded::new(&dy));
        close(&Emulation::both_orders(|m| geglu(m, width, x.slice())), &y, tolerance);
        let got = Emulation::both_orders(|m| geglu_gradient(m, width, x.slice(), dy.slice()));
        close(&got, &dx, tolerance);
    }
    for width in [1, 5, 64] {
        case::<f32>(width, 1e-5);
        case::<f64>(width, 1e-12);
        case::<bf16>(width, 0.008);
    }
}

#[test]
fn sums_and_multiples_are_those_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>() {
        let (a, b) = (numbers::<T>(N, 4), numbers::<T>(N, 5));
        let sum = |(a, b): (&T, &T)| T::store(a.load() + b.load());
        let sums: Vec<_> = a.iter().zip(&b).map(sum).collect();
        let multiple = |x: &T| T::store(T::Real::from_f64(0.3) * x.load());
        let multiples: Vec<_> = a.iter().map(multiple).collect();
        let (a, b) = (Guarded::new(&a), Guarded::new(&b));
        assert_eq!(Emulation::both_orders(|m| add(m, a.slice(), b.slice())), sums);
        assert_eq!(Emulation::both_orders(|m| scale(m, 0.3, a.slice())), multiples);
    }
    case::<f32>();
    case::<f64>();
    case::<bf16>();
}

#[test]
fn numbers_that_are_none_stay_so_and_infinities_keep_their_meaning() {
    let x = Guarded::new(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
    let relu = Emulation::both_orders(|m| map(m, Relu, x.slice()));
    assert!(relu[0].is_nan() && relu[1..] == [f32::INFINITY, 0.0], "{relu:?}");
    let silu = Emulation::both_orders(|m| map(m, Silu, x.slice()));
    assert!(silu[0].is_nan() && silu[1] == f32::INFINITY, "{silu:?}");
    let empty = Guarded::<f32>::new(&[]);
    assert!(Emulation::both_orders(|m| map(m, Relu, empty.slice())).is_empty());
}
