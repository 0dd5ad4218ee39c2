//! From candle's untyped storage to slices of the three dtypes that kernels know.

use candle_core::{CpuStorage, Layout, Result};

use crate::channels_last::unknown_dtype;
use crate::kernels::real::Element;

/// Runs an expression with `$t` standing for the element type of a dtype.
macro_rules! by_dtype {
    ($op:expr, $argument:expr, $dtype:expr, $t:ident => $call:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $call
            }
            candle_core::DType::BF16 => {
                type $t = half::bf16;
                $call
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $call
            }
            other => Err($crate::channels_last::unknown_dtype($op, $argument, other)),
        }
    };
}
pub(crate) use by_dtype;

/// The elements of a contiguous argument.
pub(crate) fn elements<'a, T: Element>(
    op: &'static str,
    argument: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [T]> {
    let Ok(all) = storage.as_slice::<T>() else {
        let found = candle_core::backend::BackendStorage::dtype(storage);
        return Err(unknown_dtype(op, argument, found));
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("{op}: {argument} is not contiguous"),
    }
}
