//! Kernels on slices: no tensors here. The only place for `unsafe`.

mod aligned;
pub(crate) mod channel_sums;
pub(crate) mod conv3d;
pub(crate) mod conv3d_input_gradient;
pub(crate) mod conv3d_reference;
pub(crate) mod conv3d_weight_gradient;
mod gemm;
mod outer_products;
pub(crate) mod tier;
mod vector;
