//! The exponential of a velocity field, and the Jacobian of a displacement field, both in voxels.

use nalgebra::Matrix3;
use rayon::prelude::*;

use super::vector_grid::VectorGrid;
use crate::volume::Volume;

/// The longest first step, in voxels. Its square is the order of what the linear first step leaves
/// out, and it keeps that step a homeomorphism for all but wild fields.
const FIRST_STEP: f32 = 0.125;

/// exp(v)(x) − x, by squaring x + v(x) / 2ⁿ, n times.
pub(super) fn exponential(velocity: VectorGrid) -> VectorGrid {
    let longest =
        velocity.vectors().par_iter().map(|v| v.iter().fold(0.0, |m: f32, c| m.max(c.abs())));
    let longest = longest.reduce(|| 0.0, f32::max);
    let mut squarings = 0;
    let mut scale = 1.0;
    while longest * scale > FIRST_STEP {
        squarings += 1;
        scale *= 0.5;
    }
    let mut displacement = velocity.map(|v| v.map(|c| c * scale));
    for _ in 0..squarings {
        displacement = squared(&displacement);
    }
    displacement
}

/// The displacement of φ ∘ φ: u(x) + u(x + u(x)).
fn squared(displacement: &VectorGrid) -> VectorGrid {
    displacement.map_indexed(|voxel| {
        let first = displacement.at(voxel);
        let then = displacement.between([0, 1, 2].map(|a| voxel[a] as f32 + first[a]));
        [0, 1, 2].map(|a| first[a] + then[a])
    })
}

/// det Dφ at every voxel: central differences, one-sided at the border.
pub(super) fn jacobian_determinant(displacement: &VectorGrid) -> Volume {
    let geometry = *displacement.geometry();
    let shape = geometry.shape();
    let of_row = |row: usize| {
        let (y, z) = (row % shape[1], row / shape[1]);
        (0..shape[0]).map(move |x| {
            let voxel = [x, y, z];
            let low = |a: usize| voxel[a].saturating_sub(1);
            let high = |a: usize| (voxel[a] + 1).min(shape[a] - 1);
            determinant(displacement, voxel, low, high)
        })
    };
    let rows: Vec<Vec<f32>> =
        (0..shape[1] * shape[2]).into_par_iter().map(|row| of_row(row).collect()).collect();
    let determinants = rows.concat();
    Volume::from_fn(geometry, |[x, y, z]| determinants[x + shape[0] * (y + shape[1] * z)])
}

/// A voxel around which φ folds: where the determinant is not positive at some corner of one of the
/// eight cells that meet there. Between the corners of a cell, where φ is trilinear, the
/// determinant is a mean of products of the same differences.
pub(super) fn has_fold(displacement: &VectorGrid) -> Option<[usize; 3]> {
    let shape = displacement.geometry().shape();
    let folds = |voxel: [usize; 3]| {
        (0..8).any(|corner| {
            let up = |a: usize| corner >> a & 1 == 1;
            let low = |a: usize| if up(a) { voxel[a] } else { voxel[a].saturating_sub(1) };
            let high = |a: usize| if up(a) { (voxel[a] + 1).min(shape[a] - 1) } else { voxel[a] };
            let positive = determinant(displacement, voxel, low, high) > 0.0;
            !positive // NaN too
        })
    };
    (0..shape[1] * shape[2]).into_par_iter().find_map_first(|row| {
        let (y, z) = (row % shape[1], row / shape[1]);
        (0..shape[0]).map(|x| [x, y, z]).find(|&voxel| folds(voxel))
    })
}

/// det(1 + Du), with differences between the voxels `low(axis)` and `high(axis)`; where these are
/// one voxel, u does not change along the axis.
fn determinant(
    displacement: &VectorGrid,
    voxel: [usize; 3],
    low: impl Fn(usize) -> usize,
    high: impl Fn(usize) -> usize,
) -> f32 {
    let mut jacobian = Matrix3::<f32>::identity();
    for axis in 0..3 {
        let (low, high) = (low(axis), high(axis));
        if low == high {
            continue;
        }
        let (mut before, mut after) = (voxel, voxel);
        (before[axis], after[axis]) = (low, high);
        let (before, after) = (displacement.at(before), displacement.at(after));
        for row in 0..3 {
            jacobian[(row, axis)] += (after[row] - before[row]) / (high - low) as f32;
        }
    }
    jacobian.determinant()
}
