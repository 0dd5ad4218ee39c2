//! Every setting outside its domain is refused by name.

use candle_core::{DType, Device, Tensor};
use keyed_random::Key;

use crate::*;

fn named<T: std::fmt::Debug>(result: Result<T>, part: &str) {
    let error = result.expect_err(part).to_string();
    assert!(error.contains(part), "{error:?} does not say {part:?}");
}

fn schedule(betas: Betas, steps: usize) -> Result<Schedule> {
    Schedule::new(&ScheduleConfig { steps, betas, ..Default::default() })
}

#[test]
fn schedules() {
    assert!(matches!(schedule(Betas::default(), 0), Err(Error::Steps { found: 0, .. })));
    for bad in [0.0, 1.0, -0.1, 1.5, f64::NAN] {
        named(schedule(Betas::Linear { start: bad, end: 0.02 }, 10), "betas.start");
        named(schedule(Betas::ScaledLinear { start: 0.01, end: bad }, 10), "betas.end");
        named(schedule(Betas::Sigmoid { start: 0.01, end: bad, range: 6.0 }, 10), "betas.end");
        named(schedule(Betas::Cosine { offset: 0.008, most: bad }, 10), "betas.most");
        named(schedule(Betas::Explicit { betas: vec![0.1, bad] }, 2), "betas");
    }
    let sigmoid = Betas::Sigmoid { start: 0.01, end: 0.02, range: f64::NAN };
    named(schedule(sigmoid, 10), "betas.range");
    named(schedule(Betas::Cosine { offset: -1.0, most: 0.999 }, 10), "betas.offset");
    named(schedule(Betas::Explicit { betas: vec![0.1] }, 2), "one per step");
    let one = ScheduleConfig { steps: 1, rescale_zero_terminal_snr: true, ..Default::default() };
    named(Schedule::new(&one), "rescale_zero_terminal_snr");
    named(schedule(Betas::default(), 10).unwrap().level(10), "timestep");
}

#[test]
fn steps_and_spacings() {
    let explicit = |timesteps: &[usize]| Spacing::Explicit { timesteps: timesteps.to_vec() };
    for spacing in [Spacing::Leading { offset: 0 }, Spacing::Linspace, Spacing::Trailing] {
        for steps in [0, 11] {
            let ended = spacing.timesteps(10, steps);
            assert!(matches!(ended, Err(Error::Steps { found, most: 10 }) if found == steps));
        }
        // Descending, without repetition, at every count.
        for trained in [1, 2, 7, 10, 250, 1000] {
            for steps in 1..=trained {
                let timesteps = spacing.timesteps(trained, steps).unwrap();
                assert!(timesteps.len() == steps && timesteps[0] < trained);
                assert!(timesteps.windows(2).all(|pair| pair[0] > pair[1]), "{spacing:?} {steps}");
            }
        }
    }
    named(Spacing::Leading { offset: 4 }.timesteps(10, 3), "spacing.offset");
    named(explicit(&[3, 1]).timesteps(10, 3), "spacing.timesteps");
    named(explicit(&[3, 3, 1]).timesteps(10, 3), "descend");
    named(explicit(&[10, 3, 1]).timesteps(10, 3), "below 10");
    assert!(matches!(SigmaSpacing::default().levels(0), Err(Error::Steps { .. })));
    assert!(matches!(FlowSchedule::default().levels(0), Err(Error::Steps { .. })));
    let sigmas = SigmaSpacing::default();
    named(SigmaSpacing { sigma_min: 0.0, ..sigmas }.levels(3), "sigma_min");
    named(SigmaSpacing { sigma_max: 0.001, ..sigmas }.levels(3), "sigma_max");
    named(SigmaSpacing { rho: f64::NAN, ..sigmas }.levels(3), "rho");
    named(TimeShift::Ratio { ratio: 0.0 }.apply(0.5), "shift.ratio");
    named(TimeShift::None.apply(1.5), "t is 1.5");
    let mut config = SamplingPreset::MaisiRflow { voxels: 1000 }.config();
    config.steps = 1001;
    assert!(matches!(config.levels(), Err(Error::Steps { found: 1001, most: 1000 })));
}

