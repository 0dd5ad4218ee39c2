//! `DiffusionUnet` beside MONAI's `DiffusionModelUNet`, forward and backward.

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor, Var};
use mrisynth_unet::{DiffusionUnet, UnetConfig, UnetInput, parameter_shapes, presets};

use super::golden::{Golden, distance, folder};

/// Of the norm of an array.
const TOLERANCE_F32: f64 = 1e-4;
const TOLERANCE_BF16: f64 = 2e-2;
const TOLERANCE_GRADIENT: f64 = 1e-3;

/// Every golden under MONAI's own names; those of another naming are loaded elsewhere.
fn goldens() -> Vec<Golden> {
    let entries = std::fs::read_dir(folder()).unwrap_or_else(|e| panic!("{e}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    let goldens = paths.iter().map(|path| Golden::read(path));
    let ours = |golden: &Golden| {
        matches!(golden.config, UnetConfig::DiffusionUnet(_))
            && !golden.name.starts_with("old-naming")
    };
    let goldens: Vec<Golden> = goldens.filter(ours).collect();
    assert!(goldens.len() >= 10, "{} goldens", goldens.len());
    goldens
}

/// The network's output on the golden's inputs, with `x` in the place of its input.
fn run(golden: &Golden, unet: &DiffusionUnet, x: &Tensor) -> mrisynth_unet::Result<Tensor> {
    let mut residuals: Vec<_> = golden
        .under("down_residuals.")
        .map(|(i, tensor)| (i.parse::<usize>().unwrap(), tensor.clone()))
        .collect();
    residuals.sort_by_key(|(i, _)| *i);
    let residuals: Vec<Tensor> = residuals.into_iter().map(|(_, tensor)| tensor).collect();
    unet.forward(&UnetInput {
        context: golden.tensors.get("context"),
        class_labels: golden.tensors.get("class_labels"),
        down_block_additional_residuals: &residuals,
        mid_block_additional_residual: golden.tensors.get("mid_residual"),
        ..UnetInput::new(x, golden.tensor("timesteps"))
    })
}

fn network(golden: &Golden, dtype: DType) -> (DiffusionUnet, BTreeMap<String, Var>) {
    let UnetConfig::DiffusionUnet(config) = &golden.config else { panic!("{}", golden.name) };
    let shapes = parameter_shapes(&golden.config).unwrap();
    let wanted: Vec<&str> = shapes.iter().map(|(name, _)| name.as_str()).collect();
    let store = golden.parameters();
    let names = store.names();
    assert!(wanted.iter().all(|name| names.iter().any(|n| n == name)), "{}", golden.name);
    assert_eq!(wanted.len(), names.len(), "{}", golden.name);
    let unet = DiffusionUnet::new(config, store.builder(dtype)).unwrap();
    (unet, store.variables())
}

#[test]
fn outputs_are_monais_in_f32_and_bf16() {
    let mut faults = Vec::new();
    for golden in goldens() {
        for (dtype, tolerance) in [(DType::F32, TOLERANCE_F32), (DType::BF16, TOLERANCE_BF16)] {
            let (unet, _) = network(&golden, dtype);
            let got = run(&golden, &unet, golden.tensor("input")).unwrap();
            assert_eq!(got.dtype(), dtype);
            let far = distance(&got, golden.tensor("output"));
            // A NaN is a fault too.
            if far.is_nan() || far > tolerance {
                faults.push(format!("{} {dtype:?}: {far:e}", golden.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn gradients_are_monais() {
    let gradients = |golden: &Golden| -> Result<Vec<(String, f64)>> {
        let (unet, parameters) = network(golden, DType::F32);
        let x = Var::from_tensor(golden.tensor("input"))?;
        let y = run(golden, &unet, x.as_tensor()).map_err(candle_core::Error::wrap)?;
        let gradients = (y * golden.tensor("loss_weights"))?.mean_all()?.backward()?;
        let wanted = golden.under("grad.");
        wanted
            .map(|(name, want)| {
                let of = if name == "input" { &x } else { &parameters[name] };
                let got = gradients.get(of.as_tensor()).unwrap_or_else(|| panic!("{name}"));
                Ok((format!("{} {name}", golden.name), distance(got, want)))
            })
            .collect()
    };
    for golden in goldens() {
        let found = gradients(&golden).unwrap();
        assert!(found.len() >= 4, "{}", golden.name);
        for (name, far) in found {
            assert!(far < TOLERANCE_GRADIENT, "{name}: {far:e}");
        }
    }
}

#[test]
fn the_parameters_of_published_networks_have_monais_names_and_shapes() {
    for (name, config) in [
        ("bari_84x128x84", presets::bari_84x128x84()),
        ("brain_ldm", presets::brain_ldm()),
        ("brats_ldm", presets::brats_ldm()),
    ] {
        let path = folder().join(format!("parameters-{name}.txt"));
        let text = std::fs::read_to_string(path).unwrap();
        let listed: Vec<&str> = text.lines().collect();
        let shapes = parameter_shapes(&config.into()).unwrap();
        let line = |(name, shape): &(String, Vec<usize>)| {
            let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!("{name} {}", shape.join(" "))
        };
        let mut ours: Vec<String> = shapes.iter().map(line).collect();
        ours.sort();
        assert_eq!(ours, listed, "{name}");
    }
}
