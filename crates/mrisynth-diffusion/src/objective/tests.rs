use candle_core::Tensor;
use mrisynth_schedulers::{
    Denoiser, FlowDirection, FlowSchedule, Process, SamplingConfig, SamplingPreset, SigmaSpacing,
    TimeShift, TimestepConvention, TrainingTimes,
};

use super::*;
use crate::small_network::{drawn, values};

const TIMES: [f64; 2] = [0.3, 0.85];

/// Every prediction, on a process that it is used with.
fn systems() -> Vec<SamplingConfig> {
    let flow = Process::Flow {
        training_steps: 1000,
        schedule: FlowSchedule { shift: TimeShift::Ratio { ratio: 3.0 } },
    };
    let edm = Process::Edm { sigmas: SigmaSpacing::default() };
    let table = SamplingPreset::MedDdpm.config();
    let of = |process: &Process, prediction, timesteps| SamplingConfig {
        process: process.clone(),
        prediction,
        timesteps,
        threshold: mrisynth_schedulers::Threshold::None,
        ..SamplingConfig::default()
    };
    let whole = TimestepConvention::Integer;
    let fraction = TimestepConvention::Scaled { factor: 1.0 };
    vec![
        of(&table.process, Prediction::Epsilon, whole),
        of(&table.process, Prediction::Sample, whole),
        of(&table.process, Prediction::Velocity, whole),
        of(&flow, Prediction::Flow { direction: FlowDirection::TowardsNoise }, fraction),
        of(&flow, Prediction::Flow { direction: FlowDirection::TowardsData }, fraction),
        of(&edm, Prediction::Edm { sigma_data: 0.5 }, fraction),
    ]
}

