//! The loss on a GPU against the same on the CPU. Without a device nothing is tested, and the output
//! says so.
#![expect(clippy::unwrap_used, reason = "a test may, and so may what it calls")]

use std::io::Write;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn3d::{ChannelsLast, value_and_gradients};
use mrisynth_segmentation::{DiceCrossEntropy, TargetClasses, deeply_supervised};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Loss and gradients of two resolutions.
fn results(loss: DiceCrossEntropy, dtype: DType, device: &Device) -> Vec<f64> {
    let logits = |shape: (usize, usize, usize, usize, usize)| {
        let n = shape.0 * shape.1 * shape.2 * shape.3 * shape.4;
        let all: Vec<f64> = (0..n).map(|i| ((i * 7919) % 2003) as f64 / 500.0 - 2.0).collect();
        let all = Tensor::from_vec(all, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        Var::from_tensor(&all.to_device(device).unwrap()).unwrap()
    };
    let (fine, coarse, left_out) =
        (logits((2, 9, 8, 15, 4)), logits((2, 5, 4, 8, 4)), logits((2, 3, 2, 4, 4)));
    let classes: Vec<u8> = (0..2 * 9 * 8 * 15).map(|i| (i * i % 4) as u8).collect();
    let target = TargetClasses::new(classes, [2, 9, 8, 15]).unwrap();
    let (value, gradients) = value_and_gradients(|| {
        let of = |x: &Var| ChannelsLast::new(x.as_tensor().clone());
        let all = [of(&fine)?, of(&coarse)?, of(&left_out)?];
        deeply_supervised(&loss, &all, &target).map_err(candle_core::Error::wrap)
    })
    .unwrap();
    let mut all = numbers(&value);
    for logits in [&fine, &coarse] {
        all.extend(numbers(gradients.get(logits).unwrap()));
    }
    all
}

#[test]
fn the_loss_and_its_gradients_are_those_of_the_cpu() {
    let gpu = match Device::new_cuda(0) {
        Ok(device) => device,
        Err(error) => {
            // Past the test runner, which shows what failing tests print and no more.
            let said = format!("\n*** SKIPPED: no GPU, nothing was compared ({error}) ***\n");
            let _ = std::io::stderr().write_all(said.as_bytes());
            return;
        }
    };
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-6)] {
        for (background, batch) in [(false, false), (true, false), (false, true), (true, true)] {
            let loss = DiceCrossEntropy { background, batch, ..DiceCrossEntropy::default() };
            let [cpu, gpu] = [&Device::Cpu, &gpu].map(|device| results(loss, dtype, device));
            assert_eq!(cpu.len(), gpu.len());
            for (cpu, gpu) in cpu.iter().zip(&gpu) {
                assert!((cpu - gpu).abs() <= tolerance, "{dtype:?} {loss:?}: {gpu} for {cpu}");
            }
        }
    }
}
