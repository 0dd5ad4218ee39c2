//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod channel_sums;
pub(crate) mod conv3d_input_gradient;
pub(crate) mod conv3d_reference;
pub(crate) mod conv3d_weight_gradient;
pub(crate) mod outer_products;
pub(crate) mod tier;