fn config_of(system: &SamplingConfig) -> DiffusionConfig {
    DiffusionConfig {
        process: system.process.clone(),
        prediction: system.prediction,
        timesteps: system.timesteps,
        ..DiffusionConfig::default()
    }
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let pairs = values(a).into_iter().zip(values(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn the_right_answer_costs_nothing_and_denoises() {
    let (x0, noise) = (drawn("x0", &[0, 1], 2), drawn("noise", &[0, 1], 2));
    for system in systems() {
        let objective = Objective::new(&config_of(&system)).unwrap();
        let question = objective.question(&x0, &noise, &TIMES).unwrap();
        let levels = TIMES.map(|time| objective.levels.at(time).unwrap().level);
        let answer = system.prediction.target(&x0, &noise, &levels).unwrap();
        assert_eq!(question.loss(&answer).unwrap().to_scalar::<f32>().unwrap(), 0.0);
        // The sampler shows a network the same input and the same number, and finds x₀ by its answer.
        let network = |x: &Tensor, timesteps: &Tensor| {
            assert!(distance(x, &question.input) < 1e-5, "{system:?}");
            assert!(distance(timesteps, &question.timesteps) < 1e-3, "{system:?}");
            Ok(answer.clone())
        };
        let x = add_noise(&x0, &noise, &levels).unwrap();
        let found = system.denoiser(network).unwrap().denoise(&x, &levels).unwrap();
        assert!(distance(&found, &x0) < 1e-3, "{system:?}: {:e}", distance(&found, &x0));
    }
}

#[test]
fn losses_are_their_closed_forms() {
    let zero = drawn("x0", &[0, 1], 1).zeros_like().unwrap();
    let off_by_3 = (&zero + 3.0).unwrap();
    let cost = |loss, weight| {
        let config = DiffusionConfig { loss, loss_weight: weight, ..DiffusionConfig::default() };
        let question = Objective::new(&config).unwrap().question(&zero, &zero, &TIMES).unwrap();
        f64::from(question.loss(&off_by_3).unwrap().to_scalar::<f32>().unwrap())
    };
    assert_eq!(cost(Loss::L1, LossWeight::Uniform), 3.0);
    assert_eq!(cost(Loss::L2, LossWeight::Uniform), 9.0);
    assert_eq!(cost(Loss::Huber { delta: 2.0 }, LossWeight::Uniform), 4.0); // 2 (3 − 1)
    // Min-SNR of ε is min(SNR, γ) / SNR.
    let levels = Objective::new(&DiffusionConfig::default()).unwrap().levels;
    let weights = TIMES.map(|time| {
        let snr = levels.at(time).unwrap().level.snr();
        snr.min(0.5) / snr
    });
    let want = 9.0 * (weights[0] + weights[1]) / 2.0;
    let got = cost(Loss::L2, LossWeight::MinSnr { gamma: 0.5 });
    assert!((got - want).abs() < 1e-6 * want, "{got} {want}");
}

#[test]
fn times_become_the_levels_of_their_process() {
    let systems = systems();
    let levels = |system: &SamplingConfig| Objective::new(&config_of(system)).unwrap().levels;
    let table = levels(&systems[0]);
    let timesteps = [0.0, 0.0039, 0.004, 0.5, 0.9999].map(|time| table.at(time).unwrap().timestep);
    assert_eq!(timesteps, [0.0, 0.0, 1.0, 125.0, 249.0]);
    // r t / (1 + (r − 1) t) with r = 3 at t = ½ is ¾.
    let flow = levels(&systems[3]).at(0.5).unwrap();
    assert_eq!((flow.level.noise, flow.timestep), (0.75, 750.0));
    // The logit of a time is ln σ.
    let edm = levels(&systems[5]).at(0.8).unwrap();
    assert!((edm.level.noise - 4.0).abs() < 1e-14 && edm.level.signal == 1.0);
    assert!((edm.timestep - 4.0_f64.ln() / 4.0).abs() < 1e-15);
    for time in [-0.1, 1.0, f64::NAN] {
        assert!(table.at(time).unwrap_err().to_string().contains("time"));
    }
}

#[test]
fn epsilon_says_nothing_of_pure_noise() {
    let mut config = DiffusionConfig::default();
    if let Process::Diffusion { schedule, .. } = &mut config.process {
        schedule.rescale_zero_terminal_snr = true;
    }
    assert!(Objective::new(&config).unwrap_err().to_string().contains("zero signal"));
    let config = DiffusionConfig { prediction: Prediction::Velocity, ..config };
    assert!(Objective::new(&config).is_ok());
}

#[test]
fn settings_outside_their_domain_are_refused_by_name() {
    use crate::config::{Clipping, ConditionDropout, ValidationConfig};
    use candle_nn3d::LearningRate;
    let default = DiffusionConfig::default;
    let dropout = ConditionDropout { probability: 1.5, ..Default::default() };
    let cases = [
        (
            "training_times",
            DiffusionConfig {
                training_times: TrainingTimes::LogitNormal { mean: 0.0, stdev: -1.0 },
                ..default()
            },
        ),
        ("accumulation", DiffusionConfig { accumulation: 0, ..default() }),
        (
            "clipping.limit",
            DiffusionConfig { clipping: Clipping::Norm { limit: 0.0 }, ..default() },
        ),
        ("probability", DiffusionConfig { condition_dropout: dropout, ..default() }),
        ("loss.delta", DiffusionConfig { loss: Loss::Huber { delta: -1.0 }, ..default() }),
        ("peak", DiffusionConfig { learning_rate: LearningRate::constant(-1.0), ..default() }),
        ("gamma", DiffusionConfig { loss_weight: LossWeight::MinSnr { gamma: 0.0 }, ..default() }),
        (
            "validation.levels",
            DiffusionConfig { validation: ValidationConfig { batches: 1, levels: 0 }, ..default() },
        ),
    ];
    for (field, config) in cases {
        let message = Objective::new(&config).unwrap_err().to_string();
        assert!(message.contains(field), "{field}: {message}");
    }
}

#[test]
fn configurations_survive_toml_and_unknown_settings_are_refused() {
    use crate::config::Averaging;
    use candle_nn3d::{AdamWSettings, EmaSettings, OptimiserConfig};
    let config = DiffusionConfig {
        averaging: Averaging::Exponential(EmaSettings::MED_DDPM),
        optimiser: OptimiserConfig::AdamW(AdamWSettings::default()),
        frozen: vec!["time_embed.*".parse().unwrap()],
        ..config_of(&systems()[3])
    };
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<DiffusionConfig>(&text).unwrap(), config, "{text}");
    assert_eq!(toml::from_str::<DiffusionConfig>("").unwrap(), DiffusionConfig::default());
    for text in [
        "los = 1",
        "[averaging]\nkind = \"exponential\"\ndecai = 0.5",
        "[optimiser]\nkind = \"adam\"\nbeta = 0.5",
        "[loss]\nkind = \"l3\"",
        "frozen = [\"\"]",
    ] {
        assert!(toml::from_str::<DiffusionConfig>(text).is_err(), "{text}");
    }
}
