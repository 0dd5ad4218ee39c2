//! The numbers of a tensor as one slice.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType};

/// Runs `$body` with the type `$T` that a dtype stands for, or returns the error for others.
macro_rules! for_dtype {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => Err($crate::channels_last::unknown_dtype($op, "x", other)),
        }
    };
}

pub(crate) use for_dtype;

/// The elements of a contiguous tensor, inside an operation.
pub(crate) fn elements<'a, T: WithDType>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a kernel wants a contiguous tensor, got {layout:?}");
    };
    Ok(&T::cpu_storage_as_slice(storage)?[start..end])
}

/// Runs `f` on the elements of a contiguous tensor.
pub(crate) fn with_elements<T: WithDType, R>(
    tensor: &Tensor,
    f: impl FnOnce(&[T]) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("a kernel wants a tensor on the CPU, got {:?}", tensor.device());
    };
    f(elements(storage, layout)?)
}
