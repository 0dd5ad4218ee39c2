use candle_core::DType;

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

#[test]
fn every_item_gets_its_own_bias_rounded_once() {
    for shape in SHAPES {
        let [n, .., c] = shape;
        let x = Volume::sample(shape);
        let bias = Volume::from_fn([n, 1, 1, 1, c], |[n, .., c]| n as f64 - 0.25 * c as f64);
        for (dtype, _) in TOLERANCES {
            let bias = bias.channels_last(dtype).into_tensor().reshape((n, c)).unwrap();
            let got = add_channel_bias(&x.channels_last(dtype), &bias).unwrap();
            let held = Volume::from(x.channels_last(dtype).tensor());
            let bias = bias.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
            let sum = Volume::from_fn(shape, |at| held.at(at) + bias[at[0]][at[4]]);
            Volume::from(sum.channels_last(dtype).tensor()).assert_close(&got, 0.0);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let x = distinct(&[2, 2, 1, 3, 5], 0.0).unwrap();
    let inputs = [x, distinct(&[2, 5], 0.4).unwrap()];
    check_gradients(&inputs, |x| {
        weighted_sum(add_channel_bias(&ChannelsLast::new(x[0].clone())?, &x[1])?.tensor())
    });
}

#[test]
fn the_gradient_of_the_bias_counts_voxels_exactly_also_in_bf16() {
    for (dtype, _) in TOLERANCES {
        let x = Volume::from_fn([2, 16, 4, 64, 3], |_| 0.0).channels_last(dtype);
        let bias = Tensor::zeros((2, 3), dtype, &candle_core::Device::Cpu).unwrap();
        let bias = candle_core::Var::from_tensor(&bias).unwrap();
        let y = add_channel_bias(&x, bias.as_tensor()).unwrap();
        let gradients = y.tensor().sum_all().unwrap().backward().unwrap();
        let got = gradients.get(bias.as_tensor()).unwrap().to_dtype(DType::F64).unwrap();
        assert_eq!(got.to_vec2::<f64>().unwrap(), [[4096.0; 3]; 2]);
    }
}

#[test]
fn misuse_names_both_shapes() {
    let x = Volume::sample([2, 2, 3, 4, 5]).channels_last(DType::F32);
    let bias = Tensor::zeros((1, 5), DType::F32, &candle_core::Device::Cpu).unwrap();
    let message = add_channel_bias(&x, &bias).unwrap_err().to_string();
    assert!(message.contains("[1, 5]") && message.contains("[2, 5]"), "{message}");
    let bias = Tensor::zeros((2, 5), DType::F64, &candle_core::Device::Cpu).unwrap();
    assert!(add_channel_bias(&x, &bias).unwrap_err().to_string().contains("f64"));
}
