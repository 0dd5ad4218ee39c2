//! Segmentation of 3-D images: networks, the recipe that trains them, and inference.
//!
//! - A [`Segmenter`] is an [`NnUnet`] or a [`SegResNet`]; a [`StagePlan`] follows from spacing and patch.
//! - [`deeply_supervised`] is the loss, a [`DiceCrossEntropy`] at every resolution.
//! - A [`PatchSampler`] cuts augmented patches out of [`Case`]s.
//! - A [`SegmentationTrainee`] learns by a [`Recipe`], inside a run of `mrisynth-training`.
//! - A [`SlidingWindow`] asks a network about a volume of any size; a [`Predictor`] segments scans on
//!   their own grids by way of a [`ScanPreparation`].
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mrisynth_segmentation::{NnUnet, NnUnetConfig, SlidingWindow, SlidingWindowConfig, StagePlan};
//! let plan = StagePlan::new([16, 16, 8], [1.0; 3], 3)?;
//! let config = NnUnetConfig { base_channels: 4, plan, ..NnUnetConfig::default() };
//! let store = candle_nn3d::ParameterStore::new(keyed_random::Key::new(1));
//! let network = NnUnet::new(&config, store.builder(DType::F32))?;
//! let window = SlidingWindowConfig { window: [16, 16, 8], ..SlidingWindowConfig::default() };
//! let scan = Tensor::ones((1, 1, 18, 20, 9), DType::F32, &Device::Cpu)?;
//! let logits = SlidingWindow::new(&window)?.run(&scan, |patch| network.forward(patch))?;
//! assert_eq!(logits.dims(), [1, 2, 18, 20, 9]);
//! # Ok::<(), mrisynth_segmentation::Error>(())
//! ```

mod error;

mod nn_unet;
mod seg_res_net;
mod stage_plan;

mod network;

mod deep_supervision;
mod dice_cross_entropy;

mod augmentation;
mod case;
mod patch_sampler;

mod recipe;
mod trainee;

mod classes;
mod sliding_window;

mod predictor;
mod scan_preparation;

pub use augmentation::{AugmentationConfig, AugmentationDraw, Chance, GammaDraw, Patch};
pub use case::Case;
pub use classes::classes_of;
pub use deep_supervision::{deep_supervision_weights, deeply_supervised};
pub use dice_cross_entropy::{DiceCrossEntropy, TargetClasses};
pub use error::{Error, Result};
pub use network::{Segmenter, SegmenterConfig};
pub use nn_unet::{NnUnet, NnUnetConfig};
pub use patch_sampler::{PatchConfig, PatchSampler};
pub use predictor::{CleanUp, Predictor};
pub use recipe::Recipe;
pub use scan_preparation::{ClassLabels, ScanPreparation, ScanPreparationConfig};
pub use seg_res_net::{SegResNet, SegResNetConfig};
pub use sliding_window::{Blending, SlidingWindow, SlidingWindowConfig};
pub use stage_plan::StagePlan;
pub use trainee::SegmentationTrainee;
