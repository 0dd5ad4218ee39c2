//! The operations on NVIDIA GPUs: kernels of our own, compiled at run time, and cuDNN's convolutions.
//!
//! What a family of kernels does on the host (sizes, arguments, which kernel) is written against a
//! [`Machine`](machine::Machine): a GPU, or in tests the emulation of one, so that it is tested
//! without a device. `unsafe` stands in `gpu` and `emulation` alone.

pub(crate) mod attention;
pub(crate) mod channels;
pub(crate) mod combination;
pub(crate) mod concat;
pub(crate) mod convolution;
pub(crate) mod device;
pub(crate) mod dice_cross_entropy;
pub(crate) mod dropout;
pub(crate) mod elementwise;
pub(crate) mod gpu;
pub(crate) mod grouped_norm;
pub(crate) mod in_place;
pub(crate) mod item_channels;
pub(crate) mod launch;
pub(crate) mod layer_norm;
pub(crate) mod layout;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod machine;
pub(crate) mod max_pool;
pub(crate) mod parameters;
pub(crate) mod philox;
pub(crate) mod random;
pub(crate) mod resample;
pub(crate) mod source;
pub(crate) mod sums;
pub(crate) mod tensors;

#[cfg(test)]
pub(crate) mod emulation;
