//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod tier;

mod aligned;
pub(crate) mod conv_element;
pub(crate) mod fresh;
pub(crate) mod kept_memory;
pub(crate) mod real;
mod vector;
pub(crate) mod vectorise;

pub(crate) mod conv3d;
pub(crate) mod conv3d_input_gradient;
pub(crate) mod conv3d_reference;
pub(crate) mod conv3d_weight_gradient;
mod gemm;
mod outer_products;

pub(crate) mod activation;
pub(crate) mod channel_sums;
pub(crate) mod elementwise;
pub(crate) mod exponential;
pub(crate) mod grouped_norm;
pub(crate) mod moments;
pub(crate) mod normal;
pub(crate) mod row_norm;

pub(crate) mod attention;
pub(crate) mod attention_backward;
pub(crate) mod attention_forward;
pub(crate) mod linear;
pub(crate) mod panels;
pub(crate) mod softmax;
pub(crate) mod tile;

pub(crate) mod arithmetic;
pub(crate) mod axis_map;
pub(crate) mod channel_bias;
pub(crate) mod channel_slice;
pub(crate) mod dropout;
pub(crate) mod global_mean;
pub(crate) mod loss;
pub(crate) mod max_pool;
pub(crate) mod resample;
pub(crate) mod window;

#[cfg(test)]
mod tests;
