//! Operations on a GPU against the same on the CPU, values and gradients. Without a device nothing is
//! tested, and the output says so.
#![expect(clippy::unwrap_used, reason = "a test may, and so may what it calls")]

use std::io::Write;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn3d::{
    ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, conv3d, ops, value_and_gradients,
};

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
