//! The trainable 3-D layers that candle lacks, fast on a CPU.

mod kernels;

mod activation;
mod affine;
mod batch_norm;
mod channels_last;
mod conv_shape;
mod dense;
mod group_norm;
mod grouped_norm;
mod layer_norm;

mod error;

#[cfg(test)]
mod gradient_check;

pub use batch_norm::{BatchNorm3d, BatchNormConfig, batch_norm3d};
pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use error::{Error, Result};
pub use group_norm::{GroupNorm, InstanceNorm, group_norm, instance_norm};
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use layer_norm::{LayerNorm, layer_norm};

pub mod ops {
    //! The operations themselves, as functions of their tensors; layers hold the weights.

    pub use crate::activation::{geglu, gelu, leaky_relu, relu, silu};
    pub use crate::batch_norm::ops::{BatchStatistics, batch_norm_eval, batch_norm_train};
    pub use crate::group_norm::ops::{group_norm, group_norm_silu, instance_norm};
    pub use crate::layer_norm::ops::layer_norm;
}
