//! Noise put back before a step, to wash out the errors of earlier ones.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Result, ensure};
use crate::fused::Term;
use crate::level::Level;
use crate::sampler::Step;

/// Before a step σ is raised to `(1 + γ) σ` by fresh noise, where `sigma_min ≤ σ ≤ sigma_max`.
///
/// # Source
/// Karras et al. 2022 (EDM) algorithm 2; γ is their `min(S_churn / N, √2 − 1)`. `Default` adds none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Churn {
    /// γ.
    pub gamma: f64,
    /// `S_tmin`.
    pub sigma_min: f64,
    /// `S_tmax`; none for no bound.
    pub sigma_max: Option<f64>,
    /// `S_noise`, the deviation of the fresh noise; a little above 1 makes up for lost detail.
    pub noise_scale: f64,
}

impl Default for Churn {
    fn default() -> Self {
        Self { gamma: 0.0, sigma_min: 0.0, sigma_max: None, noise_scale: 1.0 }
    }
}

impl Churn {
    /// γ for a total of `s_churn` over `steps` steps.
    #[must_use]
    pub fn spread(s_churn: f64, steps: usize) -> Self {
        let most = std::f64::consts::SQRT_2 - 1.0;
        Self { gamma: (s_churn / steps.max(1) as f64).min(most), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<()> {
        let most = std::f64::consts::SQRT_2 - 1.0;
        let good = (0.0..=most).contains(&self.gamma);
        ensure(good, "churn.gamma", self.gamma, "between 0 and √2 − 1")?;
        ensure(self.sigma_min >= 0.0, "churn.sigma_min", self.sigma_min, "at least 0")?;
        let above = self.sigma_max.is_none_or(|max| max >= self.sigma_min);
        ensure(above, "churn.sigma_max", self.sigma_max, "at least sigma_min")?;
        let scale = self.noise_scale;
        let good = scale.is_finite() && scale >= 0.0;
        ensure(good, "churn.noise_scale", scale, "a finite number of at least 0")
    }

    /// The sample and the level that a step starts from.
    pub(super) fn raise(
        &self,
        sample: &Tensor,
        level: Level,
        step: &Step<'_>,
    ) -> Result<(Tensor, Level)> {
        let sigma = level.sigma();
        let within = sigma >= self.sigma_min && self.sigma_max.is_none_or(|max| sigma <= max);
        // Pure noise stays what it is.
        if self.gamma == 0.0 || !within || level.signal == 0.0 {
            return Ok((sample.clone(), level));
        }
        let raised = Level { noise: level.noise * (1.0 + self.gamma), ..level };
        let added = (raised.noise * raised.noise - level.noise * level.noise).sqrt();
        let terms = vec![Term::new(1.0, sample)];
        Ok((step.noisy_sum(terms, added * self.noise_scale, level)?, raised))
    }
}
