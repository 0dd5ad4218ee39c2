//! Kernels on slices: no tensors here. The only place for `unsafe`.

mod aligned;
pub(crate) mod conv3d;
mod element;
mod gemm;
pub(crate) mod tier;
mod vector;
