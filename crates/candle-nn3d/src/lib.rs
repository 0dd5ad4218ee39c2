//! The trainable 3-D layers that candle lacks, fast on a CPU.

mod kernels;

mod channels_last;
mod conv_shape;

mod error;

pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use error::{Error, Result};
pub use kernels::conv3d::Conv3dAlgorithm;
pub use kernels::tier::{TIER_VARIABLE, Tier};
