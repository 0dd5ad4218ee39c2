//! Heun's method in σ.

use candle_core::Tensor;

use crate::denoiser::Denoiser;
use crate::error::Result;
use crate::fused::Term;
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::{Sampler, Step};
use crate::sampler_state::SamplerState;
use crate::samplers::{Churn, straight};

/// A step of Euler's method to `x_e`, then `x' = (s'/s) x + (n' − n s'/s) (ε + ε_e)/2`.
///
/// A step to a clean level, where ε_e is not defined, stays Euler's, and so does a step from pure
/// noise, whose σ is infinite. Two calls of the denoiser otherwise.
///
/// # Source
/// Karras et al. 2022 (EDM) algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heun {
    churn: Churn,
}

impl Heun {
    /// With this churn.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for a churn outside its domain.
    pub fn new(churn: Churn) -> Result<Self> {
        churn.check()?;
        Ok(Self { churn })
    }
}

impl Sampler for Heun {
    fn name(&self) -> &'static str {
        "heun"
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
        let slopes = (level.signal != 0.0).then(|| Slopes::in_sigma(level, next));
        let sample = corrected(&x, &x0, level, next, slopes, &step)?;
        state.arrive(self, sample);
        Ok(())
    }
}

/// `x' = of_x · x + of_x0 · (x̂₀ + x̂₀_e)/2 + of_epsilon · (ε + ε_e)/2`: the variable in which the
/// slope is averaged.
pub(super) struct Slopes {
    pub(super) of_x: f64,
    pub(super) of_x0: f64,
    pub(super) of_epsilon: f64,
}

impl Slopes {
    /// `x̃ = x/s` along σ.
    pub(super) fn in_sigma(level: Level, next: Level) -> Self {
        let grown = next.signal / level.signal;
        Self { of_x: grown, of_x0: 0.0, of_epsilon: next.noise - level.noise * grown }
    }
}

/// Euler's step, corrected by the slope where it leads.
pub(super) fn corrected(
    x: &Tensor,
    x0: &Tensor,
    level: Level,
    next: Level,
    slopes: Option<Slopes>,
    step: &Step<'_>,
) -> Result<Tensor> {
    let euler = straight(x, x0, level, next, step)?;
    let Some(Slopes { of_x, of_x0, of_epsilon }) = slopes.filter(|_| next.noise > 0.0) else {
        return Ok(euler);
    };
    let end = step.denoise(&euler, next)?;
    // ε = (x − s x̂₀)/n, ε_e = (x_e − s' x̂₀_e)/n'.
    let (half, half_end) = (of_epsilon / (2.0 * level.noise), of_epsilon / (2.0 * next.noise));
    let terms = vec![
        Term::new(of_x0 / 2.0 - half_end * next.signal, &end).checked(),
        Term::new(of_x0 / 2.0 - half * level.signal, x0),
        Term::new(of_x + half, x),
        Term::new(half_end, &euler),
    ];
    step.sum(terms, next)
}
