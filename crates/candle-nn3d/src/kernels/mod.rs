//! Kernels on slices: no tensors here. The only place for `unsafe`.

pub(crate) mod attention;
pub(crate) mod attention_backward;
pub(crate) mod attention_forward;
pub(crate) mod element;
pub(crate) mod linear;
pub(crate) mod panels;
pub(crate) mod softmax;
pub(crate) mod softmax_exp;
pub(crate) mod tier;
pub(crate) mod tile;
