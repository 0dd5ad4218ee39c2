//! The one trait of all samplers, and their configuration.

use std::fmt;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::forward_process::{Variance, check_descent};
use crate::fused::{Draw, Term, combine};
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler_state::SamplerState;
use crate::samplers::{
    Churn, Ddim, DdimInversion, Ddpm, DpmSolver, DpmSolverKind, DpmSolverOrder, Euler, Flow,
    FlowMethod, Heun, Pndm, PndmStart,
};

/// A way from one level to the next.
///
/// A sampler knows no schedule: a step is told where it is and where it goes, and is right for any
/// such pair. All that it carries is in the state.
pub trait Sampler: fmt::Debug + Send + Sync {
    /// Its name, by which a state knows whose it is.
    fn name(&self) -> &'static str;

    /// Brings the sample of `state` from `level` to `next`, and counts the step.
    ///
    /// After an error the state is what it was.
    ///
    /// # Errors
    /// [`Error::Level`] for a pair of levels that this sampler cannot step between,
    /// [`Error::ModelOutput`] for NaN or infinity, [`Error::State`] for the state of another
    /// sampler, and those of the denoiser.
    fn step(
        &self,
        state: &mut SamplerState,
        level: Level,
        next: Level,
        denoiser: &dyn Denoiser,
        noise: &Noise,
    ) -> Result<()>;
}

/// The choice of a sampler; `Default` is DDPM's.
///
/// # Examples
/// ```
/// use mrisynth_schedulers::SamplerConfig;
/// let ddim = SamplerConfig::Ddim { eta: 0.0 }.build()?;
/// assert_eq!(ddim.name(), "ddim");
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SamplerConfig {
    /// [`Ddpm`].
    Ddpm {
        /// Which variance.
        #[serde(default)]
        variance: Variance,
    },
    /// [`Ddim`].
    Ddim {
        /// 0 draws no noise, 1 is [`Ddpm`].
        #[serde(default)]
        eta: f64,
    },
    /// [`DdimInversion`].
    DdimInversion {
        /// Refinements of each step.
        iterations: usize,
    },
    /// [`Pndm`].
    Pndm {
        /// How it starts.
        #[serde(default)]
        start: PndmStart,
    },
    /// [`DpmSolver`].
    DpmSolver {
        /// Its order.
        #[serde(default)]
        order: DpmSolverOrder,
        /// With noise or without.
        #[serde(default, rename = "solver")]
        kind: DpmSolverKind,
    },
    /// [`Euler`].
    Euler {
        /// The noise put back before each step.
        #[serde(default)]
        churn: Churn,
    },
    /// [`Heun`].
    Heun {
        /// The noise put back before each step.
        #[serde(default)]
        churn: Churn,
    },
    /// [`Flow`].
    Flow {
        /// Its order.
        #[serde(default)]
        method: FlowMethod,
    },
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::Ddpm { variance: Variance::default() }
    }
}

impl SamplerConfig {
    /// The sampler.
    ///
    /// # Errors
    /// [`Error::Setting`] naming a setting outside its domain.
    pub fn build(&self) -> Result<Box<dyn Sampler>> {
        Ok(match *self {
            Self::Ddpm { variance } => Box::new(Ddpm::new(variance)),
            Self::Ddim { eta } => Box::new(Ddim::new(eta)?),
            Self::DdimInversion { iterations } => Box::new(DdimInversion::new(iterations)?),
            Self::Pndm { start } => Box::new(Pndm::new(start)),
            Self::DpmSolver { order, kind } => Box::new(DpmSolver::new(order, kind)),
            Self::Euler { churn } => Box::new(Euler::new(churn)?),
            Self::Heun { churn } => Box::new(Heun::new(churn)?),
            Self::Flow { method } => Box::new(Flow::new(method)),
        })
    }
}

/// What a step works with, the state aside.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    index: usize,
    denoiser: &'a dyn Denoiser,
    noise: &'a Noise,
}

impl<'a> Step<'a> {
    /// Begins a step towards less noise.
    pub(crate) fn down(
        sampler: &dyn Sampler,
        state: &SamplerState,
        (level, next): (Level, Level),
        denoiser: &'a dyn Denoiser,
        noise: &'a Noise,
    ) -> Result<Self> {
        check_descent(level, next)?;
        Self::begin(sampler, state, denoiser, noise)
    }

    /// Begins a step in any direction.
    pub(crate) fn begin(
        sampler: &dyn Sampler,
        state: &SamplerState,
        denoiser: &'a dyn Denoiser,
        noise: &'a Noise,
    ) -> Result<Self> {
        if !state.sampler.is_empty() && state.sampler != sampler.name() {
            return Err(Error::State {
                field: "sampler".to_owned(),
                found: state.sampler.clone(),
                expected: sampler.name().to_owned(),
            });
        }
        Ok(Self { index: state.index, denoiser, noise })
    }

    /// x̂₀.
    pub(crate) fn denoise(&self, x: &Tensor, level: Level) -> Result<Tensor> {
        let levels = vec![level; x.dims().first().copied().unwrap_or(1)];
        let x0 = self.denoiser.denoise(x, &levels).map_err(|error| error.in_step(self.index))?;
        if x0.dims() != x.dims() {
            let (found, expected) = (x0.dims().to_vec(), format!("the sample's, {:?}", x.dims()));
            return Err(Error::Shape { what: "the denoiser's output", found, expected });
        }
        Ok(x0)
    }

    /// A sum; checked terms are the model's output at `level`.
    pub(crate) fn sum(&self, terms: Vec<Term<'_>>, level: Level) -> Result<Tensor> {
        self.total(terms, None, level)
    }

    /// A sum with `scale ·` the noise of this step.
    pub(crate) fn noisy_sum(
        &self,
        terms: Vec<Term<'_>>,
        scale: f64,
        level: Level,
    ) -> Result<Tensor> {
        // A step that needs no noise asks for none.
        let draw = if scale == 0.0 { None } else { Some((scale, self.noise.of_step(self.index)?)) };
        self.total(terms, draw, level)
    }

    fn total<'t>(
        &self,
        terms: Vec<Term<'t>>,
        draw: Option<(f64, Draw<'t>)>,
        level: Level,
    ) -> Result<Tensor> {
        combine(terms, draw, None).map_err(|fault| fault.at(|_| level).in_step(self.index))
    }
}

impl SamplerState {
    /// Ends a step.
    pub(crate) fn arrive(&mut self, sampler: &dyn Sampler, sample: Tensor) {
        self.sample = sample;
        self.index += 1;
        sampler.name().clone_into(&mut self.sampler);
    }
}
