//! Goldens of Med-DDPM's own code, too large for the repository: found through `MRISYNTH_FIXTURES`.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn3d::NamedTensors;
use mrisynth_unet::{CheckpointPart, Unet, UnetConfig, UnetInput, read_weights};

use super::{TOLERANCE_BF16, TOLERANCE_F32, distance};

/// The path of a large golden, unless it is absent, which is said.
fn found(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let folder = std::env::var_os("MRISYNTH_FIXTURES").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    if !path.is_file() {
        println!("SKIPPED: there is no {}", path.display());
        return None;
    }
    Some(path)
}

fn config(text: &str) -> UnetConfig {
    let mut config: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = config.as_object_mut().unwrap();
    // What the file says about itself.
    fields.remove("source");
    fields.remove("num_params");
    fields.insert("architecture".into(), "guided_unet".into());
    serde_json::from_value(config).unwrap()
}

/// One file is weights and inputs, as in the example `unet`.
#[test]
fn the_networks_of_med_ddpm_give_its_outputs() {
    for name in ["whole_head_small", "brats_small"] {
        let Some(path) = found(&format!("med_ddpm_unet_{name}.safetensors")) else { continue };
        let golden = NamedTensors::load_safetensors(&path).unwrap();
        let config = config(&golden.metadata["config"]);
        let (x, t) = (&golden.tensors["input"], &golden.tensors["timesteps"]);
        for (dtype, tolerance) in [(DType::F32, TOLERANCE_F32), (DType::BF16, TOLERANCE_BF16)] {
            let unet = Unet::load(&config, &path, dtype).unwrap().unet;
            let output = unet.forward(&UnetInput::new(x, t)).unwrap();
            let far = distance(&output, &golden.tensors["output"]);
            println!("{name} {dtype:?}: {far:e}");
            assert!(far <= tolerance, "{name} {dtype:?}: {far:e}");
        }
    }
}

#[test]
fn a_checkpoint_gives_its_average_its_tables_and_its_step() {
    let Some(path) = found("med_ddpm_checkpoint.pt") else { return };
    let config = config(r#"{"num_channels": 32, "channel_mult": "1,1", "image_size": 64}"#);
    let read = |part| read_weights(&config, &path, part).unwrap();
    let (ema, model) = (read(CheckpointPart::Ema), read(CheckpointPart::Model));
    assert_eq!((ema.step, ema.schedule_buffers.len()), (Some(1234), 13));
    assert_eq!(ema.schedule_buffers["betas"].dims(), [250]);
    let factor = Tensor::new(1.01_f64, &Device::Cpu).unwrap();
    for (name, ema) in &ema.tensors.tensors {
        let model = model.tensors.tensors[name].to_dtype(DType::F64).unwrap();
        let far = distance(ema, &model.broadcast_mul(&factor).unwrap());
        // A tensor of zeros has no norm.
        assert!(far.is_nan() || far < 1e-6, "{name} {far:e}");
    }
    let loaded = Unet::load(&config, &path, DType::F32).unwrap();
    assert!(loaded.notes[0].contains("`ema` was taken"));
}
