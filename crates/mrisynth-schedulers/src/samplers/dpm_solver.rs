//! DPM-Solver++, first and second order, with noise or without.

use serde::{Deserialize, Serialize};

use crate::denoiser::Denoiser;
use crate::error::Result;
use crate::fused::Term;
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::{Sampler, Step};
use crate::sampler_state::SamplerState;

/// How many guesses of x₀ a step looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpmSolverOrder {
    /// One: without noise this is DDIM, with noise DDPM.
    First,
    /// Two: 2M.
    #[default]
    Second,
}

/// Which equation is solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpmSolverKind {
    /// The ordinary one.
    #[default]
    Ode,
    /// The stochastic one.
    Sde,
}

/// With `λ = ln(s/n)`, `h = λ' − λ`, `q = e^{−h} = s n'/(s' n)` and the guess before at `λ₋`:
///
/// `x̄₀ = x̂₀ + (h / (λ − λ₋)) (x̂₀ − x̂₀₋)/2`, and `x' = (n'/n) x + s' (1 − q) x̄₀`, or with noise
/// `x' = (n'/n) q x + s' (1 − q²) x̄₀ + n' √(1 − q²) z`.
///
/// Where h is infinite, from pure noise or to a clean level, and in the first step, `x̄₀ = x̂₀`.
///
/// # Source
/// Lu et al. 2022 (DPM-Solver++) algorithm 2 (2M) and its SDE-DPM-Solver++(2M), with the difference
/// of the two guesses weighted as in diffusers' `solver_type="midpoint"`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DpmSolver {
    order: DpmSolverOrder,
    kind: DpmSolverKind,
}

impl DpmSolver {
    /// Of this order, for this equation.
    #[must_use]
    pub fn new(order: DpmSolverOrder, kind: DpmSolverKind) -> Self {
        Self { order, kind }
    }

    /// How much of `x̂₀ − x̂₀₋` is added to `x̂₀`.
    fn extrapolation(&self, before: Option<Level>, level: Level, next: Level) -> f64 {
        let (Some(before), DpmSolverOrder::Second) = (before, self.order) else { return 0.0 };
        let ratio = (next.lambda() - level.lambda()) / (level.lambda() - before.lambda());
        if ratio.is_finite() { ratio / 2.0 } else { 0.0 }
    }
}

impl Sampler for DpmSolver {
    fn name(&self) -> &'static str {
        "dpm_solver"
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
        if next.signal == 0.0 {
            return Err(next.refused("expected a level with signal to step to"));
        }
        let x0 = step.denoise(&state.sample, level)?;
        let extra = self.extrapolation(state.history_levels.last().copied(), level, next);
        let q = level.signal * next.noise / (next.signal * level.noise);
        let ratio = next.noise / level.noise;
        let (of_x, of_x0, of_noise) = match self.kind {
            DpmSolverKind::Ode => (ratio, next.signal * (1.0 - q), 0.0),
            DpmSolverKind::Sde => {
                let square = (1.0 - q * q).max(0.0);
                (ratio * q, next.signal * square, next.noise * square.sqrt())
            }
        };
        let mut terms =
            vec![Term::new(of_x0 * (1.0 + extra), &x0).checked(), Term::new(of_x, &state.sample)];
        if let Some(before) = state.history.last().filter(|_| extra != 0.0) {
            terms.push(Term::new(-of_x0 * extra, before));
        }
        let sample = step.noisy_sum(terms, of_noise, level)?;
        if self.order == DpmSolverOrder::Second {
            state.remember(x0, level, 1);
        }
        state.arrive(self, sample);
        Ok(())
    }
}
