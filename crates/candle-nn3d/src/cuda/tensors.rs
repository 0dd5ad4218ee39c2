//! From candle's tensors to a machine's arrays and back.

use std::ops::Deref;

use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Layout, Result, Shape, Storage, Tensor};

use super::gpu::Gpu;
use super::machine::{Slice, Stored};
use crate::error::Error;

/// A tensor's numbers on a device.
pub(crate) type Operand<'a> = (&'a CudaStorage, &'a Layout);

/// The numbers of a contiguous operand.
pub(crate) fn slice<'a, T: Stored>(
    op: &'static str,
    (storage, layout): Operand<'a>,
) -> Result<Slice<'a, Gpu, T>> {
    let array = T::as_cuda_slice(storage)?;
    let part = layout.contiguous_offsets().and_then(|(a, b)| Slice::part(array, a..b));
    part.ok_or_else(|| {
        Error::gpu(op, format!("{layout:?} is not contiguous"), "call contiguous() before").into()
    })
}

/// What `run` makes of tensors on one device, off every tape: gradients are made so.
///
/// # Errors
/// [`Error::Gpu`] where a tensor is on another device, and those of `run`.
pub(crate) fn compute<const N: usize>(
    op: &'static str,
    tensors: [&Tensor; N],
    run: impl FnOnce(&Gpu, [Operand<'_>; N]) -> Result<(CudaStorage, Shape)>,
) -> Result<Tensor> {
    let held = tensors.map(Tensor::storage_and_layout);
    let (storage, shape) = with_operands(op, &held, run)?;
    Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
}

/// An array as a tensor, off every tape.
pub(crate) fn tensor<T: Stored>(gpu: &Gpu, array: CudaSlice<T>, shape: &Shape) -> Tensor {
    let storage = Storage::Cuda(gpu.storage(array));
    Tensor::from_storage(storage, shape, BackpropOp::none(), false)
}

/// `run` on what a tape holds; as [`compute`].
pub(crate) fn with_operands<const N: usize, S: Deref<Target = Storage>, R>(
    op: &'static str,
    held: &[(S, &Layout); N],
    run: impl FnOnce(&Gpu, [Operand<'_>; N]) -> Result<R>,
) -> Result<R> {
    let mut operands = Vec::with_capacity(N);
    for held in held {
        operands.push(operand(op, held)?);
    }
    match <[Operand<'_>; N]>::try_from(operands) {
        Ok(operands) if N > 0 => run(&Gpu::of(operands[0].0), operands),
        _ => Err(Error::gpu(op, "no tensors".into(), "this is a defect of candle-nn3d").into()),
    }
}

/// What a tensor holds, if it is on a GPU.
pub(crate) fn operand<'a, S: Deref<Target = Storage>>(
    op: &'static str,
    (storage, layout): &'a (S, &'a Layout),
) -> Result<Operand<'a>> {
    match &**storage {
        Storage::Cuda(storage) => Ok((storage, layout)),
        other => {
            let problem = format!("a tensor is on {:?}", other.device());
            Err(Error::gpu(op, problem, "move all of its tensors to one device").into())
        }
    }
}
