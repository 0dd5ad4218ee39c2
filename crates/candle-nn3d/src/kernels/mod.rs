//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod tier;
