//! The trainable 3-D layers that candle lacks, fast on a CPU.
//!
//! Operations are functions in [`ops`], on [`ChannelsLast`] activations and whatever weights they
//! need; gradients flow through all of them. Layers hold the weights: a structure and, under its
//! name in lower case, the constructor that takes a `VarBuilder` ([`Conv3d`] and [`conv3d()`]).

mod kernels;

mod channels_last;
mod conv3d;
mod conv_shape;

mod error;

#[cfg(test)]
mod gradient_check;

pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use conv3d::op::ConvTranspose3dConfig;
pub use conv3d::prepared::PreparedConv3d;
pub use conv3d::transposed::{ConvTranspose3d, conv_transpose3d, conv_transpose3d_no_bias};
pub use conv3d::{Conv3d, conv3d, conv3d_no_bias};
pub use error::{Error, Result};
pub use kernels::conv3d::Conv3dAlgorithm;
pub use kernels::tier::{TIER_VARIABLE, Tier};

/// The operations, as functions on [`ChannelsLast`] activations.
pub mod ops {
    pub use crate::conv3d::op::{conv_transpose3d, conv3d, conv3d_by};
}
