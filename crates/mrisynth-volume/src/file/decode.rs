//! Stored bytes to voxels: one decoder for every datatype, byte order and kind of voxel.

use std::marker::PhantomData;

use super::byte_order::ByteOrder;
use crate::datatype::Sample;
use crate::error::{Error, FileFault};
use crate::image::Scaling;
use crate::voxel_value::VoxelValue;

/// A stored type that can be decoded from bytes.
pub(super) trait Stored: Sample {
    /// Decodes whole samples and hands them to `convert`.
    fn decode<C: Convert<Self>>(
        bytes: &[u8],
        order: ByteOrder,
        convert: &C,
        voxels: &mut Vec<C::Voxel>,
    ) -> Result<(), FileFault>;
}

macro_rules! stored {
    ($($rust:ident),*) => {$(
        impl Stored for $rust {
            fn decode<C: Convert<Self>>(
                bytes: &[u8],
                order: ByteOrder,
                convert: &C,
                voxels: &mut Vec<C::Voxel>,
            ) -> Result<(), FileFault> {
                let (samples, _) = bytes.as_chunks::<{ size_of::<$rust>() }>();
                // Two loops, so that each is one the compiler can vectorise.
                match order {
                    ByteOrder::Little => {
                        convert.extend(samples.iter().map(|b| $rust::from_le_bytes(*b)), voxels)
                    }
                    ByteOrder::Big => {
                        convert.extend(samples.iter().map(|b| $rust::from_be_bytes(*b)), voxels)
                    }
                }
            }
        }
    )*};
}
stored!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// What becomes of stored samples.
pub(super) trait Convert<S> {
    /// What they become.
    type Voxel;
    /// Appends the voxels that these samples become.
    fn extend(
        &self,
        samples: impl ExactSizeIterator<Item = S> + Clone,
        voxels: &mut Vec<Self::Voxel>,
    ) -> Result<(), FileFault>;
}

/// Samples stay as they are.
pub(super) struct AsStored;

impl<S> Convert<S> for AsStored {
    type Voxel = S;

    fn extend(
        &self,
        samples: impl ExactSizeIterator<Item = S> + Clone,
        voxels: &mut Vec<S>,
    ) -> Result<(), FileFault> {
        voxels.extend(samples);
        Ok(())
    }
}

/// Samples become the values they stand for.
pub(super) struct AsValues<V> {
    pub(super) scaling: Scaling,
    /// The shape of the image, to name a voxel that cannot be converted.
    pub(super) shape: [usize; 3],
    pub(super) value: PhantomData<V>,
}

impl<S: Sample, V: VoxelValue> Convert<S> for AsValues<V> {
    type Voxel = V;

    fn extend(
        &self,
        samples: impl ExactSizeIterator<Item = S> + Clone,
        voxels: &mut Vec<V>,
    ) -> Result<(), FileFault> {
        V::extend_with(samples, self.scaling, voxels).map_err(|fault| fault.in_file(self.shape))
    }
}

/// Collects voxels from pieces of bytes that may end in the middle of a sample.
pub(super) struct Decoder<'a, S, C: Convert<S>> {
    order: ByteOrder,
    convert: &'a C,
    voxels: Vec<C::Voxel>,
    /// The first bytes of a sample whose rest comes with the next piece.
    begun: [u8; 8],
    n_begun: usize,
}

impl<'a, S: Stored, C: Convert<S>> Decoder<'a, S, C> {
    /// A decoder of `n_voxels` voxels.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when there is no room for them.
    pub(super) fn new(n_voxels: u64, order: ByteOrder, convert: &'a C) -> Result<Self, Error> {
        let bytes = n_voxels.saturating_mul(size_of::<C::Voxel>() as u64);
        let mut voxels = Vec::new();
        usize::try_from(n_voxels)
            .ok()
            .and_then(|n| voxels.try_reserve_exact(n).ok())
            .ok_or(Error::OutOfMemory { what: "voxels", bytes })?;
        Ok(Self { order, convert, voxels, begun: [0; 8], n_begun: 0 })
    }

    /// Decodes the next piece.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), FileFault> {
        let size = size_of::<S>();
        if self.n_begun > 0 {
            let (rest, after) = bytes.split_at(bytes.len().min(size - self.n_begun));
            self.begun[self.n_begun..][..rest.len()].copy_from_slice(rest);
            self.n_begun += rest.len();
            bytes = after;
            if self.n_begun < size {
                return Ok(());
            }
            self.n_begun = 0;
            S::decode(&self.begun[..size], self.order, self.convert, &mut self.voxels)?;
        }
        let (whole, part) = bytes.split_at(bytes.len() - bytes.len() % size);
        S::decode(whole, self.order, self.convert, &mut self.voxels)?;
        self.begun[..part.len()].copy_from_slice(part);
        self.n_begun = part.len();
        Ok(())
    }

    /// All voxels.
    pub(super) fn finish(self) -> Vec<C::Voxel> {
        self.voxels
    }
}
