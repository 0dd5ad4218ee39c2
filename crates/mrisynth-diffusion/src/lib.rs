//! Training and sampling of conditional diffusion models, over any network.
//!
//! A [`Network`] is a function of noisy volumes, times and a [`Condition`]; a [`Model`] is a network
//! and its parameters. [`DiffusionTrainee`] trains one under `mrisynth-training`: an [`Objective`] says
//! what the network is asked and what a wrong answer costs, a [`Learner`] takes the step. A [`Generator`]
//! samples from one, and [`Provenance`] says how. All noise is keyed by what it is for.
//!
//! ```
//! use candle_core::Tensor;
//! use mrisynth_diffusion::{Condition, Generator, GeneratorConfig, SampleItem};
//! use mrisynth_schedulers::{SamplingPreset, Unobserved};
//! let sampling = SamplingPreset::BrainLdm.config();
//! let generator = Generator::new(&GeneratorConfig { sampling, ..Default::default() })?;
//! let network = |x: &Tensor, _: &Tensor, _: &Condition| x.zeros_like(); // a trained one
//! let items = [SampleItem::default()];
//! let mut state = generator.begin(&items, [1, 4, 4, 4])?;
//! generator.run(&network, &items, &mut state, &mut Unobserved)?;
//! assert_eq!(state.index, 50);
//! # Ok::<(), mrisynth_diffusion::Error>(())
//! ```

mod error;

mod condition;
mod model;
mod name_pattern;
mod network;

mod batch;
mod config;
mod draw;
mod loss;
mod objective;
mod training_level;

mod checkpoint_part;
mod fine_tuning;
mod learner;
mod trainee;
mod validation;

mod generator;
mod guidance;
mod provenance;
mod shard;
mod trajectory;

#[cfg(test)]
mod small_network;

pub use batch::{Batch, BatchSource};
pub use checkpoint_part::Weights;
pub use condition::{Condition, Unconditional};
pub use config::{Averaging, Clipping, ConditionDropout, DiffusionConfig, ValidationConfig};
pub use error::{BoxedError, Error, Result};
pub use fine_tuning::start_from;
pub use generator::{Generator, GeneratorConfig, SampleItem};
pub use guidance::{Guidance, GuidedNetwork};
pub use learner::{Alone, Learner, Learnt, Reduction};
pub use loss::Loss;
pub use model::{Model, Precision};
pub use name_pattern::NamePattern;
pub use network::Network;
pub use objective::{Objective, Question};
pub use provenance::Provenance;
pub use shard::Shard;
pub use trainee::{DiffusionTrainee, Previewer};
pub use training_level::{TrainingLevel, TrainingLevels};
pub use trajectory::{Frame, Trajectory};
