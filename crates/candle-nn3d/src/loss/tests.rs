use candle_core::{Device, Var};

use super::{DType, Result, Tensor, huber_loss, l1_loss, mse_loss};
use crate::gradient_check::{check_gradients, distinct};

type Loss = fn(&Tensor, &Tensor, Option<&[f64]>) -> Result<Tensor>;

type Penalty = fn(f64) -> f64;

const LOSSES: [(&str, Loss, Penalty); 4] = [
    ("mse", mse_loss, |d| d * d),
    ("l1", l1_loss, f64::abs),
    ("huber 1", |a, b, w| huber_loss(a, b, 1.0, w), |d| huber(d, 1.0)),
    ("huber 0.3", |a, b, w| huber_loss(a, b, 0.3, w), |d| huber(d, 0.3)),
];

fn huber(d: f64, delta: f64) -> f64 {
    if d.abs() <= delta { d * d / 2.0 } else { delta * (d.abs() - delta / 2.0) }
}

fn scalar(x: &Tensor) -> f64 {
    x.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
}

fn flat(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn losses_are_weighted_means_over_all_elements() {
    // Several chunks, the last one cut short.
    for shape in [vec![2, 3], vec![3, 5, 7, 11, 13], vec![2, 9001], vec![4]] {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-6), (DType::BF16, 1e-6)] {
            let sample = |phase| {
                let exact = distinct(&shape, phase).unwrap().to_dtype(DType::BF16).unwrap();
                exact.to_dtype(dtype).unwrap()
            };
            let (a, b) = (sample(0.0), sample(0.7));
            let (x, y) = (flat(&a), flat(&b));
            let weights: Vec<f64> = (0..shape[0]).map(|n| 0.5 + n as f64).collect();
            for (name, loss, penalty) in LOSSES {
                let item = x.len() / shape[0];
                let mean = |weight: &dyn Fn(usize) -> f64| {
                    let terms = (0..x.len()).map(|i| weight(i / item) * penalty(x[i] - y[i]));
                    terms.sum::<f64>() / x.len() as f64
                };
                let close = |got: Result<Tensor>, want: f64| {
                    let got = got.unwrap();
                    let of_loss = if dtype == DType::F64 { dtype } else { DType::F32 };
                    assert_eq!((got.dtype(), got.rank()), (of_loss, 0));
                    let got = scalar(&got);
                    assert!((got - want).abs() <= tolerance * want, "{name}: {got}, not {want}");
                };
                close(loss(&a, &b, None), mean(&|_| 1.0));
                close(loss(&a, &b, Some(&weights)), mean(&|n| weights[n]));
            }
        }
    }
}

#[test]
fn gradients_reach_prediction_and_target() {
    let inputs = [distinct(&[3, 2, 4], 0.0).unwrap(), distinct(&[3, 2, 4], 0.7).unwrap()];
    for (_, loss, _) in LOSSES {
        check_gradients(&inputs, |x| loss(&x[0], &x[1], None)? * 5.0);
        check_gradients(&inputs, |x| loss(&x[0], &x[1], Some(&[2.0, 0.0, 7.0])));
        // Inputs that are not contiguous.
        check_gradients(&inputs, |x| loss(&x[0].transpose(0, 2)?, &x[1].transpose(0, 2)?, None));
    }
}

#[test]
fn extreme_differences_stay_finite_in_value_and_gradient() {
    for dtype in [DType::F32, DType::BF16, DType::F64] {
        let tensor =
            |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let prediction = Var::from_tensor(&tensor(&[100.0, -100.0, 0.0, 3.0])).unwrap();
        let target = Var::from_tensor(&tensor(&[-100.0, 100.0, 0.0, 3.0])).unwrap();
        let wants = [(20_000.0, 100.0), (100.0, 0.25), (99.75, 0.25), (29.9775, 0.075)];
        for ((name, loss, _), (value, slope)) in LOSSES.into_iter().zip(wants) {
            let got = loss(prediction.as_tensor(), target.as_tensor(), None).unwrap();
            assert!((scalar(&got) - value).abs() <= 1e-6 * value, "{name}");
            let gradients = got.backward().unwrap();
            for (variable, sign) in [(&prediction, 1.0), (&target, -1.0)] {
                let gradient = gradients.get(variable.as_tensor()).unwrap();
                assert_eq!(gradient.dtype(), dtype);
                for (got, want) in flat(gradient).into_iter().zip([slope, -slope, 0.0, 0.0]) {
                    assert!((got - sign * want).abs() <= 4e-3 * slope, "{name}: {got}");
                }
            }
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    let a = Var::new(&[f32::NAN, 1.0], &Device::Cpu).unwrap();
    let b = Tensor::new(&[0.0_f32, 0.0], &Device::Cpu).unwrap();
    for (name, loss, _) in LOSSES {
        let value = loss(a.as_tensor(), &b, None).unwrap();
        assert!(scalar(&value).is_nan(), "{name}");
        let gradient = flat(value.backward().unwrap().get(a.as_tensor()).unwrap());
        assert!(gradient[0].is_nan() && gradient[1].is_finite(), "{name}: {gradient:?}");
    }
}

#[test]
fn misuse_names_the_argument_and_both_shapes() {
    let a = distinct(&[2, 3], 0.0).unwrap();
    let b = distinct(&[3, 2], 0.0).unwrap();
    for (_, loss, _) in LOSSES {
        let says = |result: Result<Tensor>, parts: [&str; 2]| {
            let message = result.unwrap_err().to_string();
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        };
        says(loss(&a, &b, None), ["[3, 2]", "[2, 3]"]);
        says(loss(&a, &a.to_dtype(DType::F32).unwrap(), None), ["target is f32", "f64"]);
        says(loss(&a, &a, Some(&[1.0])), ["weights has the shape [1]", "[2, 3]"]);
        let empty = Tensor::zeros((2, 0), DType::F32, &Device::Cpu).unwrap();
        says(loss(&empty, &empty, None), ["prediction", "[2, 0]"]);
        let whole = Tensor::zeros((2, 2), DType::U8, &Device::Cpu).unwrap();
        says(loss(&whole, &whole, None), ["prediction", "u8"]);
    }
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(huber_loss(&a, &a, delta, None).unwrap_err().to_string().contains("delta"));
    }
}
