//! The trainable 3-D layers that candle lacks, fast on a CPU.

mod kernels;

mod attention;
mod attention_layer;
mod channels_last;
mod conv_shape;
mod cpu_slices;
mod linear;

mod error;

#[cfg(test)]
mod gradient_check;

pub use attention_layer::{Attention, AttentionConfig, attention_layer};
pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use error::{Error, Result};
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use linear::{Linear, linear_layer};

/// Operations on tensors, each differentiable.
pub mod ops {
    pub use crate::attention::attention;
    pub use crate::linear::linear;
}
