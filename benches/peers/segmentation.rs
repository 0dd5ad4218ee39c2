//! Our side of the comparison of segmentation networks; `segmentation.py` drives it, and there is no use
//! in running it by hand.
//!
//! `peer_segmentation FOLDER (--train | --predict)` answers on stdout to lines on stdin: `time` does the
//! work once and prints seconds on the clock and of the processors; `keep FILE` writes the result, raw
//! little-endian f32; `memory` prints the greatest memory so far, in MiB.

mod serving;

use std::path::Path;

use candle_core::DType;
use candle_nn3d::{Gradients, Matching, NamedTensors, ParameterStore, value_and_gradients};
use mrisynth_segmentation::{
    Recipe, Segmenter, SegmenterConfig, SlidingWindow, SlidingWindowConfig, TargetClasses,
    deeply_supervised,
};

use serving::{Result, Work, serve};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// The network of `config.json` with the weights of `weights.safetensors`.
fn network(folder: &Path) -> Result<(Segmenter, ParameterStore)> {
    let text = std::fs::read_to_string(folder.join("config.json"))?;
    let config: SegmenterConfig = serde_json::from_str(&text)?;
    let store = ParameterStore::new(keyed_random::Key::new(0));
    let network = Segmenter::new(&config, store.builder(DType::F32))?;
    let weights = NamedTensors::load_safetensors(folder.join("weights.safetensors"))?;
    weights.load_into(&store, Matching::Strict)?;
    Ok((network, store))
}

/// A step of nnU-Net's recipe on one batch.
fn training(folder: &Path) -> Result<Work> {
    let (network, store) = network(folder)?;
    let inputs = NamedTensors::load_safetensors(folder.join("inputs.safetensors"))?.tensors;
    let (x, target) = (inputs["patches"].clone(), &inputs["classes"]);
    let shape = <[usize; 4]>::from(target.dims4()?);
    let classes = target.to_dtype(DType::U8)?.flatten_all()?.to_vec1::<u8>()?;
    let target = TargetClasses::new(classes, shape)?;
    let recipe = Recipe::default();
    let mut optimiser = recipe.optimiser.build()?;
    Ok(Box::new(move || {
        let (loss, gradients) = value_and_gradients(|| {
            let logits = network.forward_deep(&x).map_err(candle_core::Error::wrap)?;
            let loss = deeply_supervised(&recipe.loss, &logits, &target);
            loss.map_err(candle_core::Error::wrap)
        })?;
        let mut gradients = Gradients::of(&store, gradients)?;
        gradients.clip_norm(recipe.clip)?;
        optimiser.step(&store, &gradients, 1e-3)?;
        Ok(loss.reshape(1)?)
    }))
}

/// The logits of a scan, by overlapping windows.
fn prediction(folder: &Path) -> Result<Work> {
    let (mut network, _) = network(folder)?;
    let inputs = NamedTensors::load_safetensors(folder.join("inputs.safetensors"))?.tensors;
    let (scan, window) = (inputs["scan"].clone(), &inputs["patches"]);
    let (_, _, x, y, z) = window.dims5()?;
    network.prepare([x, y, z])?;
    let window = SlidingWindowConfig {
        window: [x, y, z],
        mirrored_axes: [false; 3],
        ..SlidingWindowConfig::default()
    };
    let window = SlidingWindow::new(&window)?;
    Ok(Box::new(move || Ok(window.run(&scan, |patch| network.forward(patch))?)))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    serve(match words[..] {
        [folder, "--train"] => training(Path::new(folder))?,
        [folder, "--predict"] => prediction(Path::new(folder))?,
        _ => return Err("peer_segmentation FOLDER (--train | --predict)".into()),
    })
}
