//! DDIM: the same marginals with less noise, or none.

use crate::denoiser::Denoiser;
use crate::error::{Result, ensure};
use crate::forward_process::Posterior;
use crate::fused::Term;
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::{Sampler, Step};
use crate::sampler_state::SamplerState;

/// `x' = s' x̂₀ + √(n'² − τ²) ε + τ z`, `τ² = η² β̃` with β̃ of the [`Posterior`].
///
/// # Source
/// Song et al. 2021 (DDIM) eq. 12 and 16. ε always goes with the x̂₀ that is used, clipped or not
/// (see [`crate::Threshold`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct Ddim {
    eta: f64,
}

impl Ddim {
    /// With η between 0, no noise, and 1, as much as DDPM.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for another η.
    pub fn new(eta: f64) -> Result<Self> {
        ensure((0.0..=1.0).contains(&eta), "sampler.eta", eta, "between 0 and 1")?;
        Ok(Self { eta })
    }
}

impl Sampler for Ddim {
    fn name(&self) -> &'static str {
        "ddim"
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
        let variance = match self.eta {
            0.0 => 0.0,
            eta => eta * eta * Posterior::between(level, next)?.small,
        };
        let x0 = step.denoise(&state.sample, level)?;
        let ratio = (next.noise * next.noise - variance).max(0.0).sqrt() / level.noise;
        let of_x0 = next.signal - level.signal * ratio;
        let terms = vec![Term::new(of_x0, &x0).checked(), Term::new(ratio, &state.sample)];
        let sample = step.noisy_sum(terms, variance.sqrt(), level)?;
        state.arrive(self, sample);
        Ok(())
    }
}
