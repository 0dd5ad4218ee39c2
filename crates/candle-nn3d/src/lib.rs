//! The trainable 3-D layers that candle lacks, fast on a CPU.

mod kernels;

mod channels_last;
mod conv_shape;

mod error;

mod ema;
mod gradients;
mod in_place;
mod learning_rate;
mod named_tensors;
mod optimiser;
mod parameters;
mod random_tensor;
mod recompute;

pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use ema::{Ema, EmaSettings};
pub use error::{Error, Result};
pub use gradients::{GradientNorm, Gradients};
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use learning_rate::{Decay, LearningRate};
pub use named_tensors::{Differences, Matching, NamedTensors, Rename};
pub use optimiser::{Adam, AdamSettings, AdamW, AdamWSettings, Optimiser, Sgd, SgdSettings};
pub use parameters::ParameterStore;
pub use random_tensor::Distribution;
pub use recompute::Recompute;
