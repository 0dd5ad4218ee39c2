//! The bytes of a file, made block by block from voxels in memory, so that no second copy of a
//! volume is ever held.

use std::ops::Range;

use super::byte_order::ByteOrder;
use crate::datatype::Sample;

/// A number that can be written, and converted to the other nine datatypes.
pub(super) trait Element: Sample {
    /// The least value, in double precision.
    const LEAST: f64;
    /// The greatest value, in double precision.
    const GREATEST: f64;
    /// Rust's `as`: toward zero and saturating for integers, NaN to 0; to nearest for floats.
    fn from_f64(value: f64) -> Self;
    /// Exact for the integers.
    fn to_i128(self) -> i128;
    /// Wraps; exact when the value is in range.
    fn from_i128(value: i128) -> Self;
    /// Writes the number over `size_of::<Self>()` bytes.
    fn put(self, order: ByteOrder, bytes: &mut [u8]);
}

macro_rules! elements {
    ($($rust:ident),*) => {$(
        impl Element for $rust {
            const LEAST: f64 = $rust::MIN as f64;
            const GREATEST: f64 = $rust::MAX as f64;
            #[inline]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline]
            fn to_i128(self) -> i128 {
                self as i128
            }
            #[inline]
            fn from_i128(value: i128) -> Self {
                value as Self
            }
            #[inline]
            fn put(self, order: ByteOrder, bytes: &mut [u8]) {
                bytes.copy_from_slice(&match order {
                    ByteOrder::Little => self.to_le_bytes(),
                    ByteOrder::Big => self.to_be_bytes(),
                });
            }
        }
    )*};
}
elements!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// The same value in another datatype: exact between integers whose ranges hold it, otherwise
/// through `f64`.
#[inline]
pub(super) fn converted<T: Element, U: Element>(sample: T) -> U {
    if T::DATATYPE.is_integer() && U::DATATYPE.is_integer() {
        U::from_i128(sample.to_i128())
    } else {
        U::from_f64(sample.to_f64())
    }
}

/// Writes one number per voxel over `bytes`.
pub(super) fn put_all<T: Element, U: Element>(
    voxels: &[T],
    order: ByteOrder,
    bytes: &mut [u8],
    number: impl Fn(T) -> U,
) {
    let places = bytes.chunks_exact_mut(size_of::<U>());
    debug_assert_eq!(places.len(), voxels.len());
    let pairs = voxels.iter().zip(places);
    // One loop per order, so that each is free of branches.
    match order {
        ByteOrder::Little => pairs.for_each(|(&v, b)| number(v).put(ByteOrder::Little, b)),
        ByteOrder::Big => pairs.for_each(|(&v, b)| number(v).put(ByteOrder::Big, b)),
    }
}

/// Voxel bytes per block, a multiple of every voxel size. Large enough that priming a block with
/// its window costs little, small enough to keep many cores busy with one brain.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// How far back deflate refers to.
pub(super) const WINDOW_BYTES: usize = 32 * 1024;

/// Writes the voxels of an index range over the bytes given.
type EncodeVoxels<'a> = Box<dyn Fn(Range<usize>, &mut [u8]) + Sync + 'a>;

/// A file to be: its header, and how to make any block of its voxels.
pub(super) struct FileBytes<'a> {
    pub(super) header: Vec<u8>,
    pub(super) n_voxels: usize,
    pub(super) voxel_size: usize,
    pub(super) encode: EncodeVoxels<'a>,
}

impl FileBytes<'_> {
    /// The number of blocks; the header goes with the first.
    pub(super) fn n_blocks(&self) -> usize {
        self.n_voxels.div_ceil(self.voxels_per_block()).max(1)
    }

    /// The bytes of one block.
    pub(super) fn block(&self, index: usize) -> Vec<u8> {
        self.block_and_bytes_before(index, 0).0
    }

    /// Up to `before` voxel bytes that precede a block and the block itself; where the block starts.
    pub(super) fn block_and_bytes_before(&self, index: usize, before: usize) -> (Vec<u8>, usize) {
        let first = index * self.voxels_per_block();
        let last = (first + self.voxels_per_block()).min(self.n_voxels);
        let begin = first - (before / self.voxel_size).min(first);
        let mut bytes = if index == 0 { self.header.clone() } else { Vec::new() };
        let voxels_at = bytes.len();
        bytes.resize(voxels_at + (last - begin) * self.voxel_size, 0);
        (self.encode)(begin..last, &mut bytes[voxels_at..]);
        (bytes, (first - begin) * self.voxel_size)
    }

    fn voxels_per_block(&self) -> usize {
        BLOCK_BYTES / self.voxel_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_joined_are_the_file() {
        let voxels: Vec<i32> = (0..200_000).collect();
        let encode: EncodeVoxels<'_> =
            Box::new(|range, out| put_all(&voxels[range], ByteOrder::Big, out, |v| v));
        let file =
            FileBytes { header: b"head".to_vec(), n_voxels: voxels.len(), voxel_size: 4, encode };
        let joined: Vec<u8> = (0..file.n_blocks()).flat_map(|i| file.block(i)).collect();
        let expected: Vec<u8> = voxels.iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(joined[..4], *b"head");
        assert_eq!(joined[4..], expected);
        let (bytes, start) = file.block_and_bytes_before(1, 100);
        assert_eq!((start, &bytes[..]), (100, &expected[BLOCK_BYTES - 100..2 * BLOCK_BYTES]));
    }

    #[test]
    fn integers_beyond_2_to_53_convert_exactly() {
        let odd = (1_u64 << 53) + 1;
        assert_eq!(converted::<u64, i64>(odd), odd as i64);
        assert_eq!(converted::<i64, u64>(i64::MAX), i64::MAX as u64);
        assert_eq!(converted::<f64, i16>(-7.0), -7);
    }
}
