//! The arithmetic of convolutions on candle's storage: which kernel computes which dtype.
//!
//! f64 takes the reference kernels. bf16 is widened as the kernels read it, computed in f32 and rounded
//! once; only weights are widened ahead.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Layout, Result};
use half::bf16;
use rayon::prelude::*;

use crate::conv_shape::ConvShape;
use crate::kernels::conv_element::Element;
use crate::kernels::conv3d::{
    Addends, Conv3dAlgorithm, PackedWeights, forward as forward_with, forward_adding,
};
use crate::kernels::conv3d_input_gradient::input_gradient as input_gradient_with;
use crate::kernels::conv3d_weight_gradient::weight_gradient as weight_gradient_with;
use crate::kernels::tier::Tier;
use crate::kernels::{channel_sums as sums, conv3d_reference as reference, fresh};

/// A tensor's values.
pub(super) type Operand<'a> = (&'a CpuStorage, &'a Layout);

pub(super) fn forward(
    shape: &ConvShape,
    algorithm: Conv3dAlgorithm,
    x: Operand<'_>,
    weight: Operand<'_>,
    bias: Option<Operand<'_>>,
) -> Result<CpuStorage> {
    let len = shape.batch * shape.n_out() * shape.c_out;
    if x.0.dtype() == DType::BF16 {
        // The kernel widens x as it reads it, so only the weights are ever f32.
        let bias = bias.map(widened).transpose()?;
        let tier = Tier::current();
        let weights = PackedWeights::temporary(tier, algorithm, shape, &widened(weight)?);
        let y = forward_prepared(shape, x, &weights, bias.as_deref(), None);
        weights.give_back();
        return y;
    }
    computed(
        [x, weight],
        bias,
        len,
        |x, weight, bias, y| pack_and_forward(algorithm, shape, x, weight, bias, y),
        |x, weight, bias, y| reference::forward(shape, x, weight, bias, y),
    )
}

/// [`forward`] with packed weights, whatever the dtype of `x`; a bias may be that of each item.
pub(super) fn forward_prepared(
    shape: &ConvShape,
    (x, layout): Operand<'_>,
    weights: &PackedWeights,
    bias: Option<&[f32]>,
    residual: Option<Operand<'_>>,
) -> Result<CpuStorage> {
    let tier = Tier::current();
    let len = shape.batch * shape.n_out() * shape.c_out;
    match x {
        CpuStorage::BF16(x) => {
            let mut y = fresh::unwritten(len);
            let residual =
                residual.map(|(r, layout)| contiguous(r.as_slice()?, layout)).transpose()?;
            let addends = Addends { bias, residual };
            forward_adding(tier, shape, contiguous(x, layout)?, weights, addends, &mut y);
            Ok(CpuStorage::BF16(y))
        }
        CpuStorage::F32(x) => {
            let mut y = fresh::unwritten(len);
            let residual =
                residual.map(|(r, layout)| contiguous(r.as_slice()?, layout)).transpose()?;
            let addends = Addends { bias, residual };
            forward_adding(tier, shape, contiguous(x, layout)?, weights, addends, &mut y);
            Ok(CpuStorage::F32(y))
        }
        other => Err(unexpected(other.dtype())),
    }
}

pub(super) fn input_gradient(
    shape: &ConvShape,
    algorithm: Conv3dAlgorithm,
    dy: Operand<'_>,
    weight: Operand<'_>,
    bias: Option<Operand<'_>>,
) -> Result<CpuStorage> {
    let len = shape.batch * shape.n_in() * shape.c_in;
    if let CpuStorage::BF16(values) = dy.0 {
        let (weight, bias) = (widened(weight)?, bias.map(widened).transpose()?);
        let (values, bias) = (contiguous(values, dy.1)?, bias.as_deref());
        let mut dx = fresh::unwritten(len);
        input_gradient_with(shape, values, &weight, bias, &mut dx, |shape, x, weight, bias, y| {
            pack_and_forward(algorithm, shape, x, weight, bias, y);
        });
        return Ok(CpuStorage::BF16(dx));
    }
    computed(
        [dy, weight],
        bias,
        len,
        |dy, weight, bias, dx| {
            input_gradient_with(shape, dy, weight, bias, dx, |shape, x, weight, bias, y| {
                pack_and_forward(algorithm, shape, x, weight, bias, y);
            });
        },
        |dy, weight, bias, dx| input_gradient_with(shape, dy, weight, bias, dx, reference::forward),
    )
}

