//! Sampling on a GPU against the CPU.

use candle_core::{DType, Device, Tensor};
use mrisynth_diffusion::{Generator, GeneratorConfig, Guidance, Model, Precision, SampleItem};
use mrisynth_schedulers::{
    SamplerConfig, SamplerState, SamplingConfig, Threshold, Unobserved, Variance,
};

use crate::gpu::{close, gpu, same};
use crate::tiny_network::{PRECISIONS, SPACE, condition, network, parameters};

fn items() -> Vec<SampleItem> {
    let item =
        |replica| SampleItem { replica, condition: condition(replica), ..Default::default() };
    (0..2).map(item).collect()
}

fn generator(sampler: SamplerConfig, precision: Precision, device: &Device) -> Generator {
    let threshold = Threshold::UNIT;
    let sampling = SamplingConfig { steps: 5, sampler, threshold, ..SamplingConfig::default() };
    let guidance = Guidance { scale: 2.0, ..Guidance::default() };
    let config = GeneratorConfig { seed: 5, sampling, guidance, precision };
    Generator::new(&config).unwrap().on(device)
}

/// Where the items begin, and where they end.
fn sampled(sampler: SamplerConfig, precision: Precision, device: &Device) -> [Tensor; 2] {
    let model = Model::new(parameters(device), precision, network).unwrap();
    let (items, generator) = (items(), generator(sampler, precision, device));
    let [x, y, z] = SPACE;
    let mut state = generator.begin(&items, [1, x, y, z]).unwrap();
    let start = state.sample.clone();
    let network = model.network().unwrap();
    generator.run(&*network, &items, &mut state, &mut Unobserved).unwrap();
    assert_eq!(state.sample.dtype(), DType::F32);
    [start, state.sample]
}

#[test]
fn samples_are_those_of_the_cpu_and_the_same_again() {
    let Some(device) = gpu("sampling") else { return };
    for sampler in [
        SamplerConfig::Ddpm { variance: Variance::default() },
        SamplerConfig::Ddim { eta: 0.0 },
        SamplerConfig::DpmSolver { order: Default::default(), kind: Default::default() },
        SamplerConfig::Heun { churn: Default::default() },
        SamplerConfig::Pndm { start: Default::default() },
    ] {
        for (precision, tolerance) in PRECISIONS {
            let what = format!("{sampler:?} in {precision:?}");
            let [start, want] = sampled(sampler, precision, &Device::Cpu);
            let [begun, got] = sampled(sampler, precision, &device);
            same(&format!("the noise of {what}"), &begun, &start);
            close(&what, &got, &want, 5.0 * tolerance);
            same(&what, &got, &sampled(sampler, precision, &device)[1]);
        }
    }
}

#[test]
fn a_sample_resumed_from_its_file_is_the_uninterrupted_one() {
    let Some(device) = gpu("resumed sampling") else { return };
    let sampler = SamplerConfig::DpmSolver { order: Default::default(), kind: Default::default() };
    let [_, whole] = sampled(sampler, Precision::F32, &device);
    let model = Model::new(parameters(&device), Precision::F32, network).unwrap();
    let (items, generator) = (items(), generator(sampler, Precision::F32, &device));
    let [x, y, z] = SPACE;
    let mut state = generator.begin(&items, [1, x, y, z]).unwrap();
    let network = model.network().unwrap();
    let mut two_steps = |progress: &mrisynth_schedulers::Progress<'_>| match progress.done {
        2 => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    };
    generator.run(&*network, &items, &mut state, &mut two_steps).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    state.to_named_tensors().unwrap().save_safetensors(&path).unwrap();
    let saved = candle_nn3d::NamedTensors::load_safetensors(&path).unwrap();
    let mut state = SamplerState::from_named_tensors(&saved).unwrap();
    generator.run(&*network, &items, &mut state, &mut Unobserved).unwrap();
    same("a resumed sample", &state.sample, &whole);
}

#[test]
fn a_network_s_answer_that_is_not_finite_is_found_at_the_end() {
    let Some(device) = gpu("answers that are not finite") else { return };
    let generator = generator(SamplerConfig::Ddim { eta: 0.0 }, Precision::F32, &device);
    let items = [SampleItem { condition: condition(0), ..SampleItem::default() }];
    let mut state = generator.begin(&items, [1, 2, 2, 2]).unwrap();
    let infinite = |x: &Tensor, _: &Tensor, _: &mrisynth_diffusion::Condition| {
        (x.ones_like()? * f64::INFINITY)?.to_dtype(x.dtype())
    };
    let run = generator.run(&infinite, &items, &mut state, &mut Unobserved);
    assert!(run.unwrap_err().to_string().contains("not finite"));
}
