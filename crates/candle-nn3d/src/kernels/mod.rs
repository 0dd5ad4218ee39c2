//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod arithmetic;
pub(crate) mod axis_map;
pub(crate) mod channel_slice;
pub(crate) mod dropout;
pub(crate) mod global_mean;
pub(crate) mod loss;
pub(crate) mod max_pool;
pub(crate) mod real;
pub(crate) mod resample;
pub(crate) mod tier;
pub(crate) mod vectorise;
pub(crate) mod window;

#[cfg(test)]
mod tests;
