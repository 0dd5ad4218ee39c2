//! Speed of one step of each sampler on a sample of 1×1×128³, beside plain copies of such a sample.
//!
//! `cargo bench -p mrisynth-benches --bench schedulers`
//!
//! A pass reads its operands and writes one array. `copy/2 passes` is two copies on all cores into
//! fresh memory, as a step's results lie in: a step may take two passes per call of the denoiser.
//! The denoiser gives the same guess every time, so that nothing but the step is measured. Samplers
//! that draw noise draw it inside their pass; `noise` is that many normal numbers alone.

use std::hint::black_box;

use candle_core::{DType, Device, Tensor};
use candle_nn3d::Distribution;
use criterion::{BenchmarkId, Criterion, Throughput};
use keyed_random::Key;
use mrisynth_schedulers::{
    Clock, Denoiser, DpmSolverKind, DpmSolverOrder, FlowMethod, Level, NetworkDenoiser, Noise,
    PndmStart, Prediction, Sampler, SamplerConfig, SamplerState, Schedule, ScheduleConfig, Spacing,
    Terminal, Threshold, Variance,
};
use rayon::prelude::*;

const SHAPE: [usize; 5] = [1, 1, 128, 128, 128];
const VOXELS: usize = 128 * 128 * 128;

fn normal(name: &str, dtype: DType) -> Tensor {
    let key = Key::new(1).with(name);
    Distribution::STANDARD_NORMAL.tensor(&key, &SHAPE[..], dtype, &Device::Cpu).expect("numbers")
}

/// A copy on all cores into memory that nobody cleared first.
fn copy(from: &[f32]) -> Vec<[f32; 256]> {
    let mut blocks = Vec::new();
    let block = |i: usize| {
        let mut block = [0.0; 256];
        block.copy_from_slice(&from[i * 256..(i + 1) * 256]);
        block
    };
    (0..from.len() / 256).into_par_iter().with_min_len(64).map(block).collect_into_vec(&mut blocks);
    blocks
}

fn samplers() -> Vec<(&'static str, SamplerConfig)> {
    let (second, ode) = (DpmSolverOrder::Second, DpmSolverKind::Ode);
    vec![
        ("ddim", SamplerConfig::Ddim { eta: 0.0 }),
        ("euler", SamplerConfig::Euler { churn: Default::default() }),
        ("flow euler", SamplerConfig::Flow { method: FlowMethod::Euler }),
        ("dpm_solver 2m", SamplerConfig::DpmSolver { order: second, kind: ode }),
        ("pndm (of 4)", SamplerConfig::Pndm { start: PndmStart::Heun }),
        ("heun (two calls)", SamplerConfig::Heun { churn: Default::default() }),
        ("flow heun (two calls)", SamplerConfig::Flow { method: FlowMethod::Heun }),
        ("ddpm, with noise", SamplerConfig::Ddpm { variance: Variance::FixedSmall }),
        ("ddim η = 1, with noise", SamplerConfig::Ddim { eta: 1.0 }),
        (
            "dpm_solver sde 2m, with noise",
            SamplerConfig::DpmSolver { order: second, kind: DpmSolverKind::Sde },
        ),
    ]
}

/// A state in mid-run, with a full history.
fn warm(
    sampler: &dyn Sampler,
    levels: &[Level],
    guess: &dyn Denoiser,
    noise: &Noise,
    dtype: DType,
) -> SamplerState {
    let mut state = SamplerState::new(normal("sample", dtype));
    for pair in levels.windows(2).take(4) {
        sampler.step(&mut state, pair[0], pair[1], guess, noise).expect("a step");
    }
    state
}

fn main() {
    let mut c = Criterion::default().sample_size(20).configure_from_args();
    let schedule = Schedule::new(&ScheduleConfig::default()).expect("a schedule");
    let levels = schedule.run_levels(&Spacing::Trailing, 10, Terminal::Clean).expect("levels");
    let noise = Noise::keyed(&Key::new(2), 1);
    for (name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
        let mut group = c.benchmark_group(format!("schedulers/{name}"));
        group.throughput(Throughput::Elements(VOXELS as u64));
        if dtype == DType::F32 {
            let numbers = normal("sample", dtype).flatten_all().and_then(|t| t.to_vec1::<f32>());
            let numbers = numbers.expect("numbers");
            group.bench_function("copy/1 pass", |b| b.iter(|| copy(black_box(&numbers))));
            group.bench_function("copy/2 passes", |b| {
                b.iter(|| {
                    // One after the other, in the same memory, as steps follow each other.
                    drop(black_box(copy(black_box(&numbers))));
                    copy(black_box(&numbers))
                });
            });
            group.bench_function("noise", |b| b.iter(|| normal("noise", dtype)));
        }
        let guess = normal("guess", dtype);
        let denoiser = |_: &Tensor, _: &[Level]| Ok(guess.clone());
        for (name, config) in samplers() {
            let sampler = config.build().expect("a sampler");
            let state = warm(&*sampler, &levels, &denoiser, &noise, dtype);
            group.bench_function(BenchmarkId::new("step", name), |b| {
                b.iter(|| {
                    let mut state = state.clone();
                    let ended = sampler.step(&mut state, levels[4], levels[5], &denoiser, &noise);
                    ended.expect("a step");
                    state
                });
            });
        }
        let network = |_: &Tensor, _: &Tensor| Ok(guess.clone());
        let adapter =
            NetworkDenoiser::new(network, Prediction::Velocity, Clock::Table(schedule.clone()));
        let adapter = adapter.and_then(|a| a.with_threshold(Threshold::UNIT)).expect("an adapter");
        let x = normal("sample", dtype);
        group.bench_function("adapter/v, clipped", |b| {
            b.iter(|| adapter.denoise(black_box(&x), &levels[4..5]).expect("a guess"));
        });
        group.finish();
    }
    c.final_summary();
}
