use candle_core::{DType, Device};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};

const EPS: f64 = 1e-5;

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn case(shape: &[usize]) -> [Tensor; 3] {
    let channels = &shape[shape.len() - 1..];
    let parameter = |phase| distinct(channels, phase).unwrap();
    [distinct(shape, 0.1).unwrap(), parameter(0.4), parameter(0.7)]
}

fn reference(x: &Tensor, weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = values(x);
    let n = weight.len() as f64;
    for row in y.chunks_mut(weight.len()) {
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        for (i, y) in row.iter_mut().enumerate() {
            *y = (*y - mean) / (variance + EPS).sqrt() * weight[i] + bias[i];
        }
    }
    y
}

fn worst(got: &[f64], want: &[f64]) -> f64 {
    let size = want.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    got.iter().zip(want).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs())) / size.max(1e-30)
}

#[test]
fn every_dtype_and_rank_matches_the_definition() {
    for shape in [&[7][..], &[5, 1], &[2, 3, 33], &[1, 2, 3, 4, 64], &[1500, 129], &[2, 4097]] {
        for (dtype, bound) in [(DType::F64, 1e-12), (DType::F32, 1e-6), (DType::BF16, 4e-3)] {
            for far in [0.0, 1000.0] {
                let [x, weight, bias] = case(shape);
                let x = x.affine(1.7, far).unwrap().to_dtype(dtype).unwrap();
                let [weight, bias] = [weight, bias].map(|t| t.to_dtype(dtype).unwrap());
                let want = reference(&x, &values(&weight), &values(&bias));
                let got = ops::layer_norm(&x, Some(&weight), Some(&bias), EPS).unwrap();
                let error = worst(&values(&got), &want);
                assert!(error < bound, "{shape:?} {dtype:?} {far}: {error:e}");
            }
        }
    }
}

#[test]
fn gradients_match_differences() {
    for shape in [&[7][..], &[5, 1], &[2, 3, 5], &[70, 2], &[2, 40]] {
        check_gradients(&case(shape), |t| {
            weighted_sum(&ops::layer_norm(&t[0], Some(&t[1]), Some(&t[2]), EPS)?)
        });
    }
}

#[test]
fn every_tier_and_number_of_threads_gives_the_same_bits() {
    for shape in [[3001, 1], [2003, 48], [70, 1025]] {
        let [x, weight, bias] =
            case(&shape).map(|t| values(&t).into_iter().map(|x| x as f32).collect::<Vec<_>>());
        let run = |tier| {
            let norm = RowNorm { tier, eps: EPS, weight: &weight[..], bias: &bias[..] };
            let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            norm.forward(&x, &mut y);
            let sums = norm.backward(&x, &y, &mut dx);
            (y, dx, sums)
        };
        let want = run(Tier::Portable);
        for tier in Tier::available() {
            for threads in 1..=3 {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert!(pool.install(|| run(tier)) == want, "{shape:?} {tier} {threads}");
            }
        }
    }
}

#[test]
fn equal_channels_give_the_bias_and_a_strided_input_is_understood() {
    let x = Tensor::full(1234.567_f32, (4, 24), &Device::Cpu).unwrap();
    let bias = distinct(&[24], 0.3).unwrap().to_dtype(DType::F32).unwrap();
    let y = ops::layer_norm(&x, None, Some(&bias), EPS).unwrap();
    for row in values(&y).chunks(24) {
        assert!(row.iter().zip(values(&bias)).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    let [x, ..] = case(&[6, 4]);
    let strided = ops::layer_norm(&x.t().unwrap(), None, None, EPS).unwrap();
    let dense = ops::layer_norm(&x.t().unwrap().contiguous().unwrap(), None, None, EPS).unwrap();
    assert_eq!(values(&strided), values(&dense));
}

#[test]
fn the_layer_takes_its_parameters_from_the_store() {
    let [x, weight, bias] = case(&[3, 4, 5]);
    let want = reference(&x, &values(&weight), &values(&bias));
    let store = [("weight".to_owned(), weight), ("bias".to_owned(), bias)].into_iter().collect();
    let vb = VarBuilder::from_tensors(store, DType::F64, &Device::Cpu);
    let got = layer_norm(5, EPS, vb).unwrap().forward(&x).unwrap();
    assert!(worst(&values(&got), &want) < 1e-13);
}

#[test]
fn misuse_is_named() {
    let [x, weight, _] = case(&[3, 4]);
    let short = weight.narrow(0, 0, 3).unwrap();
    let message = ops::layer_norm(&x, Some(&short), None, EPS).unwrap_err().to_string();
    assert!(message.contains("weight has the shape [3]") && message.contains("[3, 4]"));
    let single = weight.to_dtype(DType::F32).unwrap();
    let message = ops::layer_norm(&x, None, Some(&single), EPS).unwrap_err().to_string();
    assert!(message.contains("bias is f32"), "{message}");
    assert!(ops::layer_norm(&x, None, None, f64::INFINITY).is_err());
    for empty in [&[0, 4][..], &[4, 0], &[]] {
        let empty = Tensor::zeros(empty, DType::F32, &Device::Cpu).unwrap();
        assert!(ops::layer_norm(&empty, None, None, EPS).is_err());
    }
    let whole = Tensor::zeros((2, 2), DType::I64, &Device::Cpu).unwrap();
    assert!(ops::layer_norm(&whole, None, None, EPS).unwrap_err().to_string().contains("i64"));
}
