//! Nearest, linear and cubic sampling at a point; the vote among labels is in `label_vote`.

use super::Shape;
use super::oblique::{FixedPoint, Probe, fraction, shifted, voxel};
use super::taps::{cubic, cubic_weights, linear, mirrored, weigh};
use super::voxel_map::{ROUNDING, nearest_index};

/// Voxels in memory, x fastest.
#[derive(Clone, Copy)]
pub(super) struct Grid<'a, T> {
    pub(super) voxels: &'a [T],
    pub(super) shape: Shape,
}

impl<T> Grid<'_, T> {
    /// Where a voxel stands in memory.
    #[inline(always)]
    pub(super) fn offset(&self, [x, y, z]: [usize; 3]) -> usize {
        x + self.shape[0] * (y + self.shape[1] * z)
    }

    /// The steps in memory from one voxel to the next along each axis.
    #[inline(always)]
    pub(super) fn strides(&self) -> [usize; 3] {
        [1, self.shape[0], self.shape[0] * self.shape[1]]
    }

    /// The steps from a voxel to its neighbour along each axis: none from the last voxel of an
    /// axis, which continues the axis beyond its end.
    pub(super) fn steps_from(&self, voxel: [usize; 3]) -> [usize; 3] {
        let strides = self.strides();
        [0, 1, 2].map(|s| if voxel[s] + 1 < self.shape[s] { strides[s] } else { 0 })
    }
}

/// The nearest voxel.
pub(super) struct Nearest<'a, T>(pub(super) Grid<'a, T>);

impl<T: Copy + Sync> Probe<T> for Nearest<'_, T> {
    const MARGIN: f64 = 0.0;

    fn at(&self, point: [f64; 3]) -> T {
        let nearest = std::array::from_fn(|s| nearest_index(point[s], self.0.shape[s]));
        self.0.voxels[self.0.offset(nearest)]
    }

    #[inline(always)]
    fn at_interior(&self, point: FixedPoint) -> T {
        self.0.voxels[self.0.offset(voxel(shifted(point, 0.5 + ROUNDING)))]
    }
}

/// Between the eight voxels around.
pub(super) struct Linear<'a>(pub(super) Grid<'a, f32>);

impl Probe<f32> for Linear<'_> {
    const MARGIN: f64 = 0.0;

    fn at(&self, point: [f64; 3]) -> f32 {
        let taps = [0, 1, 2].map(|s| linear(point[s], self.0.shape[s]));
        let [x, y, z] = taps.map(|taps| taps.weights);
        let voxel = taps.map(|taps| taps.first as usize);
        let (start, [dx, dy, dz]) = (self.0.offset(voxel), self.0.steps_from(voxel));
        let pair = |offset: usize| {
            let at = start + offset;
            weigh([self.0.voxels[at], self.0.voxels[at + dx]], x)
        };
        weigh([weigh([pair(0), pair(dy)], y), weigh([pair(dz), pair(dy + dz)], y)], z)
    }

    #[inline(always)]
    fn at_interior(&self, point: FixedPoint) -> f32 {
        let [x, y, z] = fraction(point).map(|t| [1.0 - t, t]);
        let start = self.0.offset(voxel(point));
        let [_, dy, dz] = self.0.strides();
        let pair = |offset: usize| {
            let pair = &self.0.voxels[start + offset..start + offset + 2];
            weigh([pair[0], pair[1]], x)
        };
        weigh([weigh([pair(0), pair(dy)], y), weigh([pair(dz), pair(dy + dz)], y)], z)
    }
}

/// The cubic B-spline with the coefficients given.
pub(super) struct Cubic<'a>(pub(super) Grid<'a, f32>);

impl Probe<f32> for Cubic<'_> {
    const MARGIN: f64 = 1.0;

    fn at(&self, point: [f64; 3]) -> f32 {
        let taps = [0, 1, 2].map(|s| cubic(point[s], self.0.shape[s]));
        let [x, y, z] = taps.map(|taps| taps.weights);
        let indices = |s: usize| [0, 1, 2, 3].map(|k| mirrored(taps[s].first + k, self.0.shape[s]));
        let [xs, ys, zs] = [indices(0), indices(1), indices(2)];
        let mut sums = [0.0; 4];
        for k in 0..4 {
            for j in 0..4 {
                let weight = y[j] * z[k];
                let start = self.0.offset([0, ys[j], zs[k]]);
                (0..4).for_each(|i| sums[i] += weight * self.0.voxels[start + xs[i]]);
            }
        }
        weigh(sums, x)
    }

    #[inline(always)]
    fn at_interior(&self, point: FixedPoint) -> f32 {
        let [x, y, z] = fraction(point).map(cubic_weights);
        let start = self.0.offset(voxel(point).map(|v| v - 1));
        let [_, dy, dz] = self.0.strides();
        let mut sums = [0.0; 4];
        for k in 0..4 {
            for j in 0..4 {
                let weight = y[j] * z[k];
                let row = start + j * dy + k * dz;
                let values = &self.0.voxels[row..row + 4];
                (0..4).for_each(|i| sums[i] += weight * values[i]);
            }
        }
        weigh(sums, x)
    }
}
