//! Noise schedules and samplers for diffusion models, right at any number of steps.
//!
//! The contract is two things. A [`Level`] says how much of a sample is signal and how much noise;
//! a [`Denoiser`] guesses the clean volume behind a sample at a level. Schedules give lists of levels
//! ([`Schedule::run_levels`], [`FlowSchedule`], [`SigmaSpacing`]); a [`NetworkDenoiser`] makes a
//! denoiser of a network, whatever it predicts; a [`Sampler`] steps from one level to the next, and
//! [`sample()`] goes through all of them. None knows the others' insides.
//!
//! ```
//! use candle_core::{DType, Tensor};
//! use keyed_random::Key;
//! use mrisynth_schedulers::{Noise, SamplerState, SamplingPreset, Unobserved, sample};
//!
//! let config = SamplingPreset::BrainLdm.config();
//! let network = |x: &Tensor, _timesteps: &Tensor| x.zeros_like(); // yours, with its condition
//! let (levels, denoiser) = (config.levels()?, config.denoiser(network)?);
//! let noise = Noise::keyed(&Key::new(7).with("sample"), 1);
//! let mut state = SamplerState::new(noise.start((3, 4, 4, 4), DType::F32, levels[0])?);
//! sample(&*config.sampler.build()?, &mut state, &levels, &denoiser, &noise, &mut Unobserved)?;
//! assert_eq!(state.index, 50);
//! # Ok::<(), mrisynth_schedulers::Error>(())
//! ```

mod error;
mod level;

mod denoiser;
mod prediction;

mod flow_schedule;
mod schedule;
mod sigma_spacing;
mod spacing;
mod timestep;

mod forward_process;
mod loss_weight;
mod training_time;

mod fused;
mod network_denoiser;
mod threshold;

mod noise;
mod sampler;
mod sampler_state;
mod samplers;
mod sampling;

mod sampling_config;

#[cfg(test)]
mod closed_form;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod refused;

pub use denoiser::Denoiser;
pub use error::{Error, Result};
pub use flow_schedule::{FlowSchedule, TimeShift};
pub use forward_process::{Posterior, Variance, add_noise};
pub use level::Level;
pub use loss_weight::LossWeight;
pub use network_denoiser::NetworkDenoiser;
pub use noise::Noise;
pub use prediction::{FlowDirection, Preconditioning, Prediction};
pub use sampler::{Sampler, SamplerConfig};
pub use sampler_state::SamplerState;
pub use samplers::{
    Churn, Ddim, DdimInversion, Ddpm, DpmSolver, DpmSolverKind, DpmSolverOrder, Euler, Flow,
    FlowMethod, Heun, Pndm, PndmStart,
};
pub use sampling::{Ended, Observer, Progress, Unobserved, sample};
pub use sampling_config::{Process, SamplingConfig, SamplingPreset};
pub use schedule::{Betas, BufferDifference, GAUSSIAN_DIFFUSION_BUFFERS, Schedule, ScheduleConfig};
pub use sigma_spacing::{SigmaScale, SigmaSpacing};
pub use spacing::{Spacing, Terminal};
pub use threshold::Threshold;
pub use timestep::{Clock, TimestepConvention};
pub use training_time::TrainingTimes;
