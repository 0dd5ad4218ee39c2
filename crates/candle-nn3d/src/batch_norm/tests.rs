use candle_core::{Device, Module};
use candle_nn::VarMap;

use super::ops::{batch_norm_eval, batch_norm_train};
use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};

const EPS: f64 = 1e-5;

fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn last(x: &Tensor) -> ChannelsLast {
    ChannelsLast::new(x.clone()).unwrap()
}

/// Mean and sum of squared deviations of each channel.
fn by_channel(x: &Tensor) -> Vec<(f64, f64, f64)> {
    let (x, channels) = (values(x), x.dims()[4]);
    let of = |channel: usize| {
        let numbers: Vec<f64> = x.iter().skip(channel).step_by(channels).copied().collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let squares = numbers.iter().map(|x| (x - mean).powi(2)).sum();
        (mean, squares, numbers.len() as f64)
    };
    (0..channels).map(of).collect()
}

fn store(map: &VarMap, dtype: DType) -> VarBuilder<'static> {
    VarBuilder::from_varmap(map, dtype, &Device::Cpu)
}

#[test]
fn training_normalises_by_the_batch_and_reports_the_unbiased_variance() {
    let x = distinct(&[3, 2, 5, 1, 7], 0.1).unwrap();
    let weight = distinct(&[7], 0.4).unwrap();
    let (y, statistics) = batch_norm_train(&last(&x), Some(&weight), None, EPS).unwrap();
    let (x_values, weight) = (values(&x), values(&weight));
    for (channel, (mean, squares, count)) in by_channel(&x).into_iter().enumerate() {
        assert!((statistics.mean[channel] - mean).abs() < 1e-14);
        assert!((statistics.variance[channel] - squares / (count - 1.0)).abs() < 1e-13);
        let rstd = 1.0 / (squares / count + EPS).sqrt();
        for (x, y) in x_values.iter().zip(values(y.tensor())).skip(channel).step_by(7) {
            assert!(((x - mean) * rstd * weight[channel] - y).abs() < 1e-13);
        }
    }
}

#[test]
fn gradients_match_differences_in_both_modes() {
    let inputs = [
        distinct(&[2, 3, 1, 2, 3], 0.1).unwrap(),
        distinct(&[3], 0.4).unwrap(),
        distinct(&[3], 0.7).unwrap(),
    ];
    check_gradients(&inputs, |t| {
        let x = ChannelsLast::new(t[0].clone())?;
        weighted_sum(batch_norm_train(&x, Some(&t[1]), Some(&t[2]), EPS)?.0.tensor())
    });
    let mean = Tensor::new(&[0.5, -3.0, 100.0], &Device::Cpu).unwrap();
    let variance = Tensor::new(&[0.5, 2.0, 9.0], &Device::Cpu).unwrap();
    check_gradients(&inputs, |t| {
        let x = ChannelsLast::new(t[0].clone())?;
        let y = batch_norm_eval(&x, &mean, &variance, Some(&t[1]), Some(&t[2]), EPS)?;
        weighted_sum(y.tensor())
    });
}

#[test]
fn running_statistics_follow_the_batches_and_evaluation_uses_them() {
    let map = VarMap::new();
    let config = BatchNormConfig { momentum: 0.25, ..BatchNormConfig::default() };
    let norm = batch_norm3d(4, config, store(&map, DType::F64)).unwrap();
    let (mut mean, mut variance) = ([0.0; 4], [1.0; 4]);
    for step in 0..3 {
        let x = distinct(&[2, 3, 2, 2, 4], f64::from(step)).unwrap().affine(2.0, 5.0).unwrap();
        for (channel, (batch, squares, count)) in by_channel(&x).into_iter().enumerate() {
            mean[channel] = 0.75 * mean[channel] + 0.25 * batch;
            variance[channel] = 0.75 * variance[channel] + 0.25 * squares / (count - 1.0);
        }
        norm.forward_channels_last(&last(&x), true).unwrap();
    }
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-13);
    assert!(near(&values(norm.running_mean()), &mean));
    // The store sees them too, and so saves them.
    let stored = map.data().lock().unwrap()["running_var"].as_tensor().clone();
    assert!(near(&values(&stored), &variance));
    let x = distinct(&[1, 1, 2, 1, 4], 0.3).unwrap();
    let y = norm.forward_channels_last(&last(&x), false).unwrap();
    let want: Vec<f64> = values(&x)
        .iter()
        .enumerate()
        .map(|(i, x)| (x - mean[i % 4]) / (variance[i % 4] + EPS).sqrt())
        .collect();
    assert!(near(&values(y.tensor()), &want));
    assert!(near(&values(norm.running_mean()), &mean));
}

#[test]
fn the_usual_layout_and_reduced_precision_work() {
    let map = VarMap::new();
    let norm = batch_norm3d(6, BatchNormConfig::default(), store(&map, DType::BF16)).unwrap();
    assert_eq!(norm.running_mean().dtype(), DType::F32);
    let x = distinct(&[2, 6, 3, 4, 5], 0.3).unwrap().to_dtype(DType::BF16).unwrap();
    let y = norm.forward_t(&x, true).unwrap();
    assert_eq!((y.dims(), y.dtype()), (x.dims(), DType::BF16));
    let identity = batch_norm3d(6, BatchNormConfig::default(), store(&VarMap::new(), DType::F64));
    let evaluate = candle_nn::func(move |x| identity.as_ref().unwrap().forward_t(x, false));
    let x = x.to_dtype(DType::F64).unwrap();
    // Mean 0 and variance 1 are what it starts with.
    for (x, y) in values(&x).into_iter().zip(values(&evaluate.forward(&x).unwrap())) {
        assert!((x / (1.0 + EPS).sqrt() - y).abs() < 1e-14);
    }
}

#[test]
fn misuse_is_named_and_leaves_the_running_statistics_alone() {
    let map = VarMap::new();
    let norm = batch_norm3d(4, BatchNormConfig::default(), store(&map, DType::F64)).unwrap();
    let other = last(&distinct(&[2, 3, 2, 2, 5], 0.1).unwrap());
    for train in [true, false] {
        let message = norm.forward_channels_last(&other, train).unwrap_err().to_string();
        assert!(message.contains("[4]") && message.contains("[2, 3, 2, 2, 5]"), "{message}");
    }
    let one = last(&distinct(&[1, 1, 1, 1, 4], 0.1).unwrap());
    let message = norm.forward_channels_last(&one, true).unwrap_err().to_string();
    assert!(message.contains("more than one voxel"), "{message}");
    assert_eq!(values(norm.running_mean()), [0.0; 4]);
    let config = BatchNormConfig { momentum: 1.5, ..BatchNormConfig::default() };
    let message = batch_norm3d(4, config, store(&map, DType::F64)).unwrap_err().to_string();
    assert!(message.contains("momentum is 1.5"), "{message}");
}
