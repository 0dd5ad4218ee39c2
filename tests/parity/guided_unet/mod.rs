//! Guided U-Nets beside PyTorch's: forward, and the gradients of sum(output · upstream), one case per
//! file in `tests/fixtures/guided_unet`; and Med-DDPM's own goldens, where they are at hand.

mod drawn;
mod med_ddpm;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn3d::{NamedTensors, ParameterStore};
use keyed_random::Key;
use mrisynth_unet::{GuidedUnet, GuidedUnetConfig, UnetConfig, UnetInput, parameter_shapes};
use serde::Deserialize;

/// Relative, of Frobenius norms.
const TOLERANCE_F32: f64 = 1e-4;
const TOLERANCE_BF16: f64 = 2e-2;
const TOLERANCE_GRADIENT: f64 = 1e-3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    config: GuidedUnetConfig,
    parameters: usize,
    gradients: Vec<String>,
    #[expect(dead_code, reason = "for the reader of the file")]
    made_with: String,
}

fn cases() -> Vec<(PathBuf, Case, NamedTensors)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guided_unet");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let file = NamedTensors::load_safetensors(&path).unwrap();
        (path, serde_json::from_str(&file.metadata["case"]).unwrap(), file)
    };
    let cases: Vec<_> = paths.into_iter().map(read).collect();
    assert!(!cases.is_empty());
    cases
}

/// The distance of two tensors, relative to the norm of the second.
fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let numbers = |t: &Tensor| {
        t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let (got, want) = (numbers(got), numbers(want));
    norm(&mut got.iter().zip(&want).map(|(g, w)| g - w)) / norm(&mut want.iter().copied())
}

/// The network of a case, with the parameters that its script draws.
fn parameters(case: &Case) -> ParameterStore {
    let store = ParameterStore::new(Key::new(0));
    let config = UnetConfig::GuidedUnet(case.config.clone());
    for (name, shape) in parameter_shapes(&config).unwrap() {
        store.set(&name, &drawn::parameter(&name, &shape)).unwrap();
    }
    assert_eq!(store.n_parameters(), case.parameters);
    store
}

#[test]
fn outputs_and_gradients_equal_pytorchs() {
    for (path, case, golden) in cases() {
        let store = parameters(&case);
        let unet = GuidedUnet::new(&case.config, store.builder(DType::F32)).unwrap();
        let x = Var::from_tensor(&golden.tensors["input"]).unwrap();
        let output = unet.forward(&UnetInput::new(&x, &golden.tensors["timesteps"])).unwrap();
        let far = distance(&output, &golden.tensors["output"]);
        assert!(far <= TOLERANCE_F32, "{}: output {far:e}", path.display());
        let loss = (output * &golden.tensors["upstream"]).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let variables = store.variables();
        assert_eq!(case.gradients.len(), 3);
        let named = case.gradients.iter().map(|name| (name.as_str(), &variables[name]));
        for (name, variable) in named.chain([("input", &x)]) {
            let want = &golden.tensors[&format!("grad.{name}")];
            let far = distance(gradients.get(variable).unwrap(), want);
            assert!(far <= TOLERANCE_GRADIENT, "{}: grad.{name} {far:e}", path.display());
        }
    }
}

#[test]
fn bf16_networks_are_near_pytorchs() {
    for (path, case, golden) in cases() {
        let store = parameters(&case);
        let unet = GuidedUnet::new(&case.config, store.builder(DType::BF16)).unwrap();
        let (x, t) = (&golden.tensors["input"], &golden.tensors["timesteps"]);
        let output = unet.forward(&UnetInput::new(x, t)).unwrap();
        assert_eq!(output.dtype(), DType::BF16);
        let far = distance(&output, &golden.tensors["output"]);
        assert!(far <= TOLERANCE_BF16, "{}: {far:e}", path.display());
    }
}

#[test]
fn presets_have_the_published_names_shapes_and_sizes() {
    let presets = [
        ("med_ddpm_wholehead_128.txt", GuidedUnetConfig::whole_head_128(), 40.23),
        ("med_ddpm_brats_192.txt", GuidedUnetConfig::brats_192x192x144(), 57.56),
    ];
    for (list, config, millions) in presets {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/unet_keys").join(list);
        let text = std::fs::read_to_string(path).unwrap();
        let mut published: Vec<(String, Vec<usize>)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("denoise_fn.")?.split_once('\t'))
            .map(|(name, shape)| (name.to_owned(), serde_json::from_str(shape).unwrap()))
            .collect();
        let mut ours = parameter_shapes(&UnetConfig::GuidedUnet(config)).unwrap();
        published.sort();
        ours.sort();
        assert_eq!(ours, published);
        let count: usize = ours.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!((count as f64 / 1e4).round() / 100.0, millions);
    }
}
