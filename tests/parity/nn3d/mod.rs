//! The operations of candle-nn3d beside PyTorch's, forward and backward: one case per file in
//! `tests/fixtures/nn3d`, each in three memory layouts, in f32, f64 and bf16, on every tier.

mod case;
mod operation;
mod optimiser;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use candle_core::{DType, Result, Tensor};
use candle_nn3d::{TIER_VARIABLE, Tier};

use crate::close::compare;
use case::Case;
use view::{Layout, View, reversed};

/// Of the largest number of an array. Goldens carry the rounding of an f32; f32 arithmetic, and
/// the transforms of a fast convolution, add a few more.
const TOLERANCE_F64: f64 = 3e-7;
const TOLERANCE_F32: f64 = 1e-5;
/// Of the norm of an array: bf16 has eight bits.
const TOLERANCE_BF16: f64 = 1e-2;

/// The operations, by the test that checks them.
const CONVOLUTIONS: [&str; 2] = ["conv3d", "conv_transpose3d"];
const NORMS: [&str; 5] =
    ["group_norm", "group_norm_silu", "instance_norm", "layer_norm", "batch_norm"];
const ACTIVATIONS: [&str; 4] = ["silu", "gelu", "leaky_relu", "geglu"];
const RESIZING: [&str; 6] =
    ["upsample_nearest", "upsample_trilinear", "avg_pool", "max_pool", "pad", "concat"];
const TOKENS: [&str; 2] = ["attention", "linear"];
const LOSSES: [&str; 3] = ["mse_loss", "l1_loss", "huber_loss"];
const OPTIMISERS: [&str; 3] = ["adam", "adamw", "sgd"];

/// Results and gradients, by the names of the goldens.
type Results = BTreeMap<String, Tensor>;

