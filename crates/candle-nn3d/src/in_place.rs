//! The elements of a tensor as a slice, to change them where they lie.
//!
//! candle's tensors are immutable but for in-place operations; optimisers and averages need a pass
//! over several tensors at once, so the operations here hand the slices to a closure.

use std::cell::Cell;
use std::marker::PhantomData;

use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor, WithDType};

use crate::error::Error;

/// Elements of one task: the same cut for any number of threads.
pub(crate) const CHUNK: usize = 1 << 14;

/// `f32` or `f64`: what parameters, gradients and states are made of.
pub(crate) trait Float: WithDType + Default {
    /// The elements of a storage of this dtype.
    fn elements(storage: &mut CpuStorage) -> Option<&mut [Self]>;
    fn square_root(self) -> Self;
}

impl Float for f32 {
    fn elements(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        if let CpuStorage::F32(elements) = storage { Some(elements) } else { None }
    }

    #[inline(always)]
    fn square_root(self) -> Self {
        self.sqrt()
    }
}

impl Float for f64 {
    fn elements(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        if let CpuStorage::F64(elements) = storage { Some(elements) } else { None }
    }

    #[inline(always)]
    fn square_root(self) -> Self {
        self.sqrt()
    }
}

/// Runs an expression with `$T` being the type of a floating dtype.
macro_rules! with_float {
    ($dtype:expr, $op:literal, $argument:literal, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => Err($crate::in_place::not_a_float($op, $argument, other)),
        }
    };
}
pub(crate) use with_float;

/// The error for a dtype that is neither f32 nor f64.
pub(crate) fn not_a_float(
    op: &'static str,
    argument: &'static str,
    found: DType,
) -> candle_core::Error {
    let (found, expected) = (found.as_str().to_owned(), "f32 or f64".to_owned());
    Error::DType { op, argument, found, expected }.into()
}

/// Hands the elements of a contiguous tensor on the CPU to `pass`.
pub(crate) fn change<T: Float>(
    tensor: &Tensor,
    pass: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<()> {
    tensor.inplace_op1(&Change(Cell::new(Some(pass)), PhantomData))
}

/// Hands the elements of two contiguous tensors of one shape on the CPU to `pass`, which changes
/// those of the first.
pub(crate) fn change_with<T: Float>(
    tensor: &Tensor,
    other: &Tensor,
    pass: impl FnOnce(&mut [T], &[T]) -> Result<()>,
) -> Result<()> {
    tensor.inplace_op2(other, &ChangeWith(Cell::new(Some(pass)), PhantomData))
}

/// Hands the elements of a contiguous tensor on the CPU to `pass`.
pub(crate) fn read<T: Float, R>(tensor: &Tensor, pass: impl FnOnce(&[T]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("this needs a tensor on the CPU, found one on {:?}", tensor.device());
    };
    let elements = T::cpu_storage_as_slice(storage)?;
    Ok(pass(&elements[offsets(layout)?]))
}

struct Change<F, T>(Cell<Option<F>>, PhantomData<T>);
struct ChangeWith<F, T>(Cell<Option<F>>, PhantomData<T>);

impl<T: Float, F: FnOnce(&mut [T]) -> Result<()>> InplaceOp1 for Change<F, T> {
    fn name(&self) -> &'static str {
        "change-in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let dtype = storage_dtype(storage);
        match (self.0.take(), T::elements(storage)) {
            (Some(pass), Some(elements)) => pass(&mut elements[offsets(layout)?]),
            _ => Err(not_a_float("change-in-place", "tensor", dtype)),
        }
    }
}

impl<T: Float, F: FnOnce(&mut [T], &[T]) -> Result<()>> InplaceOp2 for ChangeWith<F, T> {
    fn name(&self) -> &'static str {
        "change-in-place"
    }

    fn cpu_fwd(
        &self,
        storage: &mut CpuStorage,
        layout: &Layout,
        other: &CpuStorage,
        other_layout: &Layout,
    ) -> Result<()> {
        let dtype = storage_dtype(storage);
        let other = T::cpu_storage_as_slice(other)?;
        match (self.0.take(), T::elements(storage)) {
            (Some(pass), Some(elements)) => {
                pass(&mut elements[offsets(layout)?], &other[offsets(other_layout)?])
            }
            _ => Err(not_a_float("change-in-place", "tensor", dtype)),
        }
    }
}

fn storage_dtype(storage: &CpuStorage) -> DType {
    candle_core::backend::BackendStorage::dtype(storage)
}

fn offsets(layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => candle_core::bail!("this needs a contiguous tensor, found {layout:?}"),
    }
}
