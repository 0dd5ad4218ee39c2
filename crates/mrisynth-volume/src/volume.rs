//! Voxels with their geometry: [`Volume`] and [`LabelMap`].

use ndarray::{ArrayView3, ArrayViewMut3, ShapeBuilder};

use crate::affine::Affine;
use crate::error::{Error, Result};
use crate::geometry::Geometry;

/// Voxels and where they lie. Intensities are `Volume<f32>`, which `Volume` means by default.
///
/// Voxels stand in file order, x fastest: voxel `(x, y, z)` is at `x + nx·(y + ny·z)`. Nobody but
/// [`reorient`](crate::Regrid) changes that order. [`array`](Self::array) shows the same memory as
/// an ndarray indexed `[[x, y, z]]`, as nibabel does.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T = f32> {
    geometry: Geometry,
    voxels: Vec<T>,
}

/// Integer labels with their geometry, one structure per value; 0 is background.
///
/// A type of its own: whatever interpolates intensities takes a [`Volume`] and refuses this one, so
/// nobody makes a label 2.5 of a 2 and a 3. Labels are resampled by [`LabelInterpolation`]
/// (nearest or a vote) alone.
///
/// [`LabelInterpolation`]: crate::LabelInterpolation
pub type LabelMap = Volume<i32>;

impl<T> Volume<T> {
    /// Joins voxels, x fastest, with their geometry.
    ///
    /// # Errors
    /// [`Error::Shape`] when their number is not that of the geometry.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Volume};
    /// let geometry = Geometry::new([2, 1, 2], Affine::identity())?;
    /// let volume = Volume::new(vec![1.0, 2.0, 3.0, 4.0], geometry)?;
    /// assert_eq!(volume.array()[[1, 0, 0]], 2.0);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn new(voxels: Vec<T>, geometry: Geometry) -> Result<Self> {
        if voxels.len() == geometry.n_voxels() {
            return Ok(Self { geometry, voxels });
        }
        Err(Error::Shape {
            what: "the voxel buffer",
            expected: geometry.shape().to_vec(),
            found: vec![voxels.len()],
        })
    }

    /// Fills a grid with the value of a function of the voxel index.
    #[must_use]
    pub fn from_fn(geometry: Geometry, mut value: impl FnMut([usize; 3]) -> T) -> Self {
        let [nx, ny, nz] = geometry.shape();
        let mut voxels = Vec::with_capacity(geometry.n_voxels());
        for z in 0..nz {
            for y in 0..ny {
                voxels.extend((0..nx).map(|x| value([x, y, z])));
            }
        }
        Self { geometry, voxels }
    }

    /// Copies an array indexed `[[x, y, z]]`, of any memory order.
    ///
    /// # Errors
    /// [`Error::Argument`] when an axis of the array has no voxels.
    pub fn from_array(array: ArrayView3<'_, T>, voxel_to_world: Affine) -> Result<Self>
    where
        T: Clone,
    {
        let geometry = Geometry::new(array.dim().into(), voxel_to_world)?;
        // Reversed axes iterate x fastest.
        let voxels = array.reversed_axes().iter().cloned().collect();
        Ok(Self { geometry, voxels })
    }

    /// Where the voxels lie.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All voxels, x fastest.
    #[must_use]
    pub fn voxels(&self) -> &[T] {
        &self.voxels
    }

    /// All voxels, x fastest, to be changed in place.
    #[must_use]
    pub fn voxels_mut(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    /// Gives up the geometry.
    #[must_use]
    pub fn into_voxels(self) -> Vec<T> {
        self.voxels
    }

    /// The voxels as an array indexed `[[x, y, z]]` (Fortran order, no copy).
    ///
    /// # Panics
    /// Never: the number of voxels is checked when the volume is made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the number of voxels is an invariant of the type")]
    pub fn array(&self) -> ArrayView3<'_, T> {
        ArrayView3::from_shape(self.geometry.shape().f(), &self.voxels).expect("checked when made")
    }

    /// The voxels as an array indexed `[[x, y, z]]`, to be changed in place.
    ///
    /// # Panics
    /// Never: the number of voxels is checked when the volume is made.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the number of voxels is an invariant of the type")]
    pub fn array_mut(&mut self) -> ArrayViewMut3<'_, T> {
        ArrayViewMut3::from_shape(self.geometry.shape().f(), &mut self.voxels)
            .expect("checked when made")
    }

    /// The same grid with each voxel replaced.
    #[must_use]
    pub fn map<U>(&self, value: impl FnMut(&T) -> U) -> Volume<U> {
        Volume { geometry: self.geometry, voxels: self.voxels.iter().map(value).collect() }
    }

    /// Other voxels on the same grid; their number was taken from this one's.
    pub(crate) fn with_voxels<U>(&self, voxels: Vec<U>) -> Volume<U> {
        debug_assert_eq!(voxels.len(), self.voxels.len());
        Volume { geometry: self.geometry, voxels }
    }

    /// Refuses another grid than this volume's, under the name of the argument that lies on it.
    pub(crate) fn check_same_grid(&self, field: &'static str, other: &Geometry) -> Result<()> {
        /// Affines stored as `f32`, or as quaternions, differ by less.
        const TOLERANCE_MM: f64 = 0.01;
        let own = self.geometry();
        if own.shape() != other.shape() {
            let (expected, found) = (own.shape().to_vec(), other.shape().to_vec());
            return Err(Error::Shape { what: field, expected, found });
        }
        if own.matches(other, TOLERANCE_MM) {
            return Ok(());
        }
        Err(Error::Argument {
            field,
            found: format!("on another grid, with the affine {:?}", other.voxel_to_world().rows()),
            expected: format!("the volume's affine {:?}", own.voxel_to_world().rows()),
        })
    }

    /// The same voxels said to lie elsewhere, as after a registration.
    ///
    /// # Errors
    /// [`Error::Shape`] when the other geometry has another shape.
    pub fn with_geometry(self, geometry: Geometry) -> Result<Self> {
        if geometry.shape() == self.geometry.shape() {
            return Ok(Self { geometry, voxels: self.voxels });
        }
        Err(Error::Shape {
            what: "the new geometry",
            expected: self.geometry.shape().to_vec(),
            found: geometry.shape().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voxels_stand_x_fastest() {
        let geometry = Geometry::new([2, 3, 4], Affine::identity()).unwrap();
        let volume = Volume::from_fn(geometry, |[x, y, z]| (x + 10 * y + 100 * z) as f32);
        assert_eq!(volume.voxels()[..3], [0.0, 1.0, 10.0]);
        assert_eq!(volume.array()[[1, 2, 3]], 321.0);
        let copied = Volume::from_array(volume.array(), Affine::identity()).unwrap();
        assert_eq!(copied, volume);
        let row_major = volume.array().as_standard_layout().into_owned();
        assert_eq!(Volume::from_array(row_major.view(), Affine::identity()).unwrap(), volume);
    }

    #[test]
    fn a_buffer_of_the_wrong_size_is_refused() {
        let geometry = Geometry::new([2, 3, 4], Affine::identity()).unwrap();
        assert!(matches!(Volume::new(vec![0.0; 23], geometry), Err(Error::Shape { .. })));
    }
}
