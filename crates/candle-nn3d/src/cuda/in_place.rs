//! Tensors on a GPU, to be changed where they lie: what `crate::in_place` is for the CPU.

use std::cell::Cell;
use std::marker::PhantomData;

use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CpuStorage, CudaStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor};

use super::gpu::Gpu;
use super::machine::{Number, Slice};
use super::tensors::{operand, slice};
use crate::error::Error;

/// Hands the numbers of a tensor to `pass`.
///
/// # Errors
/// [`Error::Gpu`] for a tensor that is not on a GPU, or is a part of another; those of `pass`.
pub(crate) fn change<T: Number>(
    op: &'static str,
    tensor: &Tensor,
    pass: impl FnOnce(&Gpu, &mut CudaSlice<T>) -> Result<()>,
) -> Result<()> {
    tensor.inplace_op1(&Change { op, pass: Cell::new(Some(pass)), of: PhantomData })
}

/// Hands the numbers of two tensors to `pass`, which changes those of the first.
///
/// # Errors
/// As [`change`].
pub(crate) fn change_with<T: Number>(
    op: &'static str,
    tensor: &Tensor,
    other: &Tensor,
    pass: impl FnOnce(&Gpu, &mut CudaSlice<T>, Slice<'_, Gpu, T>) -> Result<()>,
) -> Result<()> {
    tensor.inplace_op2(other, &ChangeWith { op, pass: Cell::new(Some(pass)), of: PhantomData })
}

/// Hands the numbers of a tensor to `pass`.
///
/// # Errors
/// [`Error::Gpu`] for a tensor that is not on a GPU or not contiguous; those of `pass`.
pub(crate) fn read<T: Number, R>(
    op: &'static str,
    tensor: &Tensor,
    pass: impl FnOnce(&Gpu, Slice<'_, Gpu, T>) -> Result<R>,
) -> Result<R> {
    let held = tensor.storage_and_layout();
    let operand = operand(op, &held)?;
    pass(&Gpu::of(operand.0), slice(op, operand)?)
}

/// The tensor, or a copy of it where it is a part of another: one that can be changed.
pub(crate) fn owned(tensor: Tensor) -> Result<Tensor> {
    let whole = {
        let (storage, layout) = tensor.storage_and_layout();
        match &*storage {
            candle_core::Storage::Cuda(storage) => is_whole(layout, len(storage)),
            _ => true,
        }
    };
    if whole { Ok(tensor) } else { Ok(tensor.force_contiguous()?.detach()) }
}

fn len(storage: &CudaStorage) -> Option<usize> {
    use candle_core::DType;
    use candle_core::backend::BackendStorage;
    match storage.dtype() {
        DType::F32 => storage.as_cuda_slice::<f32>().ok().map(CudaSlice::len),
        DType::F64 => storage.as_cuda_slice::<f64>().ok().map(CudaSlice::len),
        _ => None,
    }
}

fn is_whole(layout: &Layout, len: Option<usize>) -> bool {
    let wanted = layout.contiguous_offsets();
    layout.shape().elem_count() == 0 || len.is_some_and(|len| wanted == Some((0, len)))
}

fn whole<'a, T: Number>(
    op: &'static str,
    storage: &'a mut CudaStorage,
    layout: &Layout,
) -> Result<&'a mut CudaSlice<T>> {
    let array = T::as_cuda_slice_mut(storage)?;
    if is_whole(layout, Some(array.len())) {
        return Ok(array);
    }
    let problem = format!("{layout:?} is a part of {} numbers", array.len());
    Err(Error::gpu(op, problem, "copy the tensor before it is changed").into())
}

struct Change<F, T> {
    op: &'static str,
    pass: Cell<Option<F>>,
    of: PhantomData<T>,
}

struct ChangeWith<F, T> {
    op: &'static str,
    pass: Cell<Option<F>>,
    of: PhantomData<T>,
}

fn elsewhere(op: &'static str) -> Result<()> {
    let problem = "a tensor is on the CPU".to_owned();
    Err(Error::gpu(op, problem, "move all of its tensors to one device").into())
}

impl<T: Number, F: FnOnce(&Gpu, &mut CudaSlice<T>) -> Result<()>> InplaceOp1 for Change<F, T> {
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        elsewhere(self.op)
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let gpu = Gpu::of(storage);
        let array = whole::<T>(self.op, storage, layout)?;
        self.pass.take().map_or(Ok(()), |pass| pass(&gpu, array))
    }
}

impl<T: Number, F> InplaceOp2 for ChangeWith<F, T>
where
    F: FnOnce(&Gpu, &mut CudaSlice<T>, Slice<'_, Gpu, T>) -> Result<()>,
{
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        elsewhere(self.op)
    }

    fn cuda_fwd(
        &self,
        storage: &mut CudaStorage,
        layout: &Layout,
        other: &CudaStorage,
        other_layout: &Layout,
    ) -> Result<()> {
        let gpu = Gpu::of(storage);
        let array = whole::<T>(self.op, storage, layout)?;
        let other = slice(self.op, (other, other_layout))?;
        self.pass.take().map_or(Ok(()), |pass| pass(&gpu, array, other))
    }
}
