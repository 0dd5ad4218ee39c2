//! Operations on a GPU against the same on the CPU, values and gradients. Without a device nothing is
//! tested, and the output says so.
#![expect(clippy::unwrap_used, reason = "a test may, and so may what it calls")]

use std::io::Write;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn3d::{
    BatchNormConfig, ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, batch_norm3d, conv3d, ops,
    value_and_gradients,
};

const EPS: f64 = 1e-5;

/// The first GPU, if there is one.
fn gpu() -> Option<Device> {
    match Device::new_cuda(0) {
        Ok(device) => Some(device),
        Err(error) => {
            // Past the test runner, which shows what failing tests print and no more.
            let said = format!("\n*** SKIPPED: no GPU, nothing was compared ({error}) ***\n");
            let _ = std::io::stderr().write_all(said.as_bytes());
            None
        }
    }
}

fn numbers(shape: &[usize], dtype: DType) -> Tensor {
    let n: usize = shape.iter().product();
    let number = |i: usize| ((i * 7919 + n) % 2003) as f64 / 500.0 - 2.0;
    let numbers: Vec<f64> = (0..n).map(number).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

/// The largest difference, relative to the largest number.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let flat = |t: &Tensor| {
        let t = t.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        t.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let (a, b) = (flat(a), flat(b));
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-30_f64, |m, x| m.max(x.abs()));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

/// Runs `operation` on tensors of these shapes on both devices, with a sum of squares after it, and
/// compares value and gradients.
fn same_on_both(name: &str, shapes: &[&[usize]], operation: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let Some(gpu) = gpu() else { return };
    for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 1e-4), (DType::BF16, 2e-2)] {
        let results = [&Device::Cpu, &gpu].map(|device| {
            let made =
                |shape: &&[usize]| Var::from_tensor(&numbers(shape, dtype).to_device(device)?);
            let inputs = shapes.iter().map(made).collect::<Result<Vec<_>>>()?;
            let tensors: Vec<_> = inputs.iter().map(|x| x.as_tensor().clone()).collect();
            let mut value = None;
            let (_, gradients) = value_and_gradients(|| {
                let y = operation(&tensors)?;
                value = Some(y.detach());
                y.sqr()?.sum_all()
            })?;
            let mut all = vec![value.unwrap()];
            for input in &inputs {
                all.push(gradients.get(input).unwrap().clone());
            }
            Ok::<_, candle_core::Error>(all)
        });
        let [cpu, gpu] = results.map(|result| result.unwrap_or_else(|e| panic!("{name}: {e}")));
        for (place, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
            let difference = difference(gpu, cpu);
            assert!(difference <= tolerance, "{name} {dtype:?}, result {place}: {difference:e}");
        }
    }
}

fn channels_last(x: &Tensor) -> Result<ChannelsLast> {
    ChannelsLast::new(x.clone())
}

#[test]
fn activations_sums_and_multiples_are_those_of_the_cpu() {
    same_on_both("silu", &[&[3, 7, 41]], |x| ops::silu(&x[0]));
    same_on_both("gelu", &[&[3, 7, 41]], |x| ops::gelu(&x[0]));
    same_on_both("relu", &[&[3, 7, 41]], |x| ops::relu(&x[0]));
    same_on_both("leaky_relu", &[&[3, 7, 41]], |x| ops::leaky_relu(&x[0], 0.01));
    same_on_both("geglu", &[&[11, 26]], |x| ops::geglu(&x[0]));
    let shape: &[usize] = &[2, 3, 5, 4, 7];
    same_on_both("add", &[shape, shape], |x| {
        Ok(ops::add(&channels_last(&x[0])?, &channels_last(&x[1])?)?.into_tensor())
    });
    same_on_both("scale", &[shape], |x| Ok(ops::scale(&channels_last(&x[0])?, 0.3)?.into_tensor()));
}

#[test]
fn convolutions_are_those_of_the_cpu() {
    let same = Conv3dConfig::same(3);
    let one_end = Conv3dConfig { stride: [2; 3], padding: [[0, 1]; 3], ..Default::default() };
    let grouped = Conv3dConfig { groups: 4, dilation: [2; 3], ..Conv3dConfig::same(5) };
    for (name, config, c_in_group) in
        [("3x3x3", same, 8), ("stride 2", one_end, 8), ("grouped, dilated", grouped, 2)]
    {
        let shapes: [&[usize]; 3] = [&[2, 8, 10, 12, 8], &[16, c_in_group, 3, 3, 3], &[16]];
        same_on_both(name, &shapes, |x| {
            let y = ops::conv3d(&channels_last(&x[0])?, &x[1], Some(&x[2]), &config)?;
            Ok(y.into_tensor())
        });
    }
    let config =
        ConvTranspose3dConfig { stride: [2; 3], output_padding: [1; 3], ..Default::default() };
    let shapes: [&[usize]; 3] = [&[2, 5, 4, 6, 8], &[8, 16, 3, 3, 3], &[16]];
    same_on_both("transposed", &shapes, |x| {
        let y = ops::conv_transpose3d(&channels_last(&x[0])?, &x[1], Some(&x[2]), &config)?;
        Ok(y.into_tensor())
    });
}