pub(super) fn weight_gradient(
    shape: &ConvShape,
    algorithm: Conv3dAlgorithm,
    x: Operand<'_>,
    dy: Operand<'_>,
) -> Result<CpuStorage> {
    let (tier, len) = (Tier::current(), shape.c_out * shape.c_in_per_group() * shape.n_taps());
    if let (CpuStorage::BF16(of_x), CpuStorage::BF16(of_dy)) = (x.0, dy.0) {
        let (x, dy) = (contiguous(of_x, x.1)?, contiguous(of_dy, dy.1)?);
        let mut dw = fresh::unwritten(len);
        weight_gradient_with(tier, algorithm, shape, x, dy, &mut dw);
        return Ok(CpuStorage::BF16(narrowed(&dw)));
    }
    computed(
        [x, dy],
        None,
        len,
        |x, dy, _, dw| weight_gradient_with(tier, algorithm, shape, x, dy, dw),
        |x, dy, _, dw| reference::weight_gradient(shape, x, dy, dw),
    )
}

/// Sums over the voxels of `[n, voxels, c]`.
pub(super) fn channel_sums(
    (_, voxels, c): (usize, usize, usize),
    (storage, layout): Operand<'_>,
) -> Result<CpuStorage> {
    Ok(match storage {
        CpuStorage::F32(x) => {
            CpuStorage::F32(sums::channel_sums(contiguous(x, layout)?, voxels, c))
        }
        CpuStorage::F64(x) => {
            CpuStorage::F64(sums::channel_sums(contiguous(x, layout)?, voxels, c))
        }
        CpuStorage::BF16(x) => {
            let sums = sums::channel_sums::<f32, _>(contiguous(x, layout)?, voxels, c);
            CpuStorage::BF16(narrowed(&sums))
        }
        other => return Err(unexpected(other.dtype())),
    })
}

fn pack_and_forward<T: Element>(
    algorithm: Conv3dAlgorithm,
    shape: &ConvShape,
    x: &[T],
    weight: &[f32],
    bias: Option<&[f32]>,
    y: &mut [T],
) {
    let tier = Tier::current();
    let weights = PackedWeights::temporary(tier, algorithm, shape, weight);
    forward_with(tier, shape, x, &weights, bias, y);
    weights.give_back();
}

/// Computes `len` numbers from two tensors of f32 or f64 and an optional third.
fn computed(
    [a, b]: [Operand<'_>; 2],
    bias: Option<Operand<'_>>,
    len: usize,
    in_f32: impl Fn(&[f32], &[f32], Option<&[f32]>, &mut [f32]),
    in_f64: impl Fn(&[f64], &[f64], Option<&[f64]>, &mut [f64]),
) -> Result<CpuStorage> {
    match a.0.dtype() {
        DType::F32 => {
            let bias = bias.map(|(t, layout)| contiguous(t.as_slice::<f32>()?, layout));
            let mut out = fresh::unwritten(len);
            let (a, b) = (contiguous(a.0.as_slice()?, a.1)?, contiguous(b.0.as_slice()?, b.1)?);
            in_f32(a, b, bias.transpose()?, &mut out);
            Ok(CpuStorage::F32(out))
        }
        DType::F64 => {
            let bias = bias.map(|(t, layout)| contiguous(t.as_slice::<f64>()?, layout));
            let mut out = fresh::unwritten(len);
            let (a, b) = (contiguous(a.0.as_slice()?, a.1)?, contiguous(b.0.as_slice()?, b.1)?);
            in_f64(a, b, bias.transpose()?, &mut out);
            Ok(CpuStorage::F64(out))
        }
        other => Err(unexpected(other)),
    }
}

fn contiguous<'a, T>(values: &'a [T], layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => candle_core::bail!("conv3d wants contiguous tensors, not {layout:?}"),
    }
}

/// Numbers that one thread converts at a time.
const CHUNK: usize = 1 << 14;

fn widened((storage, layout): Operand<'_>) -> Result<Vec<f32>> {
    let values: &[bf16] = contiguous(storage.as_slice()?, layout)?;
    let mut wide = fresh::unwritten(values.len());
    wide.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(wide, values)| {
        for (wide, value) in wide.iter_mut().zip(values) {
            *wide = value.to_f32();
        }
    });
    Ok(wide)
}

fn narrowed(values: &[f32]) -> Vec<bf16> {
    let mut narrow = fresh::unwritten(values.len());
    narrow.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(narrow, values)| {
        for (narrow, &value) in narrow.iter_mut().zip(values) {
            *narrow = bf16::from_f32(value);
        }
    });
    narrow
}

fn unexpected(dtype: DType) -> candle_core::Error {
    crate::channels_last::unknown_dtype("conv3d", "x", dtype)
}
