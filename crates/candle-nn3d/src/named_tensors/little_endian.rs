//! The elements of tensors as little-endian bytes, streamed in pieces.

use std::io::{self, Read, Write};
use std::ops::Range;

use candle_core::{CpuStorage, DType, Device, Result, Tensor};
use half::{bf16, f16};

/// Elements per piece: a buffer that stays in the cache.
const PIECE: usize = 1 << 13;

/// Writes a range of the elements; an error for a dtype without a file form.
pub(super) fn write(
    storage: &CpuStorage,
    range: Range<usize>,
    to: &mut impl Write,
) -> io::Result<()> {
    fn all<T: Copy, const N: usize>(
        elements: &[T],
        encode: impl Fn(T) -> [u8; N],
        to: &mut impl Write,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(N * PIECE);
        elements.chunks(PIECE).try_for_each(|piece| {
            bytes.clear();
            piece.iter().for_each(|&element| bytes.extend_from_slice(&encode(element)));
            to.write_all(&bytes)
        })
    }
    match storage {
        CpuStorage::U8(elements) => to.write_all(&elements[range]),
        CpuStorage::U32(elements) => all(&elements[range], u32::to_le_bytes, to),
        CpuStorage::I16(elements) => all(&elements[range], i16::to_le_bytes, to),
        CpuStorage::I32(elements) => all(&elements[range], i32::to_le_bytes, to),
        CpuStorage::I64(elements) => all(&elements[range], i64::to_le_bytes, to),
        CpuStorage::BF16(elements) => all(&elements[range], bf16::to_le_bytes, to),
        CpuStorage::F16(elements) => all(&elements[range], f16::to_le_bytes, to),
        CpuStorage::F32(elements) => all(&elements[range], f32::to_le_bytes, to),
        CpuStorage::F64(elements) => all(&elements[range], f64::to_le_bytes, to),
        _ => Err(io::Error::other("a dtype without a file form")),
    }
}

/// Which elements of what is read make the tensor.
pub(super) enum Elements {
    /// All of them, in order.
    All,
    /// Those at the multi-indices of the shape under these strides.
    Strided(Vec<usize>),
}

/// Reads `count` elements and makes a tensor of them. The caller has checked that so many bytes are
/// there, and that shape and strides stay within them.
pub(super) fn read(
    dtype: DType,
    count: usize,
    shape: &[usize],
    elements: &Elements,
    from: &mut impl Read,
) -> Result<Tensor> {
    macro_rules! tensor {
        ($decode:expr) => {{
            let read = read_all(count, $decode, from)?;
            let chosen = match elements {
                Elements::All => read,
                Elements::Strided(strides) => {
                    offsets(shape, strides).into_iter().map(|offset| read[offset]).collect()
                }
            };
            Tensor::from_vec(chosen, shape, &Device::Cpu)
        }};
    }
    match dtype {
        DType::U8 => tensor!(u8::from_le_bytes),
        DType::U32 => tensor!(u32::from_le_bytes),
        DType::I16 => tensor!(i16::from_le_bytes),
        DType::I32 => tensor!(i32::from_le_bytes),
        DType::I64 => tensor!(i64::from_le_bytes),
        DType::BF16 => tensor!(bf16::from_le_bytes),
        DType::F16 => tensor!(f16::from_le_bytes),
        DType::F32 => tensor!(f32::from_le_bytes),
        DType::F64 => tensor!(f64::from_le_bytes),
        other => candle_core::bail!("{} has no file form", other.as_str()),
    }
}

fn read_all<T, const N: usize>(
    count: usize,
    decode: impl Fn([u8; N]) -> T,
    from: &mut impl Read,
) -> io::Result<Vec<T>> {
    let mut elements = Vec::with_capacity(count);
    let mut bytes = vec![0; N * PIECE.min(count)];
    while elements.len() < count {
        let piece = &mut bytes[..N * PIECE.min(count - elements.len())];
        from.read_exact(piece)?;
        elements.extend(piece.as_chunks::<N>().0.iter().map(|&bytes| decode(bytes)));
    }
    Ok(elements)
}

/// The offset of each element, in C order.
fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let axes = shape.iter().zip(strides);
    axes.fold(vec![0], |offsets, (&length, &stride)| {
        let along = |offset: usize| (0..length).map(move |index| offset + index * stride);
        offsets.into_iter().flat_map(along).collect()
    })
}