#[test]
fn a_prepared_layer_is_the_one_it_was_made_of() {
    let Some(gpu) = gpu() else { return };
    let store = candle_nn::VarMap::new();
    let builder = candle_nn::VarBuilder::from_varmap(&store, DType::F32, &gpu);
    let layer = conv3d(8, 16, [3; 3], Conv3dConfig::same(3), builder).unwrap();
    let x = channels_last(&numbers(&[2, 6, 7, 8, 8], DType::F32).to_device(&gpu).unwrap()).unwrap();
    let prepared = layer.prepared([6, 7, 8]).unwrap().forward_channels_last(&x).unwrap();
    let plain = layer.forward_channels_last(&x).unwrap();
    assert_eq!(difference(prepared.tensor(), plain.tensor()), 0.0);
}

/// The sum of squares of normalised numbers hardly depends on x: something must stand between.
fn bent(normalised: &ChannelsLast) -> Result<Tensor> {
    ops::silu(normalised.tensor())
}

#[test]
fn group_and_instance_norms_are_those_of_the_cpu() {
    // Channels that fill a row of threads and that do not; items of one part and of many.
    for (shape, groups) in [([2, 5, 7, 6, 6], 3), ([1, 4, 5, 6, 70], 10), ([1, 40, 40, 40, 32], 32)]
    {
        let shapes: [&[usize]; 3] = [&shape, &shape[4..], &shape[4..]];
        same_on_both("group_norm", &shapes, |x| {
            let y = ops::group_norm(&channels_last(&x[0])?, groups, Some(&x[1]), Some(&x[2]), EPS)?;
            bent(&y)
        });
        same_on_both("group_norm_silu", &shapes, |x| {
            let (x, weight, bias) = (channels_last(&x[0])?, Some(&x[1]), Some(&x[2]));
            Ok(ops::group_norm_silu(&x, groups, weight, bias, EPS)?.into_tensor())
        });
        same_on_both("instance_norm_leaky_relu", &shapes, |x| {
            let (x, weight, bias) = (channels_last(&x[0])?, Some(&x[1]), Some(&x[2]));
            Ok(ops::instance_norm_leaky_relu(&x, weight, bias, EPS, 0.01)?.into_tensor())
        });
    }
    same_on_both("instance_norm without parameters", &[&[2, 5, 7, 6, 6]], |x| {
        bent(&ops::instance_norm(&channels_last(&x[0])?, None, None, EPS)?)
    });
}

#[test]
fn layer_norms_are_those_of_the_cpu() {
    for c in [5, 64, 515] {
        same_on_both("layer_norm", &[&[3, 41, c], &[c], &[c]], |x| {
            ops::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), EPS)
        });
    }
}

#[test]
fn batch_norms_are_those_of_the_cpu_in_both_modes() {
    let shapes: [&[usize]; 3] = [&[3, 5, 4, 6, 7], &[7], &[7]];
    same_on_both("batch_norm_train", &shapes, |x| {
        let x = (channels_last(&x[0])?, Some(&x[1]), Some(&x[2]));
        bent(&ops::batch_norm_train(&x.0, x.1, x.2, EPS)?.0)
    });
    same_on_both("batch_norm_eval", &shapes, |x| {
        let mean = x[1].detach();
        let variance = x[1].detach().sqr()?;
        let x = (channels_last(&x[0])?, Some(&x[1]), Some(&x[2]));
        Ok(ops::batch_norm_eval(&x.0, &mean, &variance, x.1, x.2, 1.0)?.into_tensor())
    });
}

#[test]
fn running_statistics_of_a_batch_norm_are_averaged_where_they_are() {
    let Some(gpu) = gpu() else { return };
    let running = [&Device::Cpu, &gpu].map(|device| {
        let store = candle_nn::VarMap::new();
        let builder = candle_nn::VarBuilder::from_varmap(&store, DType::F32, device);
        let layer = batch_norm3d(7, BatchNormConfig::default(), builder).unwrap();
        let x = numbers(&[2, 3, 4, 5, 7], DType::F32).to_device(device).unwrap();
        layer.forward_channels_last(&channels_last(&x).unwrap(), true).unwrap();
        [layer.running_mean().clone(), layer.running_variance().clone()]
    });
    for (cpu, gpu) in running[0].iter().zip(&running[1]) {
        assert!(gpu.device().is_cuda() && difference(gpu, cpu) < 1e-6);
    }
}

