//! The augmentation study: does it help to train a segmentation network on synthetic scans?
//!
//! One TOML file ([`StudyConfig`]) says who is learnt from and who is tested, where synthetic scans come
//! from, and what networks are trained on: real scans, synthetic ones, or both. An [`AugmentationStudy`]
//! does all of it, in stages that are done once:
//!
//! ```text
//! OUT/split/                   who is in which part
//! OUT/generator/               the generator, trained on training subjects alone
//! OUT/synthesis-SET/           synthetic scans of their masks, as they are or edited
//! OUT/near-copies-SET/         are they copies of what the generator learnt from?
//! OUT/training-ARM-SEED/       a segmentation network, equally many steps in every arm
//! OUT/prediction-ARM-SEED/     what it finds in the measured scans
//! OUT/evaluation-ARM-SEED/     how well that fits their labels
//! OUT/summary/                 results.json and results.md
//! ```

mod arm_training;
mod augmentation_study;
mod comparison;
mod config;
mod generator_training;
mod measurement;
mod near_copies;
mod page;
mod published;
mod split;
mod split_record;
mod summary_stage;
mod synthesis;

pub(crate) use arm_training::ArmTraining;
pub use augmentation_study::AugmentationStudy;
pub(crate) use comparison::GAP_SHARE;
pub use config::{ArmConfig, GeneratorSource, MeasuredOn, RealScans, StudyConfig, SynthesisConfig};
pub(crate) use config::{FORMAT, VERSION};
pub(crate) use generator_training::{GeneratorTraining, train_generator};
pub(crate) use measurement::Prediction;
pub use published::{PUBLISHED, PublishedResult};
pub use split::{Members, SplitConfig, StudySplit};
