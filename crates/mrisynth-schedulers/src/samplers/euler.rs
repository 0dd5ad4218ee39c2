//! Euler's method in σ.

use crate::denoiser::Denoiser;
use crate::error::Result;
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::{Sampler, Step};
use crate::sampler_state::SamplerState;
use crate::samplers::{Churn, straight};

/// `dx̃/dσ = (x̃ − x̂₀)/σ` with `x̃ = x/s`, by Euler's method: `x' = s' x̂₀ + n' ε`, which is DDIM.
///
/// # Source
/// Karras et al. 2022 (EDM) algorithm 2 without the correction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Euler {
    churn: Churn,
}

impl Euler {
    /// With this churn.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a churn outside its domain.
    pub fn new(churn: Churn) -> Result<Self> {
        churn.check()?;
        Ok(Self { churn })
    }
}

impl Sampler for Euler {
    fn name(&self) -> &'static str {
        "euler"
    }

    fn step(
        &self,
        state: &mut SamplerState,
        level: Level,
        next: Level,
        denoiser: &dyn Denoiser,
        noise: &Noise,
    ) -> Result<()> {
        let step = Step::down(self, state, (level, next), denoiser, noise)?;
        let (x, level) = self.churn.raise(&state.sample, level, &step)?;
        let x0 = step.denoise(&x, level)?;
        let sample = straight(&x, &x0, level, next, &step)?;
        state.arrive(self, sample);
        Ok(())
    }
}
