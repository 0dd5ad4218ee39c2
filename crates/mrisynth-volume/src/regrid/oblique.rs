//! Interpolation where the axes are at an angle: every target voxel on its own.

use rayon::prelude::*;

use super::separable::Shape;
use super::taps::{cubic, linear, mirrored, weigh};
use super::voxel_map::{is_inside, nearest_index};

/// Target voxels of one parallel task, about.
const TASK_VOXELS: usize = 4096;

/// Fills the target with `value_at` the continuous source index of each voxel, `outside` where that
/// lies outside the field of view.
///
/// Coordinates are computed from the indices, never summed up, so they do not depend on where a
/// task begins.
pub(super) fn sample<T: Copy + Send + Sync>(
    rows: &[[f64; 4]; 3],
    source_shape: Shape,
    outside: T,
    (target, target_shape): (&mut [T], Shape),
    value_at: impl Fn([f64; 3]) -> T + Sync,
) {
    let [nx, ny, _] = target_shape;
    let task_rows = (TASK_VOXELS / nx).max(1);
    target.par_chunks_mut(nx * task_rows).enumerate().for_each(|(task, part)| {
        for (row, out) in part.chunks_mut(nx).enumerate() {
            let row = task * task_rows + row;
            let (y, z) = ((row % ny) as f64, (row / ny) as f64);
            let start = [0, 1, 2].map(|s| rows[s][1] * y + rows[s][2] * z + rows[s][3]);
            for (x, out) in out.iter_mut().enumerate() {
                let point = [0, 1, 2].map(|s| rows[s][0] * x as f64 + start[s]);
                let inside = (0..3).all(|s| is_inside(point[s], source_shape[s]));
                *out = if inside { value_at(point) } else { outside };
            }
        }
    });
}

/// The source voxel nearest to a point inside.
pub(super) fn nearest_at<T: Copy>(source: &[T], shape: Shape, point: [f64; 3]) -> T {
    let [x, y, z] = [0, 1, 2].map(|s| nearest_index(point[s], shape[s]));
    source[x + shape[0] * (y + shape[1] * z)]
}

/// Trilinear interpolation at a point inside.
#[inline]
pub(super) fn linear_at(source: &[f32], shape: Shape, point: [f64; 3]) -> f32 {
    let taps = [0, 1, 2].map(|s| linear(point[s], shape[s]));
    let [x, y, z] = taps.map(|taps| taps.weights);
    let (start, [dx, dy, dz]) = cell(taps.map(|taps| taps.first as usize), shape);
    let pair = |offset: usize| {
        let at = start + offset;
        weigh([source[at], source[at + dx]], x)
    };
    weigh([weigh([pair(0), pair(dy)], y), weigh([pair(dz), pair(dy + dz)], y)], z)
}

/// Where a voxel stands in memory, and the steps to its neighbour along each axis: none from the
/// last voxel of an axis, which continues the axis beyond its end.
#[inline]
pub(super) fn cell(voxel: [usize; 3], shape: Shape) -> (usize, [usize; 3]) {
    let strides = [1, shape[0], shape[0] * shape[1]];
    let start = voxel[0] + strides[1] * voxel[1] + strides[2] * voxel[2];
    (start, [0, 1, 2].map(|s| if voxel[s] + 1 < shape[s] { strides[s] } else { 0 }))
}

/// The cubic B-spline with these coefficients at a point inside.
#[inline]
pub(super) fn cubic_at(coefficients: &[f32], shape: Shape, point: [f64; 3]) -> f32 {
    let taps = [0, 1, 2].map(|s| cubic(point[s], shape[s]));
    let [x, y, z] = taps.map(|taps| taps.weights);
    let interior = (0..3).all(|s| taps[s].first >= 0 && taps[s].first + 4 <= shape[s] as i64);
    let mut sums = [0.0; 4];
    if interior {
        let [x0, y0, z0] = taps.map(|taps| taps.first as usize);
        for k in 0..4 {
            for j in 0..4 {
                let start = x0 + shape[0] * (y0 + j + shape[1] * (z0 + k));
                let weight = y[j] * z[k];
                if let Some(values) = coefficients[start..].first_chunk::<4>() {
                    (0..4).for_each(|i| sums[i] += weight * values[i]);
                }
            }
        }
    } else {
        let indices = |s: usize| [0, 1, 2, 3].map(|k| mirrored(taps[s].first + k, shape[s]));
        let [xs, ys, zs] = [indices(0), indices(1), indices(2)];
        for k in 0..4 {
            for j in 0..4 {
                let start = shape[0] * (ys[j] + shape[1] * zs[k]);
                let weight = y[j] * z[k];
                (0..4).for_each(|i| sums[i] += weight * coefficients[start + xs[i]]);
            }
        }
    }
    weigh(sums, x)
}
