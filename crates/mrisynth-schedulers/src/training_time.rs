//! Which times a training batch is noised to.

use keyed_random::Key;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};
use crate::flow_schedule::TimeShift;

/// The law of training times in `[0, 1)`.
///
/// Item `i` of a batch takes element `i` of the key, so that a shard of a batch draws what the whole
/// batch does.
///
/// # Source
/// `Uniform`: Ho et al. 2020 (DDPM) algorithm 1. `LowDiscrepancy`: Kingma et al. 2021 (Variational
/// Diffusion Models) appendix I.1. `LogitNormal`: Esser et al. 2024 (Stable Diffusion 3) eq. 19.
///
/// # Examples
/// ```
/// use keyed_random::Key;
/// use mrisynth_schedulers::TrainingTimes;
/// let times = TrainingTimes::LowDiscrepancy.draw(&Key::new(1).with("times"), 4)?;
/// let mut quarters: Vec<u8> = times.iter().map(|t| (t * 4.0) as u8).collect();
/// quarters.sort();
/// assert_eq!(quarters, [0, 1, 2, 3]);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TrainingTimes {
    /// Independent and uniform.
    #[default]
    Uniform,
    /// One uniform number for the batch, the items spread evenly from there.
    LowDiscrepancy,
    /// `sigmoid(mean + stdev · z)`.
    LogitNormal {
        /// The mean of the logit.
        mean: f64,
        /// Its standard deviation.
        stdev: f64,
    },
}

impl TrainingTimes {
    /// The times of a batch.
    ///
    /// # Errors
    /// [`Error::Setting`] for a mean or deviation that is none.
    pub fn draw(self, key: &Key, batch: usize) -> Result<Vec<f64>> {
        if let Self::LogitNormal { mean, stdev } = self {
            let good = mean.is_finite() && stdev.is_finite() && stdev >= 0.0;
            ensure(good, "training_times", self, "a finite mean and deviation of at least 0")?;
        }
        let mut times = vec![0.0_f64; batch];
        match self {
            Self::Uniform => key.fill_uniform(&mut times),
            Self::LowDiscrepancy => {
                let mut first = [0.0_f64];
                key.fill_uniform(&mut first);
                for (item, time) in times.iter_mut().enumerate() {
                    *time = (first[0] + item as f64 / batch as f64).fract();
                }
            }
            Self::LogitNormal { mean, stdev } => {
                key.fill_normal(&mut times);
                for time in &mut times {
                    *time = 1.0 / (1.0 + (-(mean + stdev * *time)).exp());
                }
            }
        }
        Ok(times)
    }

    /// The same as whole timesteps below `steps`: `⌊t · steps⌋`.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw), and [`Error::Steps`] for no steps.
    pub fn draw_timesteps(self, key: &Key, batch: usize, steps: usize) -> Result<Vec<usize>> {
        if steps == 0 {
            return Err(Error::Steps { found: 0, most: usize::MAX });
        }
        let times = self.draw(key, batch)?.into_iter();
        Ok(times.map(|t| ((t * steps as f64) as usize).min(steps - 1)).collect())
    }

    /// The same as times of a rectified flow, shifted as its sampling times are.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw) and [`TimeShift::apply`].
    pub fn draw_flow(self, key: &Key, batch: usize, shift: TimeShift) -> Result<Vec<f64>> {
        self.draw(key, batch)?.into_iter().map(|t| shift.apply(t)).collect()
    }
}