#[test]
fn samplers() {
    for eta in [-0.1, 1.1, f64::NAN] {
        named(SamplerConfig::Ddim { eta }.build(), "sampler.eta");
    }
    named(SamplerConfig::DdimInversion { iterations: 0 }.build(), "sampler.iterations");
    let churn = Churn::default();
    for (bad, field) in [
        (Churn { gamma: 0.5, ..churn }, "churn.gamma"),
        (Churn { sigma_min: -1.0, ..churn }, "churn.sigma_min"),
        (Churn { sigma_min: 2.0, sigma_max: Some(1.0), ..churn }, "churn.sigma_max"),
        (Churn { noise_scale: f64::NAN, ..churn }, "churn.noise_scale"),
    ] {
        named(SamplerConfig::Euler { churn: bad }.build(), field);
        named(SamplerConfig::Heun { churn: bad }.build(), field);
    }
    let error = serde_json::from_str::<SamplerConfig>(r#"{"kind": "ddim", "etta": 0}"#);
    assert!(error.unwrap_err().to_string().contains("etta"));
    let error = serde_json::from_str::<SamplerConfig>(r#"{"kind": "magic"}"#).unwrap_err();
    assert!(error.to_string().contains("magic"));
}

#[test]
fn predictions() {
    assert!(matches!("score".parse::<Prediction>(), Err(Error::UnknownName { .. })));
    for name in ["epsilon", "sample", "v_prediction", "flow_towards_noise", "flow_towards_data"] {
        assert_eq!(name.parse::<Prediction>().unwrap().to_string(), name);
    }
    named(Prediction::Epsilon.preconditioning(Level::PURE_NOISE), "zero signal");
    let level = Level::flow(0.5);
    named(Prediction::Edm { sigma_data: 0.0 }.preconditioning(level), "sigma_data");
    // A whole run of an ε-network from zero terminal SNR is refused, at its first step.
    let schedule = ScheduleConfig { rescale_zero_terminal_snr: true, ..Default::default() };
    let (spacing, terminal) = (Spacing::Trailing, Terminal::Clean);
    let process = Process::Diffusion { schedule, spacing, terminal };
    let config = SamplingConfig { process, steps: 4, ..Default::default() };
    let denoiser = config.denoiser(|x: &Tensor, _: &Tensor| x.zeros_like()).unwrap();
    let (levels, noise) = (config.levels().unwrap(), Noise::keyed(&Key::new(1), 1));
    let mut state = SamplerState::new(noise.start(8, DType::F32, levels[0]).unwrap());
    let sampler = config.sampler.build().unwrap();
    let ended = sample(&*sampler, &mut state, &levels, &denoiser, &noise, &mut Unobserved);
    named(ended, "zero signal");
}

#[test]
fn levels_thresholds_weights_and_times() {
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        named(Level { signal: bad, noise: 1.0 }.check(), "expected finite");
        named(Level { signal: 1.0, noise: bad }.check(), "expected finite");
    }
    named(Level { signal: 0.0, noise: 0.0 }.check(), "not both 0");
    named(Posterior::between(Level::CLEAN, Level::CLEAN), "a level with noise");
    named(Posterior::between(Level::flow(0.4), Level::flow(0.5)), "no more noise");
    named(Threshold::Clip { lower: 1.0, upper: -1.0 }.check(), "threshold");
    named(Threshold::Dynamic { quantile: 1.5, most: 1.0 }.check(), "threshold.quantile");
    named(Threshold::Dynamic { quantile: 0.9, most: 0.5 }.check(), "threshold.most");
    let (level, epsilon) = (Level::flow(0.5), Prediction::Epsilon);
    named(LossWeight::MinSnr { gamma: 0.0 }.at(level, epsilon), "loss_weight.gamma");
    named(LossWeight::P2 { k: 0.0, gamma: 1.0 }.at(level, epsilon), "loss_weight.k");
    let times = TrainingTimes::LogitNormal { mean: 0.0, stdev: -1.0 };
    named(times.draw(&Key::new(1), 2), "training_times");
    let steps = TrainingTimes::Uniform.draw_timesteps(&Key::new(1), 2, 0);
    assert!(matches!(steps, Err(Error::Steps { .. })));
    let clock = Clock::LogSigma;
    named(clock.timestep(level, TimestepConvention::Integer), "timesteps");
    named(clock.timestep(Level::CLEAN, TimestepConvention::Integer), "ln σ");
    let factor = TimestepConvention::Scaled { factor: f64::NAN };
    named(Clock::Flow { steps: 10 }.timestep(level, factor), "timesteps.factor");
}

#[test]
fn runs_and_outputs_of_another_shape() {
    let wide = |x: &Tensor, _: &[Level]| Ok(Tensor::cat(&[x, x], 1)?);
    let x = Tensor::zeros((1, 1, 2, 2, 2), DType::F32, &Device::Cpu).unwrap();
    let mut state = SamplerState::new(x.clone());
    let ddim = Ddim::default();
    let levels = FlowSchedule::default().levels(2).unwrap();
    let ended = sample(&ddim, &mut state, &levels, &wide, &Noise::NONE, &mut Unobserved);
    named(ended, "[1, 2, 2, 2, 2]");
    let same = |x: &Tensor, _: &[Level]| Ok(x.clone());
    let ended = sample(&ddim, &mut state, &levels[..1], &same, &Noise::NONE, &mut Unobserved);
    assert!(matches!(ended, Err(Error::Steps { found: 0, .. })));
    let eta = Ddim::new(1.0).unwrap();
    let levels = schedule(Betas::default(), 10).unwrap();
    let levels = levels.run_levels(&Spacing::Trailing, 5, Terminal::Clean).unwrap();
    let ended = sample(&eta, &mut state, &levels, &same, &Noise::NONE, &mut Unobserved);
    named(ended, "noise for step 0 too");
    named(add_noise(&x, &x, &[Level::CLEAN; 2]), "levels");
    let clock = Clock::Flow { steps: 10 };
    let denoiser =
        NetworkDenoiser::new(|x: &Tensor, _: &Tensor| x.zeros_like(), Prediction::Sample, clock);
    named(denoiser.unwrap().denoise(&x, &[]), "one per batch item");
}
