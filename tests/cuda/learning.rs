//! Training steps and optimisers on a GPU against the CPU.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn3d::{
    Adam, AdamW, Ema, EmaSettings, GradientNorm, Gradients, NamedTensors, Optimiser,
    ParameterStore, Recompute, Sgd, SgdSettings, value_and_gradients,
};
use keyed_random::Key;
use mrisynth_diffusion::{DiffusionConfig, DiffusionTrainee, Precision};
use mrisynth_training::Trainee;

use crate::gpu::{close, gpu, same};
use crate::tiny_network::{PRECISIONS, batch, network, parameters};

/// The losses and gradient norms of three steps, and the parameters after them.
fn trained(precision: Precision, device: &Device) -> (Vec<f64>, BTreeMap<String, Tensor>) {
    let config = DiffusionConfig { precision, accumulation: 2, ..DiffusionConfig::default() };
    let build = |vb: candle_nn::VarBuilder<'static>| network(vb);
    let store = parameters(device);
    let mut trainee = DiffusionTrainee::new(&config, store, build, Box::new(batch)).unwrap();
    let mut scalars = Vec::new();
    for step in 1..=3 {
        scalars.extend(trainee.step(step).unwrap().scalars.iter().map(|scalar| scalar.value));
    }
    (scalars, trainee.model().parameters().tensors())
}

#[test]
fn training_steps_are_those_of_the_cpu_and_the_same_again() {
    let Some(device) = gpu("training steps") else { return };
    for (precision, tolerance) in PRECISIONS {
        let (losses, weights) = trained(precision, &Device::Cpu);
        let (on_gpu, learnt) = trained(precision, &device);
        for (got, want) in on_gpu.iter().zip(&losses) {
            assert!((got - want).abs() <= tolerance * want.abs().max(1e-6), "{got} for {want}");
        }
        let (again, learnt_again) = trained(precision, &device);
        assert_eq!(again, on_gpu);
        for (name, want) in &weights {
            close(&format!("{name} in {precision:?}"), &learnt[name], want, tolerance);
            same(name, &learnt[name], &learnt_again[name]);
        }
    }
}

fn gradients_of(store: &ParameterStore, step: u64) -> Gradients {
    let mut loss: Option<Tensor> = None;
    for (name, parameter) in store.variables() {
        let key = Key::new(9).with(&name).with_index(step);
        let law = candle_nn3d::Distribution::STANDARD_NORMAL;
        let device = parameter.device();
        let g = law.tensor(&key, parameter.shape(), parameter.dtype(), device).unwrap();
        let part = (parameter.as_tensor() * g).unwrap().sum_all().unwrap();
        loss = Some(loss.map_or(part.clone(), |loss| (loss + part).unwrap()));
    }
    Gradients::of(store, loss.unwrap().backward().unwrap()).unwrap()
}

fn optimisers() -> Vec<(&'static str, Box<dyn Optimiser>)> {
    let momentum = SgdSettings { momentum: 0.9, weight_decay: 0.01, ..Default::default() };
    vec![
        ("adam", Box::new(Adam::new(Default::default()).unwrap())),
        ("adamw", Box::new(AdamW::new(Default::default()).unwrap())),
        ("sgd", Box::new(Sgd::new(SgdSettings::default()).unwrap())),
        ("momentum", Box::new(Sgd::new(momentum).unwrap())),
    ]
}

/// Norms and parameters after four clipped steps; the state goes through a file's form after the second.
fn optimised(which: usize, device: &Device) -> (Vec<GradientNorm>, BTreeMap<String, Tensor>) {
    let store = parameters(device);
    let mut optimiser = optimisers().remove(which).1;
    let mut ema = Ema::new(&store, EmaSettings { decay: 0.9, ..Default::default() }).unwrap();
    let mut norms = Vec::new();
    for step in 0..4 {
        if step == 2 {
            let there = |state: NamedTensors| {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("state.safetensors");
                state.save_safetensors(&path).unwrap();
                NamedTensors::load_safetensors(&path).unwrap()
            };
            let state = there(optimiser.state().unwrap());
            optimiser = optimisers().remove(which).1;
            optimiser.load_state(&state).unwrap();
            ema.load_state(&there(ema.state())).unwrap();
        }
        let mut gradients = gradients_of(&store, step);
        gradients.add(gradients_of(&store, step + 100)).unwrap();
        norms.push(gradients.clip_norm(1.0).unwrap());
        optimiser.step(&store, &gradients, 1e-2).unwrap();
        ema.update(&store, step).unwrap();
    }
    let mut result = store.tensors();
    let averages = ema.averages().iter().map(|(name, t)| (format!("average of {name}"), t.clone()));
    result.extend(averages);
    (norms, result)
}

#[test]
fn optimisers_averages_and_norms_have_the_bits_of_the_cpu() {
    let Some(device) = gpu("optimisers") else { return };
    for (which, (name, _)) in optimisers().iter().enumerate() {
        let (norms, weights) = optimised(which, &Device::Cpu);
        let (on_gpu, learnt) = optimised(which, &device);
        assert_eq!(on_gpu, norms, "{name}");
        for (parameter, want) in &weights {
            same(&format!("{name}: {parameter}"), &learnt[parameter], want);
        }
    }
}

#[test]
fn recomputed_segments_have_the_gradients_of_plain_ones() {
    let Some(device) = gpu("recomputed segments") else { return };
    let store = parameters(&device);
    let weight = store.variables().into_values().find(|w| w.rank() == 2).unwrap();
    let (rows, columns) = weight.dims2().unwrap();
    let x = Tensor::ones((3, columns), DType::F32, &device).unwrap();
    let gradient = |recompute: bool| {
        let w = weight.as_tensor().clone();
        let segment =
            move |x: &Tensor| candle_nn3d::ops::silu(&candle_nn3d::ops::linear(x, &w, None)?);
        let (_, gradients) = value_and_gradients(|| {
            let y =
                if recompute { Recompute::new().checkpoint(&x, segment)? } else { segment(&x)? };
            y.sum_all()
        })
        .unwrap();
        gradients.get(&weight).unwrap().clone()
    };
    assert_eq!(gradient(true).dims(), [rows, columns]);
    same("a recomputed segment", &gradient(true), &gradient(false));
}
