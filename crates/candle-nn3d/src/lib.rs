//! The trainable 3-D layers that candle lacks, fast on a CPU.
//!
//! Operations are functions in [`ops`], on [`ChannelsLast`] activations and whatever weights they
//! need; gradients flow through all of them. Layers hold the weights: a structure and, under its
//! name in lower case, the constructor that takes a `VarBuilder` ([`Conv3d`] and [`conv3d()`]).
//! A [`ParameterStore`] holds what is trained, in order, under PyTorch's names.
//!
//! Train a layer for one step:
//! ```
//! use candle_core::{DType, Device, Module, Tensor};
//! use candle_nn3d::{Adam, Conv3dConfig, Gradients, Optimiser, ParameterStore, conv3d, ops};
//! use candle_nn3d::value_and_gradients;
//! let store = ParameterStore::new(keyed_random::Key::new(1));
//! let layer = conv3d(1, 1, [3; 3], Conv3dConfig::same(3), store.builder(DType::F32).pp("conv"))?;
//! let x = Tensor::ones((1, 1, 4, 4, 4), DType::F32, &Device::Cpu)?;
//! let loss = || ops::mse_loss(&layer.forward(&x)?, &x, None);
//! let (before, gradients) = value_and_gradients(loss)?;
//! Adam::new(Default::default())?.step(&store, &Gradients::of(&store, gradients)?, 1e-3)?;
//! assert!(loss()?.to_scalar::<f32>()? < before.to_scalar::<f32>()?);
//! # Ok::<(), candle_core::Error>(())
//! ```

mod kernels;

#[cfg(feature = "cuda")]
mod cuda;

mod channels_last;
mod cpu_slices;
mod dense;
mod typed_slice;

mod activation;
mod arithmetic;
mod attention;
mod attention_layer;
mod batch_norm;
mod channel_bias;
mod concat;
mod conv3d;
mod conv_shape;
mod dropout;
mod group_norm;
mod grouped_norm;
mod layer_norm;
mod linear;
mod loss;
mod pad;
mod pool;
mod resample;
mod upsample;

mod affine;

mod ema;
mod gradients;
mod in_place;
mod learning_rate;
mod named_tensors;
mod optimiser;
mod parameters;
mod random_tensor;
mod recompute;
mod seed;
mod tape;

mod error;

#[cfg(test)]
mod gradient_check;
#[cfg(test)]
mod invariance;
#[cfg(test)]
mod reference;

pub mod ops {
    //! The operations themselves, as functions of their tensors; layers hold the weights.

    pub use crate::activation::{geglu, gelu, leaky_relu, relu, silu};
    pub use crate::arithmetic::{add, scale};
    pub use crate::attention::attention;
    pub use crate::batch_norm::ops::{BatchStatistics, batch_norm_eval, batch_norm_train};
    pub use crate::channel_bias::add_channel_bias;
    pub use crate::concat::concat_channels;
    pub use crate::conv3d::op::{conv_transpose3d, conv3d, conv3d_by};
    pub use crate::dropout::{dropout, dropout_channels};
    pub use crate::group_norm::ops::{
        group_norm, group_norm_relu, group_norm_silu, instance_norm, instance_norm_leaky_relu,
    };
    pub use crate::layer_norm::ops::layer_norm;
    pub use crate::linear::linear;
    pub use crate::loss::{huber_loss, l1_loss, mse_loss};
    pub use crate::pad::{crop, pad_constant};
    pub use crate::pool::{avg_pool3d, global_avg_pool3d, max_pool3d};
    pub use crate::tape::reshape;
    pub use crate::upsample::{
        upsample_nearest, upsample_nearest_to, upsample_trilinear, upsample_trilinear_to,
    };
}

#[cfg(feature = "cuda")]
pub mod gpu {
    //! GPUs, how convolutions choose their algorithms there, the record of the choices, and what crates
    //! above compute in a pass of their own.

    pub use crate::cuda::combination::{Combination, Limits, Operand, finite_items};
    pub use crate::cuda::convolution::choice::{
        Choice, Choices, Key, Order, Pass, Search, Settings,
    };
    pub use crate::cuda::device::{free_bytes, kind, open};
    pub use crate::cuda::dice_cross_entropy::{DiceCrossEntropySettings, dice_cross_entropy};
}

pub use attention_layer::{Attention, AttentionConfig, attention_layer};
pub use batch_norm::{BatchNorm3d, BatchNormConfig, batch_norm3d};
pub use channels_last::ChannelsLast;
pub use conv_shape::Conv3dConfig;
pub use conv3d::op::ConvTranspose3dConfig;
pub use conv3d::prepared::PreparedConv3d;
pub use conv3d::transposed::{ConvTranspose3d, conv_transpose3d, conv_transpose3d_no_bias};
pub use conv3d::{Conv3d, conv3d, conv3d_no_bias};
pub use dropout::Dropout;
pub use ema::{Ema, EmaSettings};
pub use error::{Error, Result};
pub use gradients::{GradientNorm, Gradients};
pub use group_norm::{GroupNorm, InstanceNorm, group_norm, instance_norm};
pub use kernels::conv3d::Conv3dAlgorithm;
pub use kernels::kept_memory::KeptMemory;
pub use kernels::tier::{TIER_VARIABLE, Tier};
pub use layer_norm::{LayerNorm, layer_norm};
pub use learning_rate::{Decay, LearningRate};
pub use linear::{Linear, linear_layer};
pub use named_tensors::{Differences, Matching, NamedTensors, Rename};
pub use optimiser::{
    Adam, AdamSettings, AdamW, AdamWSettings, Optimiser, OptimiserConfig, Sgd, SgdSettings,
};
pub use parameters::ParameterStore;
pub use pool::{AvgPool3d, MaxPool3d};
pub use random_tensor::Distribution;
pub use recompute::Recompute;
pub use tape::{value_and_gradients, without_gradients};
pub use upsample::{Upsample, UpsampleMode, UpsampleTo};
