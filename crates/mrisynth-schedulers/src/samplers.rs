//! The samplers, each a few lines over the same contract.
//!
//! Formulas are in x, signal (s) and noise (n) of the level and, with a prime, of the next; x̂₀ is
//! the denoiser's guess and `ε = (x − s x̂₀)/n` the noise that goes with it. In these terms
//! σ = ∞ is a level like others. A step makes at most two passes over memory per call of the
//! denoiser: it reads its operands once and writes one array, noise and checks included.

mod ancestral;
mod churn;
mod ddim;
mod ddim_inversion;
mod dpm_solver;
mod euler;
mod flow;
mod heun;
mod pndm;

pub use ancestral::Ddpm;
pub use churn::Churn;
pub use ddim::Ddim;
pub use ddim_inversion::DdimInversion;
pub use dpm_solver::{DpmSolver, DpmSolverKind, DpmSolverOrder};
pub use euler::Euler;
pub use flow::{Flow, FlowMethod};
pub use heun::Heun;
pub use pndm::{Pndm, PndmStart};

use candle_core::Tensor;

use crate::error::Result;
use crate::fused::Term;
use crate::level::Level;
use crate::sampler::Step;

/// `x' = (n'/n) x + (s' − s n'/n) x̂₀`, which is `s' x̂₀ + n' ε`: DDIM, and Euler in σ.
fn straight(x: &Tensor, x0: &Tensor, level: Level, next: Level, step: &Step<'_>) -> Result<Tensor> {
    let ratio = next.noise / level.noise;
    let of_x0 = next.signal - level.signal * ratio;
    step.sum(vec![Term::new(of_x0, x0).checked(), Term::new(ratio, x)], level)
}
