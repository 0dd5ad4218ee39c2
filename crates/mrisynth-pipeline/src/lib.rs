//! An experiment from one configuration file: train a generator, sample from it, keep the geometry.
//!
//! - An [`Experiment`] is one TOML file; [`Preset`]s are published ones.
//! - A [`Conversion`] takes scans and masks to the tensors of a network, and back to where they were.
//! - A [`TrainingRun`] trains an experiment on a cohort; a [`SamplingJob`] makes volumes of masks with
//!   the weights of a [`Checkpoint`], and [`verify`] makes one of them again.
//! - [`segmentation`] does the same for a network that segments.
//! - A [`study`] finds out whether synthetic scans help it.
//! - An [`evaluation`] says how good synthetic scans are.
//! - A [`result_page`] shows what came out.
//! - A [`quickstart`] does all of it in one go.
//! - A [`MemoryEstimate`] says beforehand what either takes.
//!
//! Everything here is composition; what is computed is computed in the crates below.
//!
//! ```
//! use mrisynth_pipeline::{Preset, memory_of_training};
//! let mut experiment = Preset::AdMaskDdpm.experiment()?;
//! let published = memory_of_training(&experiment)?.total_mib();
//! experiment.data.grid.spacing_mm = Some([3.0; 3]);
//! experiment.data.grid.shape = Some([64; 3]);
//! assert!(2 * memory_of_training(&experiment)?.total_mib() < published);
//! # Ok::<(), mrisynth_pipeline::Error>(())
//! ```

mod error;

mod axis_order;
mod data_config;

mod experiment;
mod preset;

mod conversion;

mod device_choice;

mod memory;

mod batches;
mod checkpoint;
mod cohort_source;
mod fine_tuning;
mod mirroring;
mod network;
mod preview;
mod training_run;

mod derivative;
mod edited_mask;
mod mask_file;
mod mask_following;
mod sampling_job;
mod trajectory;
mod verification;

pub mod evaluation;

pub mod segmentation;

mod scan_digests;
mod stage_graph;

pub mod study;

pub mod result_page;

pub mod quickstart;

pub use axis_order::AxisOrder;
pub use checkpoint::Checkpoint;
pub use cohort_source::{Division, open_cohort};
pub use conversion::{Conversion, MaskOnGrid};
pub use data_config::{DataConfig, SchemeSource};
pub use device_choice::DeviceChoice;
pub use error::{Error, Result};
pub use experiment::{Experiment, GenerationConfig, TrainingConfig};
pub use fine_tuning::FineTuning;
pub use mask_file::{MaskFile, mask_identity};
pub use mask_following::MaskFollowing;
pub use memory::{MemoryEstimate, Work, available_bytes, sampling_batch, sampling_batch_on};
pub use network::ConditionedUnet;
pub use preset::Preset;
pub use sampling_job::{JobEvent, JobOptions, JobRecord, JobSummary, SamplingJob, Subjects};
pub use stage_graph::StageEvent;
pub use training_run::{TrainingRun, memory_of_training};
pub use verification::{Verdict, verify};
