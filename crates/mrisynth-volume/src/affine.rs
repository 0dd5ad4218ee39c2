//! Affine maps of 3-D space, and the maps from voxel indices to world millimetres.
//!
//! `world = linear · voxel + translation`, world in RAS+ millimetres (x to the right, y to the
//! front, z to the top), as in NIfTI and nibabel. All in `f64`: the stored `f32` of NIfTI-1 are
//! widened, never the other way round, until a file is written.

use nalgebra::{Matrix3, Vector3};
use serde::{Deserialize, Serialize};

/// An invertible affine map of 3-D space: a 4×4 matrix whose last row is `0 0 0 1`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[[f64; 4]; 4]", into = "[[f64; 4]; 4]")]
pub struct Affine {
    linear: Matrix3<f64>,
    translation: Vector3<f64>,
}

/// Why a 4×4 matrix is not an invertible affine map.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AffineFault {
    /// An entry is NaN or infinite, or a column is so long that its square overflows.
    #[error("has a non-finite entry {value} in row {row}, column {column}")]
    NonFinite {
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
        /// The entry.
        value: f64,
    },
    /// The last row is not `0 0 0 1`.
    #[error("has the last row {found:?} where [0, 0, 0, 1] is expected")]
    LastRow {
        /// The row found.
        found: [f64; 4],
    },
    /// A voxel axis has no length, or the three axes do not span space.
    #[error(
        "is singular: column lengths {spacing_mm:?} mm, determinant of unit columns {volume:e}"
    )]
    Singular {
        /// The lengths of the three columns.
        spacing_mm: [f64; 3],
        /// The determinant of the columns scaled to unit length: 0 when they lie in one plane.
        volume: f64,
    },
}

/// Below this the unit columns of an affine are taken to lie in one plane. An oblique scan has 1,
/// the strongest shear of a real scanner about 0.3; `f32` rounding of a planar set leaves 1e-7.
const SINGULAR_VOLUME: f64 = 1e-6;

impl Affine {
    /// The identity: voxel indices are millimetres.
    #[must_use]
    pub fn identity() -> Self {
        Self { linear: Matrix3::identity(), translation: Vector3::zeros() }
    }

    /// Checks a 4×4 matrix, given by rows.
    ///
    /// # Errors
    /// [`AffineFault`] when an entry is not finite, the last row is not `0 0 0 1`, or the matrix is
    /// singular.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::Affine;
    /// let rows = [[-1.0, 0.0, 0.0, 90.0], [0.0, 1.0, 0.0, -126.0], [0.0, 0.0, 1.0, -72.0], [0.0, 0.0, 0.0, 1.0]];
    /// let voxel_to_world = Affine::from_rows(rows)?;
    /// assert_eq!(voxel_to_world.apply([90.0, 126.0, 72.0]), [0.0, 0.0, 0.0]);
    /// # Ok::<(), mrisynth_volume::AffineFault>(())
    /// ```
    pub fn from_rows(rows: [[f64; 4]; 4]) -> Result<Self, AffineFault> {
        for (r, row) in rows.iter().enumerate() {
            for (c, &value) in row.iter().enumerate() {
                if !value.is_finite() {
                    return Err(AffineFault::NonFinite { row: r, column: c, value });
                }
            }
        }
        if rows[3] != [0.0, 0.0, 0.0, 1.0] {
            return Err(AffineFault::LastRow { found: rows[3] });
        }
        let affine = Self {
            linear: Matrix3::from_fn(|r, c| rows[r][c]),
            translation: Vector3::from_fn(|r, _| rows[r][3]),
        };
        affine.check_invertible()?;
        Ok(affine)
    }

