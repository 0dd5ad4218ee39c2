//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod activation;
pub(crate) mod elementwise;
pub(crate) mod exponential;
pub(crate) mod grouped_norm;
pub(crate) mod moments;
pub(crate) mod normal;
pub(crate) mod real;
pub(crate) mod row_norm;
pub(crate) mod tier;
pub(crate) mod vectorise;
