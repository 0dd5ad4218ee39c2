//! The number by which a network is told the level of noise.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};
use crate::level::Level;
use crate::schedule::Schedule;

/// Where a level stands in training time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Clock {
    /// The index in a table, `0 ≤ t < T`, between entries too.
    Table(Schedule),
    /// `T · noise / (signal + noise)`, the time of a rectified flow.
    Flow {
        /// T.
        steps: usize,
    },
    /// `¼ ln σ`. Karras et al. 2022 (EDM) table 1, `c_noise`; conventions other than
    /// [`TimestepConvention::Scaled`] have no meaning for it.
    LogSigma,
}

/// What is made of the position in training time.
///
/// # Source
/// `Integer`: Ho et al. 2020 (DDPM). `Scaled`: `rescale_timesteps` of Nichol and Dhariwal 2021
/// (Improved DDPM), their code. `Fractional`: Liu et al. 2022 (Rectified Flow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TimestepConvention {
    /// The nearest whole step, halves to even.
    #[default]
    Integer,
    /// `factor · t`, unrounded: 1 for the position itself, 1000/T for a network that was told so.
    Scaled {
        /// The factor.
        factor: f64,
    },
    /// `t / T`.
    Fractional,
}

impl Clock {
    /// The number for a level.
    ///
    /// # Errors
    /// [`Error::Setting`] for a factor that is not finite and for a convention without meaning,
    /// [`Error::Level`] for `ln σ` of a clean level or of pure noise.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_schedulers::{Clock, Level, TimestepConvention};
    /// let clock = Clock::Flow { steps: 1000 };
    /// let t = clock.timestep(Level::flow(0.7503), TimestepConvention::Integer)?;
    /// assert_eq!(t, 750.0);
    /// # Ok::<(), mrisynth_schedulers::Error>(())
    /// ```
    pub fn timestep(&self, level: Level, convention: TimestepConvention) -> Result<f64> {
        level.check()?;
        let (position, steps) = match self {
            Self::Table(schedule) => (schedule.timestep(level), schedule.steps()),
            Self::Flow { steps } => (level.flow_time() * *steps as f64, *steps),
            Self::LogSigma => {
                let log = level.sigma().ln() / 4.0;
                if !log.is_finite() {
                    return Err(level.refused("ln σ needs both signal and noise"));
                }
                let scaled = matches!(convention, TimestepConvention::Scaled { .. });
                ensure(scaled, "timesteps", convention, "scaled, for a clock of ln σ")?;
                (log, 1)
            }
        };
        match convention {
            TimestepConvention::Integer => Ok(position.round_ties_even()),
            TimestepConvention::Scaled { factor } if factor.is_finite() => Ok(factor * position),
            TimestepConvention::Scaled { factor } => {
                Err(Error::setting("timesteps.factor", factor, "a finite number"))
            }
            TimestepConvention::Fractional => Ok(position / steps.max(1) as f64),
        }
    }
}
