//! Schedules and samplers beside those of diffusers and MONAI: one case per file in
//! `tests/fixtures/schedulers`, and the tables of a Med-DDPM checkpoint.

mod case;
mod med_ddpm;

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};
use mrisynth_schedulers::{
    Level, Noise, Process, Progress, SamplerState, SamplingConfig, Schedule, ScheduleConfig,
    Spacing, sample,
};
use serde::Deserialize;

use crate::close::{Difference, assert_close, compare};
use case::{Case, numbers};

/// Of the largest number of an array, at least 1. Peers compute their tables in f32.
const TOLERANCE: f64 = 1e-5;
/// MONAI's cosine: f32 cosines near π/2 lose 3e-5 of β by cancellation. diffusers computes them in
/// f64 and meets ours within 1e-5, as the closed form in the crate does within 1e-14.
const TOLERANCE_MONAI_COSINE: f64 = 4e-5;

#[test]
fn tables_are_those_of_diffusers_and_monai() {
    for case in Case::all("table") {
        let schedule = Schedule::new(&case.settings::<ScheduleConfig>()).unwrap();
        for (name, got) in
            [("betas", schedule.betas()), ("alphas_cumprod", schedule.alphas_cumprod())]
        {
            // Zero terminal SNR: f32 roots of numbers near 0 lose a few digits in the last β.
            let tolerance = match &case.name {
                name if name.contains("zero-terminal") => 3e-5,
                name if name.contains("monai-cosine") => TOLERANCE_MONAI_COSINE,
                _ => TOLERANCE,
            };
            assert_close(format!("{} {name}", case.name), got, &case.numbers(name), tolerance);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timesteps {
    spacing: Spacing,
    trained: usize,
    steps: usize,
}

#[test]
fn timesteps_are_those_of_diffusers_and_monai() {
    for case in Case::all("timesteps") {
        let Timesteps { spacing, trained, steps } = case.settings();
        let got: Vec<f64> =
            spacing.timesteps(trained, steps).unwrap().iter().map(|&t| t as f64).collect();
        let want = case.numbers("timesteps");
        match &case.description.wrong {
            None => assert_eq!(got, want, "{}", case.name),
            // A run starts from noise: T − 1.
            Some(why) => assert!(got != want && got[0] == (trained - 1) as f64, "{why}"),
        }
    }
}

#[test]
fn flow_times_are_those_of_monai_before_it_rounds_them_to_f16() {
    for case in Case::all("flow_times") {
        let levels = case.settings::<SamplingConfig>().levels().unwrap();
        let got: Vec<f64> = levels[..levels.len() - 1].iter().map(|l| 1000.0 * l.noise).collect();
        let want = case.numbers("timesteps");
        let apart = Difference::between(&got, &want).absolute.0;
        match &case.description.wrong {
            None => assert!(apart < 1e-9, "{}: {apart}", case.name),
            // Half of the spacing of f16 between 512 and 1024; ours are i/n to rounding.
            Some(why) => assert!((0.01..=0.2501).contains(&apart), "{}: {why}: {apart}", case.name),
        }
    }
}

/// NETWORK of `make/schedulers.py`.
fn network(x: &Tensor, timesteps: &Tensor) -> candle_core::Result<Tensor> {
    let t = (timesteps / 100.0)?.cos()?.affine(0.1, 0.0)?;
    let column = vec![t.dims1()?, 1, 1, 1, 1];
    (x.tanh()? * 0.9)?.broadcast_add(&t.reshape(column)?)
}

/// The samples after each step.
fn trajectory(case: &Case, dtype: DType) -> Vec<Vec<f64>> {
    let config: SamplingConfig = case.settings();
    let levels = match case.tensor("levels") {
        Some(levels) => {
            let rows = levels.to_vec2::<f64>().unwrap();
            rows.iter().map(|row| Level { signal: row[0], noise: row[1] }).collect()
        }
        None => config.levels().unwrap(),
    };
    let denoiser = config.denoiser(network).unwrap();
    let noise = case.tensor("noise").unwrap().to_dtype(dtype).unwrap();
    let steps = noise.dims()[0];
    let noise = Noise::Recorded((0..steps).map(|k| noise.get(k).unwrap()).collect());
    let start = case.tensor("start").unwrap().to_dtype(dtype).unwrap();
    let mut state = SamplerState::new(start);
    let mut samples = Vec::new();
    let mut observer = |progress: &Progress<'_>| {
        samples.push(numbers(&progress.state.sample));
        ControlFlow::Continue(())
    };
    let sampler = config.sampler.build().unwrap();
    sample(&*sampler, &mut state, &levels, &denoiser, &noise, &mut observer)
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    samples
}

#[test]
fn one_step_and_whole_trajectories_are_those_of_diffusers_and_monai() {
    let (mut followed, mut complaints) = (0, Vec::new());
    for case in Case::all("trajectory") {
        for dtype in [DType::F64, DType::F32] {
            let got = trajectory(&case, dtype);
            let want = case.numbers("samples");
            let size = want.len() / got.len();
            assert_eq!(want.len(), got.len() * size, "{}", case.name);
            let apart = got.iter().zip(want.chunks(size)).map(|(got, want)| {
                let largest = want.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
                let scaled = |all: &[f64]| all.iter().map(|v| v / largest).collect::<Vec<_>>();
                (scaled(got), scaled(want))
            });
            let cosine = case.name.contains("monai-ddpm-cosine");
            let tolerance = if cosine { TOLERANCE_MONAI_COSINE } else { TOLERANCE };
            match &case.description.wrong {
                None => {
                    followed += 1;
                    for (step, (got, want)) in apart.enumerate() {
                        if let Err(fault) = compare(&got, &want, tolerance) {
                            complaints
                                .push(format!("{} {dtype:?} step {step}: {fault}", case.name));
                            break;
                        }
                    }
                }
                // `closed_form` in the crate shows, of MONAI's two faults, that ours is right.
                Some(why) => {
                    let worst =
                        apart.map(|(got, want)| Difference::between(&got, &want).absolute.0);
                    let worst = worst.fold(0.0, f64::max);
                    assert!(worst > 1e-4, "{}: follows a peer that is wrong: {why}", case.name);
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(followed > 60, "{followed} trajectories");
}

#[test]
fn diffusers_runs_of_one_step_from_t_0_have_no_noise_to_remove() {
    // What the peer does: the level at which its one step begins has hardly any noise.
    let schedule = Schedule::new(&ScheduleConfig::default()).unwrap();
    let peer = Case::all("timesteps").into_iter().find(|case| case.description.wrong.is_some());
    let t = peer.unwrap().numbers("timesteps")[0] as usize;
    assert!(schedule.level(t).unwrap().noise < 0.011);
    let ours = Spacing::Linspace.timesteps(1000, 1).unwrap()[0];
    assert!(schedule.level(ours).unwrap().signal < 0.007);
}

#[test]
fn presets_have_the_tables_of_their_papers() {
    use mrisynth_schedulers::SamplingPreset;
    let of = |preset: SamplingPreset| match preset.config().process {
        Process::Diffusion { schedule, .. } => Schedule::new(&schedule).unwrap(),
        other => panic!("{other:?}"),
    };
    let ends = |preset| {
        let schedule = of(preset);
        let betas = schedule.betas();
        [betas[0], betas[betas.len() - 1], betas.len() as f64]
    };
    assert_close("Bari", &ends(SamplingPreset::BariDdpm), &[0.0005, 0.0195, 1000.0], 1e-15);
    assert_close("BrainLDM", &ends(SamplingPreset::BrainLdm), &[0.0015, 0.0205, 1000.0], 1e-15);
    assert_close("BraTS", &ends(SamplingPreset::BratsLdm), &[0.0015, 0.0195, 1000.0], 1e-15);
}
