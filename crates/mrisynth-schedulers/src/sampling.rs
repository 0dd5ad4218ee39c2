//! The loop over levels.

use std::ops::ControlFlow;

use crate::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::level::Level;
use crate::noise::Noise;
use crate::sampler::Sampler;
use crate::sampler_state::SamplerState;

/// Where a run is, after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub steps: usize,
    /// The level reached.
    pub level: Level,
    /// The state, to look at or to save.
    pub state: &'a SamplerState,
}

/// Told of every step, and free to end the run. Closures observe too.
pub trait Observer {
    /// After a step; a break cancels the run, which can be continued from its state.
    fn stepped(&mut self, progress: &Progress<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&Progress<'_>) -> ControlFlow<()>> Observer for F {
    fn stepped(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        self(progress)
    }
}

/// Sees nothing and lets run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn stepped(&mut self, _: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// At the last level.
    Complete,
    /// By its observer.
    Cancelled,
}

/// Brings the sample of `state` through all levels that it has not reached yet.
///
/// `levels` are those of the whole run, one more than its steps; a state loaded from a file goes on
/// where it was, given the same levels, denoiser and noise.
///
/// # Errors
/// [`Error::Steps`] for fewer than two levels, [`Error::State`] for a state that is beyond them, and
/// those of [`Sampler::step`]; then the state is that of the last step done. On a GPU a step does not wait
/// for its numbers: a model's output that is not finite is found at the end of the run.
///
/// # Examples
/// ```
/// use candle_core::{DType, Tensor};
/// use keyed_random::Key;
/// use mrisynth_schedulers::*;
/// let denoiser = |x: &Tensor, _: &[Level]| Ok(Tensor::full(2.0_f32, x.shape(), x.device())?);
/// let levels = FlowSchedule::default().levels(10)?;
/// let noise = Noise::keyed(&Key::new(1), 1);
/// let mut state = SamplerState::new(noise.start((1, 2, 2, 2), DType::F32, levels[0])?);
/// let sampler = SamplerConfig::default().build()?;
/// sample(&*sampler, &mut state, &levels, &denoiser, &noise, &mut Unobserved)?;
/// assert_eq!(state.sample.flatten_all()?.to_vec1::<f32>()?, [2.0; 8]);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
pub fn sample(
    sampler: &dyn Sampler,
    state: &mut SamplerState,
    levels: &[Level],
    denoiser: &dyn Denoiser,
    noise: &Noise,
    observer: &mut dyn Observer,
) -> Result<Ended> {
    let steps = levels.len().saturating_sub(1);
    if steps == 0 {
        return Err(Error::Steps { found: 0, most: usize::MAX });
    }
    if state.index > steps {
        return Err(Error::State {
            field: "index".to_owned(),
            found: state.index.to_string(),
            expected: format!("at most {steps}, the steps of this run"),
        });
    }
    while state.index < steps {
        let (level, next) = (levels[state.index], levels[state.index + 1]);
        sampler.step(state, level, next, denoiser, noise)?;
        let progress = Progress { done: state.index, steps, level: next, state };
        if observer.stepped(&progress).is_break() && state.index < steps {
            return Ok(Ended::Cancelled);
        }
    }
    #[cfg(feature = "cuda")]
    if state.sample.device().is_cuda() {
        let level = levels[steps - 1];
        let finite = candle_nn3d::gpu::finite_items(&state.sample)?;
        if let Some(item) = finite.iter().position(|finite| !finite) {
            return Err(Error::ModelOutput { step: None, level, item });
        }
    }
    Ok(Ended::Complete)
}
