//! The table of levels that a discrete diffusion was trained on.

pub(crate) mod betas;
mod gaussian_diffusion;

use serde::{Deserialize, Serialize};

pub use betas::Betas;
pub use gaussian_diffusion::{BufferDifference, GAUSSIAN_DIFFUSION_BUFFERS};

use crate::error::{Error, Result};
use crate::level::Level;
use crate::spacing::{Spacing, Terminal};

/// What a [`Schedule`] is made from; `Default` is Ho et al. 2020 (DDPM) section 4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// T, the number of training steps.
    pub steps: usize,
    /// How β runs.
    pub betas: Betas,
    /// Whether the last level is made pure noise.
    pub rescale_zero_terminal_snr: bool,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { steps: 1000, betas: Betas::default(), rescale_zero_terminal_snr: false }
    }
}

/// Levels by timestep, `0 ≤ t < T`, each noisier than the one before.
///
/// `ᾱ[t] = Π_{s ≤ t} (1 − β[s])`, level `(√ᾱ[t], √(1 − ᾱ[t]))`. Tables are `f64`.
///
/// # Source
/// Ho et al. 2020 (DDPM) eq. 4; zero terminal SNR: Lin et al. 2024 (Common Diffusion Noise
/// Schedules and Sample Steps are Flawed) algorithm 1.
///
/// # Examples
/// ```
/// use mrisynth_schedulers::{Schedule, ScheduleConfig};
/// let schedule = Schedule::new(&ScheduleConfig::default())?;
/// assert_eq!(schedule.betas()[0], 1e-4);
/// assert!(schedule.level(999)?.snr() < 1e-4);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
    levels: Vec<Level>,
}

impl Schedule {
    /// The tables of a configuration.
    ///
    /// # Errors
    /// [`Error::Steps`] for no steps; [`Error::Setting`] for β outside (0, 1), and for zero
    /// terminal SNR on a single step.
    pub fn new(config: &ScheduleConfig) -> Result<Self> {
        if config.steps == 0 {
            return Err(Error::Steps { found: 0, most: usize::MAX });
        }
        let betas = config.betas.values(config.steps)?;
        let mut product = 1.0;
        let alphas_cumprod: Vec<f64> = betas
            .iter()
            .map(|beta| {
                product *= 1.0 - beta;
                product
            })
            .collect();
        if !config.rescale_zero_terminal_snr {
            return Ok(Self::from_tables(betas, alphas_cumprod));
        }
        if config.steps < 2 {
            let expected = "false for a schedule of one step";
            return Err(Error::setting("rescale_zero_terminal_snr", true, expected));
        }
        let alphas_cumprod = zero_terminal_snr(&alphas_cumprod);
        let before = std::iter::once(1.0).chain(alphas_cumprod.iter().copied());
        let betas = alphas_cumprod.iter().zip(before).map(|(a, before)| 1.0 - a / before).collect();
        Ok(Self::from_tables(betas, alphas_cumprod))
    }

    fn from_tables(betas: Vec<f64>, alphas_cumprod: Vec<f64>) -> Self {
        let levels = alphas_cumprod.iter().map(|&a| Level::from_alpha_bar(a)).collect();
        Self { betas, alphas_cumprod, levels }
    }

    /// T, the number of training steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.betas.len()
    }

    /// β of every step.
    #[must_use]
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// ᾱ of every step.
    #[must_use]
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// The level of a timestep.
    ///
    /// # Errors
    /// [`Error::Setting`] for `timestep ≥ T`.
    pub fn level(&self, timestep: usize) -> Result<Level> {
        self.levels
            .get(timestep)
            .copied()
            .ok_or_else(|| Error::setting("timestep", timestep, format!("below {}", self.steps())))
    }

    /// The levels of a run of `steps` steps, noisiest first, and the one where it ends.
    ///
    /// # Errors
    /// As for [`Spacing::timesteps`].
    ///
    /// # Examples
    /// ```
    /// use mrisynth_schedulers::{Level, Schedule, ScheduleConfig, Spacing, Terminal};
    /// let schedule = Schedule::new(&ScheduleConfig::default())?;
    /// let levels = schedule.run_levels(&Spacing::Trailing, 3, Terminal::Clean)?;
    /// assert_eq!(levels[1], schedule.level(666)?);
    /// assert_eq!(levels[3], Level::CLEAN);
    /// # Ok::<(), mrisynth_schedulers::Error>(())
    /// ```
    pub fn run_levels(
        &self,
        spacing: &Spacing,
        steps: usize,
        terminal: Terminal,
    ) -> Result<Vec<Level>> {
        let timesteps = spacing.timesteps(self.steps(), steps)?;
        let levels = timesteps.into_iter().map(|t| self.level(t));
        let last = match terminal {
            Terminal::Clean => Level::CLEAN,
            Terminal::FirstLevel => self.level(0)?,
        };
        levels.chain([Ok(last)]).collect()
    }

    /// The timestep of a level, between table entries where it lies between them: ln σ is linear in
    /// t there. Cleaner levels than the first are 0, noisier ones than the last T − 1.
    ///
    /// # Source
    /// Ours; k-diffusion's `sigma_to_t` interpolates ln σ likewise.
    #[must_use]
    pub fn timestep(&self, level: Level) -> f64 {
        let above = self.levels.partition_point(|entry| !level.is_cleaner_or_equal(*entry));
        if above == 0 {
            return 0.0;
        }
        let Some(upper) = self.levels.get(above) else { return (self.steps() - 1) as f64 };
        let (low, high) = (self.levels[above - 1].lambda(), upper.lambda());
        // From pure noise down to the entry below it there is no straight line in ln σ: nearest.
        let share = match (low - level.lambda()) / (low - high) {
            _ if upper.signal == 0.0 => f64::from(u8::from(level.signal == 0.0)),
            share if share.is_nan() => 1.0,
            // An entry of the table itself is met to the last bit or two.
            share if (share - 1.0).abs() < 1e-9 => 1.0,
            share if share.abs() < 1e-9 => 0.0,
            share => share,
        };
        (above - 1) as f64 + share
    }
}

/// `√ᾱ`, shifted so that the last is 0 and scaled so that the first stays.
fn zero_terminal_snr(alphas_cumprod: &[f64]) -> Vec<f64> {
    let roots: Vec<f64> = alphas_cumprod.iter().map(|a| a.sqrt()).collect();
    let (first, last) = (roots[0], roots[roots.len() - 1]);
    roots.iter().map(|root| ((root - last) * first / (first - last)).powi(2)).collect()
}

#[cfg(test)]
mod tests;
