//! What a network is asked, and what its answer costs.

use candle_core::{DType, Device, Tensor};
use candle_nn3d::ChannelsLast;
use mrisynth_schedulers::{Level, LossWeight, Prediction, add_noise};

use crate::config::DiffusionConfig;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::training_level::{TrainingLevel, TrainingLevels};

/// The objective of a diffusion: to tell noise from signal.
///
/// # Source
/// Ho et al. 2020 (DDPM) algorithm 1, for any prediction and weight of `mrisynth-schedulers`.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_diffusion::{DiffusionConfig, Objective};
/// let objective = Objective::new(&DiffusionConfig::default())?;
/// let x0 = Tensor::ones((1, 1, 2, 2, 2), DType::F32, &Device::Cpu)?;
/// let noise = Tensor::full(3.0_f32, x0.shape(), &Device::Cpu)?;
/// let question = objective.question(&x0, &noise, &[0.5])?;
/// // Whoever answers 1 where the noise is 3 is 2 away.
/// assert_eq!(question.loss(&x0)?.to_scalar::<f32>()?, 4.0);
/// # Ok::<(), mrisynth_diffusion::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Objective {
    levels: TrainingLevels,
    prediction: Prediction,
    weight: LossWeight,
    loss: Loss,
}

/// Noisy volumes, and what the network should say of them.
#[derive(Clone, Debug)]
pub struct Question {
    /// The network's input, `[b, c, x, y, z]`, f32.
    pub input: Tensor,
    /// What it is told of the noise, `[b]`, f32, on the CPU.
    pub timesteps: Tensor,
    target: ChannelsLast,
    weights: Vec<f64>,
    loss: Loss,
}

impl Objective {
    /// The objective of a configuration.
    ///
    /// # Errors
    /// [`Error::Setting`] and those of the schedule, for settings outside their domain.
    pub fn new(config: &DiffusionConfig) -> Result<Self> {
        config.check()?;
        let DiffusionConfig { prediction, loss, loss_weight: weight, .. } = *config;
        let levels = TrainingLevels::new(&config.process, prediction, config.timesteps)?;
        weight.at(levels.at(0.5)?.level, prediction)?;
        Ok(Self { levels, prediction, weight, loss })
    }

    /// What to ask of clean volumes with this noise, one time in `[0, 1)` per item.
    ///
    /// # Shapes
    /// `x0` and `noise` `[b, c, x, y, z]`.
    ///
    /// # Errors
    /// Shapes that differ, and times that are not one per item.
    pub fn question(&self, x0: &Tensor, noise: &Tensor, times: &[f64]) -> Result<Question> {
        if x0.dims().first() != Some(&times.len()) {
            let expected = format!("one for each item of {:?}", x0.dims());
            return Err(Error::shape("the number of times", times.len(), expected));
        }
        let at: Vec<TrainingLevel> =
            times.iter().map(|&time| self.levels.at(time)).collect::<Result<_>>()?;
        let of = |pick: fn(&TrainingLevel) -> Level| at.iter().map(pick).collect::<Vec<_>>();
        let levels = of(|at| at.level);
        let target = match self.prediction {
            Prediction::Epsilon => noise.clone(),
            Prediction::Sample => x0.clone(),
            other => other.target(x0, noise, &levels)?,
        };
        let weights = levels.iter().map(|&level| self.weight.at(level, self.prediction));
        let timesteps: Vec<f32> = at.iter().map(|at| at.timestep as f32).collect();
        Ok(Question {
            input: add_noise(x0, noise, &of(|at| at.of_input))?,
            timesteps: Tensor::new(timesteps, &Device::Cpu)?,
            target: ChannelsLast::from_ncxyz(&target)?,
            weights: weights.collect::<mrisynth_schedulers::Result<_>>()?,
            loss: self.loss,
        })
    }
}

impl Question {
    /// The weighted loss of an answer, a scalar on the answer's tape, f32.
    ///
    /// # Errors
    /// An answer of another shape than the input.
    pub fn loss(&self, answer: &Tensor) -> candle_core::Result<Tensor> {
        self.loss.mean(answer, &self.target, &self.weights)
    }

    /// The same times `share`, as for one of several micro-batches.
    pub(crate) fn shared_loss(&self, answer: &Tensor, share: f64) -> candle_core::Result<Tensor> {
        let weights: Vec<f64> = self.weights.iter().map(|weight| share * weight).collect();
        self.loss.mean(answer, &self.target, &weights)
    }

    /// The loss where every level counts alike.
    pub(crate) fn plain_loss(&self, answer: &Tensor) -> candle_core::Result<f64> {
        let loss = self.loss.mean(answer, &self.target, &vec![1.0; self.weights.len()])?;
        loss.to_dtype(DType::F64)?.to_scalar()
    }
}

#[cfg(test)]
mod tests;
