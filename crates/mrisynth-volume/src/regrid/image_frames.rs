//! Resampling of stored images: all frames, keeping the stored bits where voxels are copied.

use super::resampling::{Interpolation, LabelInterpolation, LabelResampling, Resampling};
use super::sampler::{Sampler, zeroed};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::image::{Image, IntoStored, Scaling, StoredVoxels, with_stored};

/// What the buffers are called when there is no memory for them.
const WHAT: &str = "a resampled image";

/// All frames of an image on the target grid of the sampler.
pub(super) fn resample(
    sampler: &Sampler,
    image: &Image,
    target: Geometry,
    resampling: &Resampling,
) -> Result<Image> {
    let (scaling, stored) = if sampler.copies(resampling) {
        let outside =
            (f64::from(resampling.outside) - image.scaling().inter) / image.scaling().slope;
        let copied = with_stored!(image.stored(), voxels => {
            copied(sampler, image, voxels, outside, target)?
        });
        (image.scaling(), copied)
    } else {
        (Scaling::IDENTITY, interpolated(sampler, image, target, resampling)?)
    };
    let resampled = Image::new(target, image.n_frames(), stored, scaling)?;
    Ok(resampled.with_notes(image.notes().clone()).with_warnings(image.warnings().to_vec()))
}

/// All frames of an image of labels on the target grid: of the stored datatype where voxels are
/// copied, else `i32`.
pub(super) fn resample_labels(
    sampler: &Sampler,
    image: &Image,
    target: Geometry,
    how: LabelResampling,
) -> Result<Image> {
    if how.interpolation == LabelInterpolation::Nearest || sampler.map.is_lattice() {
        let nearest = Resampling {
            interpolation: Interpolation::Nearest,
            outside: how.outside as f32,
            ..Resampling::default()
        };
        return resample(sampler, image, target, &nearest);
    }
    let mut out = zeroed(n_target_voxels(image, target)?, WHAT)?;
    for (frame, out) in out.chunks_exact_mut(target.n_voxels()).enumerate() {
        sampler.labels(image.label_map(frame)?.voxels(), how, out);
    }
    let resampled =
        Image::new(target, image.n_frames(), StoredVoxels::I32(out), Scaling::IDENTITY)?;
    Ok(resampled.with_notes(image.notes().clone()).with_warnings(image.warnings().to_vec()))
}

fn copied<T: NearestTo>(
    sampler: &Sampler,
    image: &Image,
    voxels: &[T],
    outside: f64,
    target: Geometry,
) -> Result<StoredVoxels> {
    let mut out = zeroed(n_target_voxels(image, target)?, WHAT)?;
    let frames = voxels.chunks_exact(image.geometry().n_voxels());
    for (frame, out) in frames.zip(out.chunks_exact_mut(target.n_voxels())) {
        sampler.nearest(frame, T::nearest_to(outside), out);
    }
    Ok(T::into_stored(out))
}

fn interpolated(
    sampler: &Sampler,
    image: &Image,
    target: Geometry,
    resampling: &Resampling,
) -> Result<StoredVoxels> {
    let mut out = zeroed(n_target_voxels(image, target)?, WHAT)?;
    for (frame, out) in out.chunks_exact_mut(target.n_voxels()).enumerate() {
        sampler.intensities(image.volume(frame)?.voxels(), resampling, out)?;
    }
    Ok(StoredVoxels::F32(out))
}

fn n_target_voxels(image: &Image, target: Geometry) -> Result<usize> {
    let n = target.n_voxels().checked_mul(image.n_frames());
    n.ok_or(Error::OutOfMemory { what: WHAT, bytes: u64::MAX })
}

/// The conversion of a value to a stored one.
trait NearestTo: IntoStored {
    /// The stored value nearest to a number; 0 for NaN in integers.
    fn nearest_to(value: f64) -> Self;
}

macro_rules! nearest_to {
    ($rounded:expr; $($rust:ident),*) => {$(
        impl NearestTo for $rust {
            fn nearest_to(value: f64) -> Self {
                let rounded: fn(f64) -> f64 = $rounded;
                rounded(value) as $rust // saturates
            }
        }
    )*};
}
nearest_to!(f64::round; u8, i8, u16, i16, u32, i32, u64, i64);
nearest_to!(std::convert::identity; f32, f64);
