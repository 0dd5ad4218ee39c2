//! The rotation of an affine as NIfTI's `qform` stores it: three of the four numbers of a unit
//! quaternion, and the sign `qfac` of the third voxel axis.
//!
//! # Source
//! NIfTI-1 specification, "quaternion representation of rotation matrix"; readers' rules from
//! niftilib (`nifti_quatern_to_mat44`) and nibabel (`fillpositive`). Deviation: of the `f32` numbers
//! near `b, c, d` those are stored from which readers get the best rotation. They recover the fourth
//! number as `a = √(1 − b² − c² − d²)`; near half a turn that amplifies rounding to 3e-4.

use nalgebra::{Matrix3, Quaternion, Rotation3, UnitQuaternion};

use crate::affine::Affine;
use crate::orientation::nearest_orthogonal;

/// What the header says of a rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct QForm {
    /// `quatern_b`, `quatern_c`, `quatern_d`.
    pub(super) bcd: [f64; 3],
    /// `pixdim[0]`: −1 when the third voxel axis is reversed after the rotation.
    pub(super) qfac: f64,
}

/// The largest entry by which rotations may differ and still count as the same: 3 µm over a voxel
/// axis of 256 mm. Scans whose direction cosines were typed with six digits pass, shears do not.
const SAME_ROTATION: f64 = 1e-5;

/// No better rounding is looked for when the rotation is this close already.
const GOOD_ROUNDING: f64 = 1.5e-7;

/// How far from the nearest `f32` numbers better ones are looked for.
const FARTHEST_ROUNDING: f64 = 6e-7;

/// Below this square readers built on niftilib take `a` for 0.
const NIFTILIB_SMALLEST_A_SQUARED: f64 = 1e-7;

impl QForm {
    /// The qform of a voxel-to-world map, as `f32` numbers for NIfTI-1 (`single`) or `f64`; `None`
    /// when no quaternion says the same as the affine, because it shears the voxels or readers
    /// would not agree on the rotation (always within 0.036°, at times within 0.6° of half a turn).
    pub(super) fn of(voxel_to_world: &Affine, single: bool) -> Option<Self> {
        let spacing_mm = voxel_to_world.spacing_mm();
        let linear = voxel_to_world.linear();
        let directions = Matrix3::from_fn(|r, c| linear[(r, c)] / spacing_mm[c]);
        let mut rotation = nearest_orthogonal(&directions);
        let qfac = rotation.determinant().signum();
        rotation.column_mut(2).scale_mut(qfac);
        let bcd = unit_quaternion(&rotation);
        let difference = |bcd| Self { bcd, qfac }.largest_difference(&directions);
        let bcd = if single { best_rounding(bcd, difference) } else { bcd };
        (difference(bcd) <= SAME_ROTATION).then_some(Self { bcd, qfac })
    }

    /// The directions of the voxel axes that a reader gets; it takes `a` for 0 when its square is
    /// below `smallest_a_squared`.
    fn directions(&self, smallest_a_squared: f64) -> Matrix3<f64> {
        let [b, c, d] = self.bcd;
        let a_squared = 1.0 - b * b - c * c - d * d;
        let a = if a_squared < smallest_a_squared { 0.0 } else { a_squared.sqrt() };
        let rotation = UnitQuaternion::from_quaternion(Quaternion::new(a, b, c, d));
        let mut directions = rotation.to_rotation_matrix().into_inner();
        directions.column_mut(2).scale_mut(self.qfac);
        directions
    }

    /// The largest entry by which what nibabel or niftilib would read differs from `directions`.
    fn largest_difference(&self, directions: &Matrix3<f64>) -> f64 {
        [0.0, NIFTILIB_SMALLEST_A_SQUARED]
            .map(|smallest| (self.directions(smallest) - directions).abs().max())
            .into_iter()
            .fold(0.0, f64::max)
    }
}

/// `b, c, d` of a rotation, with `a` not negative.
fn unit_quaternion(rotation: &Matrix3<f64>) -> [f64; 3] {
    // nalgebra divides by the largest of the four numbers, so half turns are as good as any.
    let q = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(*rotation));
    let sign = if q.w < 0.0 { -1.0 } else { 1.0 };
    // Adding 0 turns −0 into 0.
    [sign * q.i + 0.0, sign * q.j + 0.0, sign * q.k + 0.0]
}

/// Of the `f32` numbers around `bcd` those with the least `difference`, the nearest first.
fn best_rounding(bcd: [f64; 3], difference: impl Fn([f64; 3]) -> f64) -> [f64; 3] {
    let mut best = bcd.map(|x| f64::from(x as f32));
    let mut least = difference(best);
    if least <= GOOD_ROUNDING {
        return best;
    }
    let [bs, cs, ds] = bcd.map(neighbours);
    for &b in &bs {
        for &c in &cs {
            for &d in &ds {
                let found = difference([b, c, d]);
                if found < least {
                    (best, least) = ([b, c, d], found);
                }
            }
        }
    }
    best
}

/// The nearest `f32` number and those 1, 2, 4, 8, … further up and down; 0 stays 0. The small steps
/// of a small number and the large ones of a large number together reach most sums of squares.
fn neighbours(x: f64) -> Vec<f64> {
    let nearest = x as f32;
    let mut all = vec![f64::from(nearest)];
    let ulp = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
    let mut step = ulp;
    while nearest != 0.0 && step <= FARTHEST_ROUNDING && step <= ulp * 4096.0 {
        all.extend([step, -step].map(|s| f64::from((f64::from(nearest) + s) as f32)));
        step *= 2.0;
    }
    all
}

#[cfg(test)]
mod tests;
