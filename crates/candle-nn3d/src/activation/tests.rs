use candle_core::{DType, Device, Var};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::kernels::activation::Identity;

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Numbers from -12 to 12 without a zero, where some functions have their kink.
fn spread(shape: &[usize]) -> Tensor {
    (distinct(shape, 0.2).unwrap() * 12.0).unwrap()
}

type Function = fn(&Tensor) -> Result<Tensor>;

const FUNCTIONS: [(&str, Function); 4] =
    [("silu", silu), ("gelu", gelu), ("relu", relu), ("leaky", |x| leaky_relu(x, 0.01))];

#[test]
fn gradients_match_differences_on_any_shape() {
    for (_, f) in FUNCTIONS {
        for shape in [&[5][..], &[1, 1], &[2, 1, 3, 1, 7]] {
            check_gradients(&[spread(shape)], |x| weighted_sum(&f(&x[0])?));
        }
    }
    for shape in [&[2][..], &[3, 10], &[2, 3, 1, 6]] {
        check_gradients(&[spread(shape)], |x| weighted_sum(&geglu(&x[0])?));
    }
}

#[test]
fn single_precision_is_near_double_and_bf16_within_its_last_bit() {
    let wide = spread(&[3, 2, 1001]);
    for (name, f) in FUNCTIONS {
        let single = wide.to_dtype(DType::F32).unwrap();
        let want = values(&f(&single.to_dtype(DType::F64).unwrap()).unwrap());
        for (got, want) in values(&f(&single).unwrap()).into_iter().zip(&want) {
            // In the far tail exp costs what rounding its argument costs: 72 half units.
            let bound = 4e-7 * want.abs() + 1e-9;
            assert!((got - want).abs() <= bound, "{name}: {got} {want}");
        }
        let half = wide.to_dtype(DType::BF16).unwrap();
        let want = values(&f(&half.to_dtype(DType::F64).unwrap()).unwrap());
        for (got, want) in values(&f(&half).unwrap()).into_iter().zip(&want) {
            assert!((got - want).abs() <= want.abs() / 250.0 + 1e-9, "{name}: {got} {want}");
        }
    }
}

#[test]
fn closed_forms_hold() {
    let x = Tensor::new(&[-3.0_f64, -0.5, 0.0, 0.5, 3.0], &Device::Cpu).unwrap();
    for (x, y) in values(&x).into_iter().zip(values(&silu(&x).unwrap())) {
        assert!((y - x / (1.0 + (-x).exp())).abs() < 1e-15);
    }
    // gelu(x) - gelu(-x) = x, and gelu(1) = Φ(1).
    let mirrored = gelu(&x).unwrap().sub(&gelu(&x.neg().unwrap()).unwrap()).unwrap();
    assert!(values(&mirrored).iter().zip(values(&x)).all(|(a, b)| (a - b).abs() < 1e-15));
    let one = gelu(&Tensor::new(&[1.0_f64], &Device::Cpu).unwrap()).unwrap();
    assert!((values(&one)[0] - 0.841_344_746_068_542_9).abs() < 1e-15);
    assert_eq!(values(&leaky_relu(&x, 0.1).unwrap())[0], -3.0 * 0.1);
    assert_eq!(values(&relu(&x).unwrap()), [0.0, 0.0, 0.0, 0.5, 3.0]);
}

#[test]
fn extreme_numbers_stay_what_they_are() {
    let x = [f32::INFINITY, f32::MAX, f32::MIN, f32::NAN];
    let x = Tensor::new(&x, &Device::Cpu).unwrap();
    for (name, f) in FUNCTIONS {
        let y = f(&x).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(y[..2], [f32::INFINITY, f32::MAX], "{name}");
        assert!(y[2].is_finite() && y[2] <= 0.0 && y[3].is_nan(), "{name}: {y:?}");
    }
    let below = Tensor::new(&[f32::NEG_INFINITY], &Device::Cpu).unwrap();
    assert_eq!(values(&relu(&below).unwrap()), [0.0]);
}

#[test]
fn geglu_gates_the_first_half_with_the_second() {
    let x = spread(&[4, 5, 14]);
    let (value, gate) = (x.narrow(2, 0, 7).unwrap(), x.narrow(2, 7, 7).unwrap());
    let want = (value * gelu(&gate).unwrap()).unwrap();
    assert_eq!(values(&geglu(&x).unwrap()), values(&want));
}

#[test]
fn threads_change_no_bits_and_tiers_no_more_than_rounding() {
    let x: Vec<f32> = values(&spread(&[100_003])).into_iter().map(|x| x as f32).collect();
    let run = |tier| {
        let mut all = vec![vec![0.0; x.len()]; 4];
        elementwise::map(tier, Silu, &x, &mut all[0]);
        elementwise::map(tier, Gelu, &x, &mut all[1]);
        elementwise::map_gradient(tier, Silu, &x, &x, &mut all[2]);
        elementwise::map_gradient(tier, Gelu, &x, &x, &mut all[3]);
        all
    };
    let portable = run(Tier::Portable);
    for tier in Tier::available() {
        let want = run(tier);
        for (a, b) in want.iter().flatten().zip(portable.iter().flatten()) {
            assert!((a - b).abs() <= 2e-6 * a.abs().max(0.1), "{tier}: {a} and {b}");
        }
        for threads in 1..=3 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| run(tier)) == want, "{tier}, {threads} threads");
        }
    }
    let mut same = vec![0.0; x.len()];
    elementwise::map(Tier::current(), Identity, &x, &mut same);
    assert_eq!(same, x);
}

#[test]
fn transposed_inputs_and_gradients_are_understood() {
    let x = Var::from_tensor(&spread(&[3, 4])).unwrap();
    let y = silu(&x.t().unwrap()).unwrap().t().unwrap();
    let weights = distinct(&[4, 3], 0.9).unwrap();
    let loss = (y.t().unwrap() * &weights).unwrap().sum_all().unwrap();
    let got = loss.backward().unwrap().remove(&x).unwrap();
    let slope = |x: f64| {
        let s = 1.0 / (1.0 + (-x).exp());
        s + x * s * (1.0 - s)
    };
    let weights = values(&weights.t().unwrap());
    for ((x, w), got) in values(&x).into_iter().zip(weights).zip(values(&got)) {
        assert!((slope(x) * w - got).abs() < 1e-14);
    }
}

#[test]
fn misuse_is_named() {
    let whole = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
    assert!(silu(&whole).unwrap_err().to_string().contains("silu: x is u32"));
    let odd = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    assert!(geglu(&odd).unwrap_err().to_string().contains("geglu: x has the shape [2, 3]"));
    assert!(geglu(&Tensor::new(1.0_f32, &Device::Cpu).unwrap()).is_err());
    assert!(geglu(&Tensor::zeros((2, 0), DType::F32, &Device::Cpu).unwrap()).is_err());
    assert!(leaky_relu(&odd, f64::NAN).unwrap_err().to_string().contains("slope is NaN"));
    let nothing = Tensor::zeros((0, 4), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(gelu(&nothing).unwrap().dims(), [0, 4]);
    assert_eq!(geglu(&nothing).unwrap().dims(), [0, 2]);
}
