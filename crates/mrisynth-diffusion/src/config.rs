//! All that says how a network is trained.

use candle_nn3d::{EmaSettings, LearningRate, OptimiserConfig};
use keyed_random::Key;
use mrisynth_schedulers::{
    LossWeight, Prediction, Process, SamplingConfig, TimestepConvention, TrainingTimes,
};
use serde::{Deserialize, Serialize};

use crate::condition::Unconditional;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::model::Precision;
use crate::name_pattern::NamePattern;

/// How a network is trained; `Default` is DDPM's, on CIFAR-10.
///
/// # Source
/// Ho et al. 2020 (DDPM) algorithm 1 and appendix B: 1000 steps, L2 of ε, Adam at 2·10⁻⁴, averages
/// with decay 0.9999; in their code the rate warms up over 5000 steps and gradients are clipped at
/// norm 1. The average here is warm at first, which their code leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiffusionConfig {
    /// What all noise, times and drop-out are drawn from.
    pub seed: u64,
    /// The process; how it is spaced when it is sampled does not matter here.
    pub process: Process,
    /// What the network predicts.
    pub prediction: Prediction,
    /// How it is told the level.
    pub timesteps: TimestepConvention,
    /// Which times are trained.
    pub training_times: TrainingTimes,
    /// The penalty.
    pub loss: Loss,
    /// How much each level counts.
    pub loss_weight: LossWeight,
    /// How often the condition is left out.
    pub condition_dropout: ConditionDropout,
    /// What the network computes in.
    pub precision: Precision,
    /// Batches whose gradients are averaged for one step.
    pub accumulation: u32,
    /// How long gradients may be.
    pub clipping: Clipping,
    /// How parameters follow their gradients.
    pub optimiser: OptimiserConfig,
    /// How far.
    pub learning_rate: LearningRate,
    /// The average of the parameters.
    pub averaging: Averaging,
    /// Parameters that stay as they are.
    pub frozen: Vec<NamePattern>,
    /// What is measured on held-out data.
    pub validation: ValidationConfig,
}

impl Default for DiffusionConfig {
    fn default() -> Self {
        let SamplingConfig { process, prediction, timesteps, .. } = SamplingConfig::default();
        Self {
            seed: 0,
            process,
            prediction,
            timesteps,
            training_times: TrainingTimes::Uniform,
            loss: Loss::L2,
            loss_weight: LossWeight::Uniform,
            condition_dropout: ConditionDropout::default(),
            precision: Precision::F32,
            accumulation: 1,
            clipping: Clipping::Norm { limit: 1.0 },
            optimiser: OptimiserConfig::default(),
            learning_rate: LearningRate { warm_up_steps: 5000, ..LearningRate::constant(2e-4) },
            averaging: Averaging::default(),
            frozen: Vec::new(),
            validation: ValidationConfig::default(),
        }
    }
}

impl DiffusionConfig {
    /// Refuses settings outside their domain; those of schedules, optimisers and averages are refused
    /// by what is made of them.
    pub(crate) fn check(&self) -> Result<()> {
        self.loss.check()?;
        self.learning_rate.check()?;
        self.training_times.draw(&Key::new(self.seed), 1)?;
        if self.accumulation == 0 {
            return Err(Error::setting("accumulation", 0, "at least 1"));
        }
        if let Clipping::Norm { limit } = self.clipping
            && !(limit.is_finite() && limit > 0.0)
        {
            return Err(Error::setting("clipping.limit", limit, "a finite number above 0"));
        }
        let probability = self.condition_dropout.probability;
        if !(0.0..=1.0).contains(&probability) {
            let field = "condition_dropout.probability";
            return Err(Error::setting(field, probability, "between 0 and 1"));
        }
        if self.validation.levels == 0 {
            return Err(Error::setting("validation.levels", 0, "at least 1"));
        }
        Ok(())
    }
}

/// How often a training item loses its condition, so that the network learns to do without; never
/// by default.
///
/// # Source
/// Ho and Salimans 2022 (Classifier-Free Guidance) algorithm 1, `p_uncond`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionDropout {
    /// The probability; 0.1 and 0.2 are best in the paper.
    pub probability: f64,
    /// What stands in its place.
    pub unconditional: Unconditional,
}

/// How long the gradient of all parameters together may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Clipping {
    /// As long as it is.
    #[default]
    None,
    /// Longer ones are scaled to this norm.
    Norm {
        /// The norm.
        limit: f64,
    },
}

/// Whether the network that is used is an average of those that were trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Averaging {
    /// The parameters themselves.
    None,
    /// Their exponential moving average; [`EmaSettings::MED_DDPM`] are Med-DDPM's.
    Exponential(EmaSettings),
}

impl Default for Averaging {
    fn default() -> Self {
        Self::Exponential(EmaSettings::default())
    }
}

/// What is measured on held-out batches: the loss at fixed levels with fixed noise, so that curves
/// are comparable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationConfig {
    /// How many batches, from number 0.
    pub batches: u64,
    /// How many levels, at the times `(i + ½) / levels`.
    pub levels: u32,
}

impl Default for ValidationConfig {
    /// Four levels of four batches.
    fn default() -> Self {
        Self { batches: 4, levels: 4 }
    }
}