#[test]
fn attention_is_that_of_the_cpu_for_narrow_and_wide_heads() {
    for (queries, keys, heads, width) in
        [(35, 67, 2, 20), (130, 5, 1, 3), (200, 200, 4, 64), (33, 65, 1, 260), (513, 513, 1, 512)]
    {
        let c = heads * width;
        let shapes: [&[usize]; 3] = [&[2, queries, c], &[2, keys, c], &[2, keys, c]];
        same_on_both("attention", &shapes, |x| ops::attention(&x[0], &x[1], &x[2], heads, None));
    }
}

#[test]
fn linear_maps_are_those_of_the_cpu() {
    for (rows, c_in, c_out) in [(41, 5, 7), (1, 3, 2), (4, 1, 3), (4, 3, 1), (700, 64, 130)] {
        let shapes: [&[usize]; 3] = [&[2, rows, c_in], &[c_out, c_in], &[c_out]];
        same_on_both("linear", &shapes, |x| ops::linear(&x[0], &x[1], Some(&x[2])));
        same_on_both("linear without bias", &shapes[..2], |x| ops::linear(&x[0], &x[1], None));
    }
}

fn through(
    operation: impl Fn(&ChannelsLast) -> Result<ChannelsLast>,
) -> impl Fn(&[Tensor]) -> Result<Tensor> {
    move |x| Ok(operation(&channels_last(&x[0])?)?.into_tensor())
}

const VOLUME: &[usize] = &[2, 5, 6, 7, 3];

#[test]
fn layouts_windows_and_joins_are_those_of_the_cpu() {
    same_on_both("from_ncxyz", &[VOLUME], |x| Ok(ChannelsLast::from_ncxyz(&x[0])?.into_tensor()));
    same_on_both("to_ncxyz", &[VOLUME], |x| channels_last(&x[0])?.to_ncxyz());
    let around = [[1, 0], [0, 2], [3, 1]];
    same_on_both("pad", &[VOLUME], through(|x| ops::pad_constant(x, around, 0.5)));
    same_on_both("crop", &[VOLUME], through(|x| ops::crop(x, [1, 0, 2], [3, 6, 4])));
    same_on_both("concat", &[VOLUME, &[2, 5, 6, 7, 4]], |x| {
        let (a, b) = (channels_last(&x[0])?, channels_last(&x[1])?);
        Ok(ops::concat_channels(&[&a, &b])?.into_tensor())
    });
    same_on_both("add_channel_bias", &[VOLUME, &[2, 3]], |x| {
        Ok(ops::add_channel_bias(&channels_last(&x[0])?, &x[1])?.into_tensor())
    });
}

#[test]
fn pooling_resampling_and_dropout_are_those_of_the_cpu() {
    let windows = ([3, 2, 3], [2, 2, 1], [1, 0, 1]);
    let (kernel, stride, padding) = windows;
    same_on_both("max_pool3d", &[VOLUME], through(|x| ops::max_pool3d(x, kernel, stride, padding)));
    for counted in [false, true] {
        let pool = |x: &ChannelsLast| ops::avg_pool3d(x, kernel, stride, padding, counted);
        same_on_both("avg_pool3d", &[VOLUME], through(pool));
    }
    same_on_both("global_avg_pool3d", &[VOLUME], through(ops::global_avg_pool3d));
    same_on_both("nearest", &[VOLUME], through(|x| ops::upsample_nearest(x, [2, 1, 3])));
    same_on_both("nearest_to", &[VOLUME], through(|x| ops::upsample_nearest_to(x, [7, 4, 9])));
    same_on_both("trilinear", &[VOLUME], through(|x| ops::upsample_trilinear(x, [2.0, 1.0, 1.5])));
    same_on_both("trilinear_to", &[VOLUME], through(|x| ops::upsample_trilinear_to(x, [7, 4, 9])));
    let keys = [0, 1].map(|item| keyed_random::Key::new(3).with_index(item));
    same_on_both("dropout", &[VOLUME], through(|x| ops::dropout(x, 0.3, &keys)));
    same_on_both("dropout_channels", &[VOLUME], through(|x| ops::dropout_channels(x, 0.5, &keys)));
}

#[test]
fn losses_are_those_of_the_cpu() {
    let shape: &[usize] = &[3, 4, 5, 6, 2];
    let weights = [0.5, 2.0, 1.0];
    for weights in [None, Some(&weights[..])] {
        same_on_both("mse_loss", &[shape, shape], |x| ops::mse_loss(&x[0], &half(&x[1])?, weights));
        same_on_both("l1_loss", &[shape, shape], |x| ops::l1_loss(&x[0], &half(&x[1])?, weights));
        same_on_both("huber_loss", &[shape, shape], |x| {
            ops::huber_loss(&x[0], &half(&x[1])?, 0.7, weights)
        });
    }
}

/// So that the target is not the prediction.
fn half(x: &Tensor) -> Result<Tensor> {
    Ok(ops::scale(&channels_last(x)?, 0.5)?.into_tensor())
}
