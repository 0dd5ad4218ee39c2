//! The trainable 3-D layers that candle lacks, fast on a CPU.
//!
//! Operations are functions in [`ops`], on [`ChannelsLast`] activations and whatever weights they
//! need; gradients flow through all of them. Layers hold the weights: a structure and, under its
//! name in lower case, the constructor that takes a `VarBuilder` ([`Conv3d`] and [`conv3d()`]).

mod kernels;

mod activation;
mod affine;
mod batch_norm;
mod attention;
mod attention_layer;
mod channels_last;
mod conv3d;
mod conv_shape;
mod typed_slice;

mod arithmetic;
mod concat;
mod dropout;
mod loss;
mod pad;
mod pool;
mod resample;
mod upsample;
mod dense;
mod group_norm;
mod grouped_norm;
mod layer_norm;
mod cpu_slices;
mod linear;

mod error;

#[cfg(test)]
mod gradient_check;
#[cfg(test)]
mod invariance;
#[cfg(test)]
mod reference;

/// Operations without parameters; on [`ChannelsLast`] activations unless they say otherwise.
pub mod ops {
    pub use crate::arithmetic::{add, scale};
    pub use crate::concat::concat_channels;
    pub use crate::dropout::{dropout, dropout_channels};
    pub use crate::loss::{huber_loss, l1_loss, mse_loss};
    pub use crate::pad::{crop, pad_constant};
    pub use crate::pool::{avg_pool3d, global_avg_pool3d, max_pool3d};
    pub use crate::upsample::{
        upsample_nearest, upsample_nearest_to, upsample_trilinear, upsample_trilinear_to,
    };

    #[cfg(doc)]
    use crate::ChannelsLast;
}


pub use batch_norm::{BatchNorm3d, BatchNormConfig, batch_norm3d};

pub use attention_layer::{Attention, AttentionConfig, attention_layer};
pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use dropout::Dropout;

pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use conv3d::op::ConvTranspose3dConfig;
pub use conv3d::prepared::PreparedConv3d;
pub use conv3d::transposed::{ConvTranspose3d, conv_transpose3d, conv_transpose3d_no_bias};
pub use conv3d::{Conv3d, conv3d, conv3d_no_bias};
pub use error::{Error, Result};
pub use kernels::conv3d::Conv3dAlgorithm;
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use pool::{AvgPool3d, MaxPool3d};
pub use upsample::{Upsample, UpsampleMode, UpsampleTo};

/// The operations, as functions on [`ChannelsLast`] activations.
pub mod ops {
    pub use crate::conv3d::op::{conv_transpose3d, conv3d, conv3d_by};
}
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
pub use group_norm::{GroupNorm, InstanceNorm, group_norm, instance_norm};
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use layer_norm::{LayerNorm, layer_norm};

pub mod ops {
    //! The operations themselves, as functions of their tensors; layers hold the weights.

    pub use crate::activation::{geglu, gelu, leaky_relu, relu, silu};
    pub use crate::batch_norm::ops::{BatchStatistics, batch_norm_eval, batch_norm_train};
    pub use crate::group_norm::ops::{group_norm, group_norm_silu, instance_norm};
    pub use crate::layer_norm::ops::layer_norm;
pub use linear::{Linear, linear_layer};

/// Operations on tensors, each differentiable.
pub mod ops {
    pub use crate::attention::attention;
    pub use crate::linear::linear;
}
