//! Chooses the way from source voxels to target voxels, and goes it.

use std::borrow::Cow;

use super::Shape;
use super::label_vote::Vote;
use super::pick::pick;
use super::probes::{Cubic, Grid, Linear, Nearest};
use super::resampling::{Interpolation, LabelInterpolation, LabelResampling, Resampling};
use super::voxel_map::{AlignedMap, VoxelMap, target_to_source};
use super::{bspline, gaussian, oblique, separable, taps};
use crate::error::{Error, Result};
use crate::geometry::Geometry;

/// Everything about a pair of grids that sampling needs.
pub(super) struct Sampler {
    source_shape: Shape,
    target_shape: Shape,
    pub(super) map: VoxelMap,
    /// The blur before shrinking along each source axis, in source voxels.
    blur: [f64; 3],
}

/// A buffer of zeros, as an error rather than an abort when there is no memory for it.
pub(super) fn zeroed<T: bytemuck::Zeroable>(n: usize, what: &'static str) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(n).map_err(|()| {
        let bytes = (n as u64).saturating_mul(size_of::<T>() as u64);
        Error::OutOfMemory { what, bytes }
    })
}

impl Sampler {
    pub(super) fn between(source: &Geometry, target: &Geometry) -> Self {
        let (source_shape, target_shape) = (source.shape(), target.shape());
        let map = VoxelMap::between(source, target);
        let blur = gaussian::standard_deviations(&target_to_source(source, target), source_shape);
        Self { source_shape, target_shape, map, blur }
    }

    /// True when intensities come out as copies of source voxels.
    pub(super) fn copies(&self, resampling: &Resampling) -> bool {
        let nearest = resampling.interpolation == Interpolation::Nearest;
        self.map.is_lattice() || (nearest && !self.blurs(resampling))
    }

    fn blurs(&self, resampling: &Resampling) -> bool {
        resampling.antialias && self.blur != [0.0; 3] && !self.map.is_lattice()
    }

    /// Copies the nearest source voxels.
    pub(super) fn nearest<T: Copy + Send + Sync>(&self, source: &[T], outside: T, out: &mut [T]) {
        let shape = self.source_shape;
        match &self.map {
            VoxelMap::Aligned(map) => pick(source, shape, map, outside, out, self.target_shape),
            VoxelMap::Oblique(rows) => {
                let probe = Nearest(Grid { voxels: source, shape });
                oblique::sample(rows, shape, &probe, outside, (out, self.target_shape));
            }
        }
    }

    /// Resamples labels.
    pub(super) fn labels(&self, source: &[i32], how: LabelResampling, out: &mut [i32]) {
        if how.interpolation == LabelInterpolation::Nearest || self.map.is_lattice() {
            return self.nearest(source, how.outside, out);
        }
        let shape = self.source_shape;
        let probe = Vote(Grid { voxels: source, shape });
        oblique::sample(&self.map.rows(), shape, &probe, how.outside, (out, self.target_shape));
    }

    /// Resamples intensities.
    ///
    /// Besides the target this needs no memory without a filter (the spline's or the blur) and
    /// permutation of axes, else a copy of the source, or of the target where that is smaller.
    pub(super) fn intensities(
        &self,
        source: &[f32],
        resampling: &Resampling,
        out: &mut [f32],
    ) -> Result<()> {
        let outside = resampling.outside;
        if self.copies(resampling) {
            self.nearest(source, outside, out);
            return Ok(());
        }
        let filters =
            self.blurs(resampling) || resampling.interpolation == Interpolation::CubicBSpline;
        match self.map {
            VoxelMap::Oblique(rows) => {
                let source = self.filtered(source, [0, 1, 2], resampling)?;
                self.oblique(&source, &rows, resampling, out);
            }
            VoxelMap::Aligned(map)
                if filters || map.axis == [0, 1, 2] || source.len() <= out.len() =>
            {
                let shape = map.axis.map(|s| self.source_shape[s]);
                let source = self.filtered(source, map.axis, resampling)?;
                let map = map.with_source_permuted();
                aligned((&source, shape), &map, resampling, (out, self.target_shape));
            }
            VoxelMap::Aligned(map) => {
                let mut shape = self.target_shape;
                (0..3).for_each(|t| shape[map.axis[t]] = self.target_shape[t]);
                let mut turned = zeroed(out.len(), "a temporary grid")?;
                let straight = map.with_target_permuted();
                aligned((source, self.source_shape), &straight, resampling, (&mut turned, shape));
                let permutation = AlignedMap::permutation(map.axis);
                pick(&turned, shape, &permutation, outside, out, self.target_shape);
            }
        }
        Ok(())
    }

    /// The source with its axes in the order `axis`, blurred and turned into spline coefficients as
    /// the resampling asks; borrowed when there is nothing to do.
    fn filtered<'a>(
        &self,
        source: &'a [f32],
        axis: [usize; 3],
        resampling: &Resampling,
    ) -> Result<Cow<'a, [f32]>> {
        let blurs = self.blurs(resampling);
        let cubic = resampling.interpolation == Interpolation::CubicBSpline;
        if !blurs && !cubic && axis == [0, 1, 2] {
            return Ok(Cow::Borrowed(source));
        }
        let shape = axis.map(|s| self.source_shape[s]);
        let mut filtered = zeroed(source.len(), "a temporary grid")?;
        let permutation = AlignedMap::permutation(axis);
        pick(source, self.source_shape, &permutation, 0.0, &mut filtered, shape);
        if blurs {
            gaussian::blur(&mut filtered, shape, axis.map(|s| self.blur[s]));
        }
        if cubic {
            bspline::prefilter(&mut filtered, shape);
        }
        Ok(Cow::Owned(filtered))
    }

    fn oblique(&self, source: &[f32], rows: &[[f64; 4]; 3], how: &Resampling, out: &mut [f32]) {
        let shape = self.source_shape;
        let grid = Grid { voxels: source, shape };
        let target = (out, self.target_shape);
        match how.interpolation {
            Interpolation::Nearest => {
                oblique::sample(rows, shape, &Nearest(grid), how.outside, target);
            }
            Interpolation::Linear => {
                oblique::sample(rows, shape, &Linear(grid), how.outside, target);
            }
            Interpolation::CubicBSpline => {
                oblique::sample(rows, shape, &Cubic(grid), how.outside, target);
            }
        }
    }
}

/// Resamples along aligned axes in the same order.
fn aligned(
    (source, shape): (&[f32], Shape),
    map: &AlignedMap,
    how: &Resampling,
    (out, target_shape): (&mut [f32], Shape),
) {
    let target = (&mut *out, target_shape);
    match how.interpolation {
        Interpolation::Nearest => pick(source, shape, map, how.outside, out, target_shape),
        Interpolation::Linear => {
            separable::interpolate((source, shape), map, taps::linear, how.outside, target);
        }
        Interpolation::CubicBSpline => {
            separable::interpolate((source, shape), map, taps::cubic, how.outside, target);
        }
    }
}