/// Runs a case forwards and backwards on the inputs as they are when rounded to `rounded`, in
/// arithmetic of `dtype`.
fn run(case: &Case, layout: Layout, rounded: DType, dtype: DType) -> Result<Results> {
    let prepare = |t: &Tensor| t.to_dtype(rounded)?.to_dtype(dtype);
    let mut views = BTreeMap::new();
    for (name, input) in case.tensors("in.") {
        views.insert(name, View::new(&prepare(input)?, layout)?);
    }
    let inputs = views.iter().map(|(&name, view)| (name, view.tensor.clone())).collect();
    let mut results = operation::run(case, &inputs)?;

    let out = &results["out"];
    // The mean of a loss is f32 where its inputs are bf16.
    let upstream = prepare(case.tensor("upstream"))?.to_dtype(out.dtype())?;
    // Through a view, so that the gradient that flows into the operation is not contiguous either.
    let loss = match layout {
        Layout::Contiguous => (out * upstream)?.sum_all()?,
        _ => (reversed(out)? * reversed(&upstream)?)?.sum_all()?,
    };
    let store = loss.backward()?;
    for (name, want) in case.tensors("grad.") {
        let Some(gradient) = views[name].gradient(&store)? else {
            candle_core::bail!("no gradient arrives at {name}");
        };
        if gradient.dtype() != dtype || gradient.dims() != want.dims() {
            let (got, dims) = (gradient.dtype(), gradient.dims());
            candle_core::bail!(
                "the gradient at {name} is {got:?} {dims:?}, not {dtype:?} {want:?}"
            );
        }
        results.insert(format!("grad.{name}"), gradient);
    }
    Ok(results)
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// The arrays of whose size the terms of this one are: itself, but for attention's gradients of
/// queries and keys. Where a softmax saturates (or has one key) these are differences of nearly
/// equal terms as large as the gradient of the values.
fn peers(case: &Case, name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if case.operation == "attention" && ["grad.q", "grad.k"].contains(&name) {
        names.push("grad.v".to_owned());
    }
    names
}

/// What differs from the goldens by more than `tolerance` of the largest number of an array.
fn differences(case: &Case, got: &Results, tolerance: f64) -> Result<Vec<String>> {
    let goldens = ["out", "grad."].into_iter().flat_map(|prefix| {
        case.tensors(prefix).map(move |(rest, golden)| (format!("{prefix}{rest}"), golden))
    });
    let mut faults = Vec::new();
    for (name, golden) in goldens {
        let Some(got) = got.get(&name) else {
            candle_core::bail!("there is no {name}");
        };
        if got.dims() != golden.dims() {
            faults.push(format!("{name} has the shape {:?}, not {:?}", got.dims(), golden.dims()));
            continue;
        }
        let mut largest = 1e-3_f64;
        for peer in peers(case, &name) {
            largest = numbers(case.tensor(&peer))?.iter().fold(largest, |a, v| a.max(v.abs()));
        }
        if let Err(fault) = compare(&numbers(got)?, &numbers(golden)?, tolerance * largest) {
            faults.push(format!("{name} {fault}"));
        }
    }
    Ok(faults)
}

/// What differs between two runs by more than `tolerance` of the norm of an array.
fn distances(case: &Case, got: &Results, want: &Results, tolerance: f64) -> Result<Vec<String>> {
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut faults = Vec::new();
    for (name, wanted) in want {
        let pairs = numbers(&got[name])?.into_iter().zip(numbers(wanted)?);
        let far = norm(&pairs.map(|(g, w)| g - w).collect::<Vec<_>>());
        let mut size = 1e-3_f64;
        for peer in peers(case, name) {
            size = size.max(norm(&numbers(&want[&peer])?));
        }
        let relative = far / size;
        // A NaN is a fault too.
        if relative.is_nan() || relative > tolerance {
            faults.push(format!("{name} is {relative:e} of its norm away"));
        }
    }
    Ok(faults)
}

/// All that is wrong with one case.
fn faults_of(case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    let mut note = |what: String, found: Result<Vec<String>>| match found {
        Ok(found) => faults.extend(found.iter().map(|fault| format!("{what}: {fault}"))),
        Err(error) => faults.push(format!("{what}: {error}")),
    };
    for layout in Layout::ALL {
        for (dtype, tolerance) in [(DType::F32, TOLERANCE_F32), (DType::F64, TOLERANCE_F64)] {
            let found = run(case, layout, DType::F32, dtype)
                .and_then(|got| differences(case, &got, tolerance));
            note(format!("{} {dtype:?} {layout:?}", case.name), found);
        }
        // The goldens are of other inputs than bf16 holds; f64, checked above, stands in for them.
        let found = run(case, layout, DType::BF16, DType::F64).and_then(|want| {
            let got = run(case, layout, DType::BF16, DType::BF16)?;
            distances(case, &got, &want, TOLERANCE_BF16)
        });
        note(format!("{} BF16 {layout:?}", case.name), found);
    }
    faults
}

#[track_caller]
fn check(operations: &[&str], faults_of: impl Fn(&Case) -> Vec<String>) {
    let cases = Case::all();
    let ours = cases.iter().filter(|case| operations.contains(&&*case.operation));
    let faults: Vec<String> = ours.flat_map(faults_of).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_golden_belongs_to_a_test_and_every_operation_has_goldens() {
    let cases = Case::all();
    let found: BTreeSet<&str> = cases.iter().map(|case| &*case.operation).collect();
    let families: [&[&str]; 7] =
        [&CONVOLUTIONS, &NORMS, &ACTIVATIONS, &RESIZING, &TOKENS, &LOSSES, &OPTIMISERS];
    let known: BTreeSet<&str> = families.concat().into_iter().collect();
    assert_eq!(found, known);
}

#[test]
fn convolutions_equal_pytorchs() {
    check(&CONVOLUTIONS, faults_of);
}

#[test]
fn norms_equal_pytorchs() {
    check(&NORMS, faults_of);
}

#[test]
fn activations_equal_pytorchs() {
    check(&ACTIVATIONS, faults_of);
}

#[test]
fn resizing_equals_pytorchs() {
    check(&RESIZING, faults_of);
}

#[test]
fn attention_and_linear_layers_equal_pytorchs() {
    check(&TOKENS, faults_of);
}

#[test]
fn losses_equal_pytorchs() {
    check(&LOSSES, faults_of);
}

#[test]
fn optimisers_step_as_pytorchs_do() {
    check(&OPTIMISERS, optimiser::faults_of);
}

/// The tests above run on the tier of the process; this starts processes on the others.
#[test]
fn every_tier_of_this_processor_equals_pytorch() {
    let this = std::env::current_exe().unwrap();
    for tier in Tier::available().filter(|&tier| tier != Tier::current()) {
        let run = Command::new(&this)
            .args(["nn3d::", "--skip", "every_tier"])
            .env(TIER_VARIABLE, tier.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{tier}:\n{said}");
        assert!(!said.contains("running 0 tests"), "{tier} ran nothing:\n{said}");
    }
}
