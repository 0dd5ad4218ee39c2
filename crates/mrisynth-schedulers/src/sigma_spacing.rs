//! Levels placed by their σ, with no training schedule behind them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};
use crate::level::Level;

/// `σ_i = (σ_max^{1/ρ} + i/(n−1) · (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ` for `i < n`, then no noise.
///
/// # Source
/// Karras et al. 2022 (EDM) eq. 5; `Default` is their table 1, last column.
///
/// # Examples
/// ```
/// use mrisynth_schedulers::SigmaSpacing;
/// let levels = SigmaSpacing::default().levels(18)?;
/// assert!((levels[0].sigma() - 80.0).abs() < 1e-9);
/// assert_eq!((levels.len(), levels[18].noise), (19, 0.0));
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigmaSpacing {
    /// The last σ before 0.
    pub sigma_min: f64,
    /// The first σ.
    pub sigma_max: f64,
    /// How closely levels lie together near `sigma_min`.
    pub rho: f64,
    /// How σ becomes a level.
    pub scale: SigmaScale,
}

/// Which of the levels of the same σ is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigmaScale {
    /// `(1, σ)`.
    #[default]
    VarianceExploding,
    /// `(1, σ) / √(1 + σ²)`.
    VariancePreserving,
}

impl Default for SigmaSpacing {
    fn default() -> Self {
        Self { sigma_min: 0.002, sigma_max: 80.0, rho: 7.0, scale: SigmaScale::default() }
    }
}

impl SigmaSpacing {
    /// The levels of a run of `steps` steps: `steps + 1` of them, the last clean.
    ///
    /// # Errors
    /// [`Error::Steps`] for no steps; [`Error::Setting`] unless `0 < σ_min ≤ σ_max` and `ρ > 0`.
    pub fn levels(&self, steps: usize) -> Result<Vec<Level>> {
        let Self { sigma_min, sigma_max, rho, scale } = *self;
        if steps == 0 {
            return Err(Error::Steps { found: 0, most: usize::MAX });
        }
        let positive = |v: f64| v.is_finite() && v > 0.0;
        ensure(positive(sigma_min), "sigma_min", sigma_min, "a finite number above 0")?;
        let ordered = positive(sigma_max) && sigma_max >= sigma_min;
        ensure(ordered, "sigma_max", sigma_max, "a finite number of at least sigma_min")?;
        ensure(positive(rho), "rho", rho, "a finite number above 0")?;
        let (low, high) = (sigma_min.powf(rho.recip()), sigma_max.powf(rho.recip()));
        let last = steps.saturating_sub(1).max(1) as f64;
        let sigmas = (0..steps).map(|i| (high + i as f64 / last * (low - high)).powf(rho));
        let level = |sigma| match scale {
            SigmaScale::VarianceExploding => Level::variance_exploding(sigma),
            SigmaScale::VariancePreserving => Level::variance_preserving(sigma),
        };
        Ok(sigmas.map(level).chain([Level::CLEAN]).collect())
    }
}