    /// Builds the map from the columns of its linear part and its translation.
    ///
    /// # Errors
    /// As [`Affine::from_rows`].
    pub fn from_columns(
        columns: [[f64; 3]; 3],
        translation: [f64; 3],
    ) -> Result<Self, AffineFault> {
        let row = |r: usize| [columns[0][r], columns[1][r], columns[2][r], translation[r]];
        Self::from_rows([row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]])
    }

    /// An axis-aligned RAS+ map with this spacing whose voxel (0, 0, 0) lies at `origin_mm`.
    ///
    /// # Errors
    /// [`AffineFault`] when a spacing is zero or not finite. A negative spacing flips its axis.
    pub fn from_spacing_mm(spacing_mm: [f64; 3], origin_mm: [f64; 3]) -> Result<Self, AffineFault> {
        let [x, y, z] = spacing_mm;
        Self::from_columns([[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]], origin_mm)
    }

    fn check_invertible(&self) -> Result<(), AffineFault> {
        let spacing_mm = self.spacing_mm();
        if let Some(column) = spacing_mm.iter().position(|s| !s.is_finite()) {
            return Err(AffineFault::NonFinite { row: 0, column, value: spacing_mm[column] });
        }
        let units = Matrix3::from_fn(|r, c| self.linear[(r, c)] / spacing_mm[c]);
        let volume = units.determinant();
        // Written so that NaN (a column of length zero) is refused too; so is a matrix whose
        // inverse is beyond the range of f64.
        let inverse_is_finite =
            self.linear.try_inverse().is_some_and(|m| m.iter().all(|value| value.is_finite()));
        if volume.abs() >= SINGULAR_VOLUME && inverse_is_finite {
            Ok(())
        } else {
            Err(AffineFault::Singular { spacing_mm, volume })
        }
    }

    /// The 4×4 matrix by rows.
    #[must_use]
    pub fn rows(&self) -> [[f64; 4]; 4] {
        let (m, t) = (&self.linear, &self.translation);
        let row = |r: usize| [m[(r, 0)], m[(r, 1)], m[(r, 2)], t[r]];
        [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]]
    }

    /// Column `axis` of the linear part: the world step of one voxel along that axis.
    #[must_use]
    pub fn column(&self, axis: usize) -> [f64; 3] {
        self.linear.column(axis).into_owned().into()
    }

    /// The image of the origin.
    #[must_use]
    pub fn translation(&self) -> [f64; 3] {
        self.translation.into()
    }

    /// The linear part, for the linear algebra inside this crate.
    pub(crate) fn linear(&self) -> &Matrix3<f64> {
        &self.linear
    }

    /// The lengths of the columns: voxel sizes in millimetres of a voxel-to-world map.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|c| self.linear.column(c).norm())
    }

    /// The image of a point.
    #[must_use]
    pub fn apply(&self, point: [f64; 3]) -> [f64; 3] {
        (self.linear * Vector3::from(point) + self.translation).into()
    }

    /// The map that undoes this one.
    ///
    /// # Panics
    /// Never: every `Affine` was checked to be invertible when it was made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "invertibility is an invariant of the type")]
    pub fn inverse(&self) -> Self {
        let linear = self.linear.try_inverse().expect("checked when made");
        Self { linear, translation: -(linear * self.translation) }
    }

    /// `self ∘ inner`: first `inner`, then `self`.
    #[must_use]
    pub fn compose(&self, inner: &Self) -> Self {
        Self {
            linear: self.linear * inner.linear,
            translation: self.linear * inner.translation + self.translation,
        }
    }

    /// The same linear part with the origin of voxel indices moved to voxel `start`.
    #[must_use]
    pub fn with_origin_at_voxel(&self, start: [f64; 3]) -> Self {
        Self { linear: self.linear, translation: self.apply(start).into() }
    }

    /// The largest absolute difference between entries of the two matrices.
    #[must_use]
    pub fn max_abs_difference(&self, other: &Self) -> f64 {
        let linear = (self.linear - other.linear).abs().max();
        let translation = (self.translation - other.translation).abs().max();
        linear.max(translation)
    }
}

impl TryFrom<[[f64; 4]; 4]> for Affine {
    type Error = AffineFault;

    fn try_from(rows: [[f64; 4]; 4]) -> Result<Self, AffineFault> {
        Self::from_rows(rows)
    }
}

impl From<Affine> for [[f64; 4]; 4] {
    fn from(affine: Affine) -> Self {
        affine.rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Affine {
        Affine::from_rows([
            [-0.92, 0.11, 0.35, 88.5],
            [0.05, 1.04, -0.62, -101.25],
            [0.21, 0.33, 2.05, -60.0],
            [0.0, 0.0, 0.0, 1.0],
        ])
        .unwrap()
    }

    #[test]
    fn affine_times_inverse_is_identity() {
        let product = oblique().compose(&oblique().inverse());
        assert!(product.max_abs_difference(&Affine::identity()) < 1e-13);
    }

    #[test]
    fn rows_round_trip_exactly() {
        assert_eq!(Affine::from_rows(oblique().rows()).unwrap(), oblique());
    }

    #[test]
    fn refused_matrices_say_why() {
        let mut rows = oblique().rows();
        rows[1][2] = f64::NAN;
        assert!(matches!(
            Affine::from_rows(rows),
            Err(AffineFault::NonFinite { row: 1, column: 2, .. })
        ));
        let mut rows = oblique().rows();
        rows[3][0] = 1.0;
        assert!(matches!(Affine::from_rows(rows), Err(AffineFault::LastRow { .. })));
        let planar =
            Affine::from_columns([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], [0.0; 3]);
        assert!(matches!(planar, Err(AffineFault::Singular { .. })));
        for bad in [0.0, f64::NAN, f64::INFINITY, 1e200, 1e-200] {
            assert!(Affine::from_spacing_mm([1.0, bad, 1.0], [0.0; 3]).is_err(), "{bad}");
        }
    }

    #[test]
    fn moving_the_origin_keeps_points_in_place() {
        let moved = oblique().with_origin_at_voxel([3.0, -2.0, 7.5]);
        let (a, b) = (moved.apply([1.0, 2.0, 3.0]), oblique().apply([4.0, 0.0, 10.5]));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
    }
}
