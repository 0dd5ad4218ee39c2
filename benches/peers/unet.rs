//! Our side of the comparison of U-Nets; `unet.py` drives it, and there is no use in running it by hand.
//!
//! `peer_unet DTYPE FOLDER [--train | --sample STEPS]` answers on stdout to lines on stdin: `time` does the work once
//! and prints seconds on the clock and of the processors; `keep FILE` writes the result, raw
//! little-endian f32; `memory` prints the greatest memory so far, in MiB.

mod serving;

use std::path::Path;

use candle_core::{DType, Tensor};
use candle_nn3d::{
    Adam, AdamSettings, ChannelsLast, Gradients, NamedTensors, Optimiser, ParameterStore, ops,
    value_and_gradients,
};
use mrisynth_schedulers::{
    Betas, Noise, Process, SamplerConfig, SamplerState, SamplingConfig, ScheduleConfig, Spacing,
    Terminal, Threshold, Unobserved, sample,
};
use mrisynth_unet::{CheckpointPart, NetworkConfig, Unet, UnetConfig, UnetInput, read_weights};

use serving::{Result, Work, serve};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

fn forward(config: &UnetConfig, folder: &Path, dtype: DType) -> Result<Work> {
    let mut unet = Unet::load(config, folder.join("weights.safetensors"), dtype)?.unet;
    let inputs = NamedTensors::load_safetensors(folder.join("inputs.safetensors"))?.tensors;
    let (x, t) = (inputs["input"].to_dtype(dtype)?, inputs["timesteps"].clone());
    let (_, _, sx, sy, sz) = x.dims5()?;
    unet.prepare([sx, sy, sz])?;
    Ok(Box::new(move || Ok(unet.forward(&UnetInput::new(&x, &t))?.to_dtype(DType::F32)?)))
}

fn training(config: &UnetConfig, folder: &Path) -> Result<Work> {
    let store = ParameterStore::new(keyed_random::Key::new(0));
    let unet = Unet::new(config, store.builder(DType::F32))?;
    let weights = read_weights(config, folder.join("weights.safetensors"), CheckpointPart::Ema)?;
    for (name, tensor) in weights.tensors.tensors {
        store.set(&name, &tensor)?;
    }
    let inputs = NamedTensors::load_safetensors(folder.join("inputs.safetensors"))?.tensors;
    let (x, t) = (inputs["input"].clone(), inputs["timesteps"].clone());
    let noise = ChannelsLast::from_ncxyz(&inputs["noise"])?;
    let mut adam = Adam::new(AdamSettings::default())?;
    Ok(Box::new(move || {
        let (loss, gradients) = value_and_gradients(|| {
            let predicted = unet.forward(&UnetInput::new(&x, &t)).map_err(wrapped)?;
            ops::mse_loss(ChannelsLast::from_ncxyz(&predicted)?.tensor(), noise.tensor(), None)
        })?;
        let gradients = Gradients::of(&store, gradients)?;
        adam.step(&store, &gradients, 5e-5)?;
        Ok(loss.reshape(1)?)
    }))
}

/// DDIM from recorded noise, the sample in f32 whatever the network computes in.
fn sampling(config: &UnetConfig, folder: &Path, dtype: DType, steps: usize) -> Result<Work> {
    let mut unet = Unet::load(config, folder.join("weights.safetensors"), dtype)?.unet;
    let noise = NamedTensors::load_safetensors(folder.join("inputs.safetensors"))?.tensors;
    let noise = noise["input"].clone();
    let (_, _, sx, sy, sz) = noise.dims5()?;
    unet.prepare([sx, sy, sz])?;
    // The Bari papers' schedule; MONAI's spacing and end of DDIM.
    let betas = Betas::ScaledLinear { start: 5e-4, end: 0.0195 };
    let schedule = ScheduleConfig { betas, ..ScheduleConfig::default() };
    let spacing = Spacing::Leading { offset: 0 };
    let config = SamplingConfig {
        process: Process::Diffusion { schedule, spacing, terminal: Terminal::Clean },
        threshold: Threshold::None,
        sampler: SamplerConfig::Ddim { eta: 0.0 },
        steps,
        ..SamplingConfig::default()
    };
    let (levels, sampler) = (config.levels()?, config.sampler.build()?);
    Ok(Box::new(move || {
        let denoiser = config.denoiser(|x: &Tensor, t: &Tensor| {
            let answer = unet.forward(&UnetInput::new(&x.to_dtype(dtype)?, t)).map_err(wrapped)?;
            answer.to_dtype(DType::F32)
        })?;
        let mut state = SamplerState::new(noise.clone());
        let none = Noise::Recorded(Vec::new());
        let _ = sample(&*sampler, &mut state, &levels, &denoiser, &none, &mut Unobserved)?;
        Ok(state.sample)
    }))
}

fn wrapped(error: mrisynth_unet::Error) -> candle_core::Error {
    candle_core::Error::wrap(error)
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dtype, folder, flags @ ..] = &words[..] else {
        return Err("peer_unet DTYPE FOLDER [--train | --sample STEPS]".into());
    };
    let folder = Path::new(folder);
    let config = NetworkConfig::read(folder.join("config.json"))?.config;
    serve(match flags {
        [] => forward(&config, folder, dtype.parse()?)?,
        [flag] if flag == "--train" => training(&config, folder)?,
        [flag, steps] if flag == "--sample" => {
            sampling(&config, folder, dtype.parse()?, steps.parse()?)?
        }
        other => return Err(format!("no such flags: {other:?}").into()),
    })
}
