//! Every operation and its gradients on a GPU against the CPU.

use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn3d::{Distribution, value_and_gradients};
use keyed_random::Key;

use crate::gpu::{close, gpu, same};
use crate::operation_cases::{CASES, Case};

/// The result, then the gradient of every input that has one.
fn evaluate(case: &Case, dtype: DType, device: &Device) -> Result<Vec<Option<Tensor>>> {
    let law = Distribution::STANDARD_NORMAL;
    let drawn = |label: &str, shape: &[usize]| {
        law.tensor(&Key::new(2).with(case.name).with(label), shape, DType::F32, &Device::Cpu)
    };
    let mut inputs = Vec::new();
    for (place, shape) in case.shapes.iter().enumerate() {
        let x = drawn(&place.to_string(), shape)?.to_dtype(dtype)?.to_device(device)?;
        inputs.push(Var::from_tensor(&x)?);
    }
    let tensors: Vec<_> = inputs.iter().map(|input| input.as_tensor().clone()).collect();
    let mut result = None;
    let (_, gradients) = value_and_gradients(|| {
        let y = (case.run)(&tensors)?;
        result = Some(y.detach());
        let weights = drawn("weights of the result", y.dims())?.to_device(device)?;
        (y.to_dtype(DType::F32)? * weights)?.sum_all()
    })?;
    let gradients = inputs.iter().map(|input| gradients.get(input).cloned());
    Ok(std::iter::once(result).chain(gradients).collect())
}

fn compare(case: &Case, dtype: DType, device: &Device, tolerance: f64) {
    let on_cpu = evaluate(case, dtype, &Device::Cpu).unwrap();
    let on_gpu = evaluate(case, dtype, device).unwrap_or_else(|error| panic!("{error}"));
    let again = evaluate(case, dtype, device).unwrap();
    for (place, want) in on_cpu.iter().enumerate() {
        let what = format!("{} in {dtype:?}, tensor {place}", case.name);
        match (want, &on_gpu[place], &again[place]) {
            (Some(want), Some(got), Some(again)) => {
                assert!(got.device().is_cuda(), "{what}: left the GPU");
                close(&what, got, want, tolerance);
                same(&what, got, again);
            }
            (None, None, None) => {}
            _ => panic!("{what}: a gradient on one device alone"),
        }
    }
}

/// Runs the whole table and tells of everything that is off, not of the first alone.
fn compare_all(test: &str, dtype: DType, tolerance: f64) {
    let Some(device) = gpu(test) else { return };
    let failed = CASES.iter().filter(|case| {
        catch_unwind(AssertUnwindSafe(|| compare(case, dtype, &device, tolerance))).is_err()
    });
    let failed: Vec<_> = failed.map(|case| case.name).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), CASES.len());
}

#[test]
fn every_operation_in_f32_is_that_of_the_cpu_and_the_same_again() {
    compare_all("operations in f32", DType::F32, 2e-4);
}

#[test]
fn every_operation_in_bf16_is_that_of_the_cpu_and_the_same_again() {
    compare_all("operations in bf16", DType::BF16, 4e-2);
}

#[test]
fn the_table_runs_on_the_cpu() {
    for case in CASES {
        let made = evaluate(case, DType::F32, &Device::Cpu);
        let made = made.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert!(made[1].is_some(), "{} has no gradient", case.name);
    }
}
