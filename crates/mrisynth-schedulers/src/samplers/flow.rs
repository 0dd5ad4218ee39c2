//! Rectified flow: straight lines from noise to data.

use serde::{Deserialize, Serialize};

use crate::denoiser::Denoiser;
use crate::error::Result;
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::{Sampler, Step};
use crate::sampler_state::SamplerState;
use crate::samplers::heun::{Slopes, corrected};
use crate::samplers::straight;

/// The method by which a flow is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowMethod {
    /// `x' = x + (t' − t) v`.
    #[default]
    Euler,
    /// `x' = x + (t' − t) (v + v_e)/2`; the last step, to a clean level, is Euler's.
    Heun,
}

/// `dx/dt = v = ε − x̂₀` at the levels `(1 − t, t)`; at others the straight line between the two:
/// `x' = x + (s' − s) x̂₀ + (n' − n) ε`.
///
/// # Source
/// Liu et al. 2022 (Rectified Flow) algorithm 1. Pure noise, t = 1, needs no exception.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    method: FlowMethod,
}

impl Flow {
    /// By this method.
    #[must_use]
    pub fn new(method: FlowMethod) -> Self {
        Self { method }
    }
}

impl Sampler for Flow {
    fn name(&self) -> &'static str {
        "flow"
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
        let x0 = step.denoise(&state.sample, level)?;
        let sample = match self.method {
            FlowMethod::Euler => straight(&state.sample, &x0, level, next, &step)?,
            FlowMethod::Heun => {
                let slopes = Slopes {
                    of_x: 1.0,
                    of_x0: next.signal - level.signal,
                    of_epsilon: next.noise - level.noise,
                };
                corrected(&state.sample, &x0, level, next, Some(slopes), &step)?
            }
        };
        state.arrive(self, sample);
        Ok(())
    }
}
