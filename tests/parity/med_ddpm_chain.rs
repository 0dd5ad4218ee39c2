//! Med-DDPM from weights to sample: its network, its schedule and its ancestral chain of 250 steps,
//! beside what its own code gave with the same noise. The golden lies outside the repository.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use candle_nn3d::NamedTensors;
use mrisynth_schedulers::{Noise, Observer, Progress, SamplerState, SamplingPreset, sample};
use mrisynth_unet::{CheckpointPart, GuidedUnetConfig, Unet, UnetConfig, UnetInput, read_weights};

/// Of the norm of the sample: 250 steps, each a network of f32.
const TOLERANCE: f64 = 1e-4;

fn golden() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let folder = std::env::var_os("MRISYNTH_FIXTURES").map_or_else(beside, PathBuf::from);
    let path = folder.join("med_ddpm_chain_250.safetensors");
    if !path.is_file() {
        println!("SKIPPED: there is no {}", path.display());
        return None;
    }
    Some(path)
}

/// The weights of the chain under the names of a checkpoint, in a file of their own.
fn checkpoint(golden: &NamedTensors, folder: &Path) -> PathBuf {
    let mut file = NamedTensors::default();
    for (name, tensor) in &golden.tensors {
        if let Some(name) = name.strip_prefix("chain.") {
            file.tensors.insert(name.to_owned(), tensor.clone());
        }
    }
    let path = folder.join("chain.safetensors");
    file.save_safetensors(&path).unwrap();
    path
}

/// Keeps the samples that the reference kept.
struct Kept {
    left: Vec<usize>,
    samples: Vec<Tensor>,
}

impl Observer for Kept {
    fn stepped(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if self.left.contains(&(progress.steps - progress.done)) {
            self.samples.push(progress.state.sample.clone());
        }
        ControlFlow::Continue(())
    }
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let values = |t: &Tensor| {
        t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let (a, b) = (values(a), values(b));
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

#[test]
fn the_whole_ancestral_chain_of_med_ddpm_is_met() {
    let Some(path) = golden() else { return };
    let golden = NamedTensors::load_safetensors(&path).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let config = UnetConfig::GuidedUnet(GuidedUnetConfig {
        image_size: 64,
        num_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1.0, 1.0],
        ..GuidedUnetConfig::whole_head_128()
    });
    let weights =
        read_weights(&config, checkpoint(&golden, scratch.path()), CheckpointPart::Ema).unwrap();
    assert_eq!(weights.schedule_buffers.len(), 13);
    let mut unet = Unet::from_weights(&config, weights, DType::F32).unwrap().unet;
    unet.prepare([8; 3]).unwrap();

    let preset = SamplingPreset::MedDdpm.config();
    assert_eq!(preset.steps, 250);
    let condition = &golden.tensors["condition"];
    let denoiser = preset
        .denoiser(|x: &Tensor, timesteps: &Tensor| {
            let input = Tensor::cat(&[x, condition], 1)?;
            unet.forward(&UnetInput::new(&input, timesteps)).map_err(candle_core::Error::wrap)
        })
        .unwrap();
    let by_timestep = &golden.tensors["noise_by_t"];
    // Step k leaves level 249 − k; the last adds none.
    let noise = (0..250).map(|step| by_timestep.get(249 - step).unwrap()).collect();

    let sampler = preset.sampler.build().unwrap();
    let mut state = SamplerState::new(golden.tensors["x_T"].clone());
    let mut kept = Kept { left: vec![249, 248, 125, 1, 0], samples: Vec::new() };
    let levels = preset.levels().unwrap();
    sample(&*sampler, &mut state, &levels, &denoiser, &Noise::Recorded(noise), &mut kept).unwrap();

    assert_eq!(kept.samples.len(), kept.left.len());
    for (i, (got, timestep)) in kept.samples.iter().zip(&kept.left).enumerate() {
        let want = golden.tensors["x_after"].get(i).unwrap();
        let far = distance(got, &want);
        println!("after leaving level {timestep}: {far:e}");
        assert!(far <= TOLERANCE, "after leaving level {timestep}: {far:e}");
    }
}
