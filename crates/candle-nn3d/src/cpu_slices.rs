//! The elements of contiguous tensors in memory, as slices.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType};

/// The elements of an argument of a custom op.
///
/// # Errors
/// Unless the layout is contiguous and the dtype the slice's.
pub(crate) fn elements<'a, S: WithDType>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [S]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a kernel wants contiguous tensors, not the layout {layout:?}");
    };
    Ok(&S::cpu_storage_as_slice(storage)?[start..end])
}

/// Calls `f` with the elements of each tensor, which is made contiguous first if it is not.
///
/// # Errors
/// Unless all are in memory and of the slices' dtype; and those of `f`.
pub(crate) fn with_elements<const N: usize, S: WithDType, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[S]; N]) -> Result<R>,
) -> Result<R> {
    let mut contiguous = Vec::with_capacity(N);
    for tensor in tensors {
        contiguous.push(tensor.contiguous()?);
    }
    let held: Vec<_> = contiguous.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[S]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("a kernel wants tensors on the CPU");
        };
        *slice = elements(storage, layout)?;
    }
    f(slices)
}
