//! The commonest moves, by one call each. For a result that is to be put back, keep a [`Regrid`].

use super::{LabelResampling, Regrid, Resampling};
use crate::datatype::Sample;
use crate::error::Result;
use crate::geometry::{Geometry, VoxelBox};
use crate::image::Image;
use crate::orientation::Orientation;
use crate::volume::{LabelMap, Volume};

impl<T: Sample> Volume<T> {
    /// The same voxels with their axes permuted and flipped to `orientation`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Orientation, Volume};
    /// let las = Affine::from_spacing_mm([-1.0, 1.0, 1.0], [1.0, 0.0, 0.0])?;
    /// let volume = Volume::new(vec![7_u8, 8], Geometry::new([2, 1, 1], las)?)?;
    /// assert_eq!(volume.reorient(Orientation::RAS)?.voxels(), [8, 7]);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn reorient(&self, orientation: Orientation) -> Result<Self> {
        self.copied_to(self.geometry().reoriented(orientation))
    }

    /// The voxels of a box; where it reaches outside the grid, zeros.
    ///
    /// # Errors
    /// As [`Geometry::cropped`], and [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn crop(&self, region: VoxelBox) -> Result<Self> {
        self.copied_to(self.geometry().cropped(region)?)
    }

    /// The grid cut to `shape`, or extended with zeros, around its centre.
    ///
    /// # Errors
    /// As [`Geometry::centre_cropped`], and [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn centre_crop(&self, shape: [usize; 3]) -> Result<Self> {
        self.copied_to(self.geometry().centre_cropped(shape)?)
    }

    fn copied_to(&self, target: Geometry) -> Result<Self> {
        Regrid::new(*self.geometry(), target)?.apply_nearest(self, T::default())
    }
}

impl Volume {
    /// The volume on another grid.
    ///
    /// # Errors
    /// As [`Regrid::new`] and [`Regrid::apply`].
    pub fn resample_to(&self, target: &Geometry, resampling: &Resampling) -> Result<Self> {
        Regrid::new(*self.geometry(), *target)?.apply(self, resampling)
    }
}

impl LabelMap {
    /// The labels on another grid.
    ///
    /// # Errors
    /// As [`Regrid::new`] and [`Regrid::apply_labels`].
    pub fn resample_to(
        &self,
        target: &Geometry,
        resampling: impl Into<LabelResampling>,
    ) -> Result<Self> {
        Regrid::new(*self.geometry(), *target)?.apply_labels(self, resampling)
    }
}

impl Image {
    /// The same image with its axes permuted and flipped to `orientation`; not a bit of a voxel
    /// changes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn reorient(&self, orientation: Orientation) -> Result<Self> {
        self.resample_to(&self.geometry().reoriented(orientation), &Resampling::default())
    }

    /// The voxels of a box in every frame; where it reaches outside the grid, the stored value
    /// nearest to 0.
    ///
    /// # Errors
    /// As [`Geometry::cropped`], and [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn crop(&self, region: VoxelBox) -> Result<Self> {
        self.resample_to(&self.geometry().cropped(region)?, &Resampling::default())
    }

    /// The image on another grid.
    ///
    /// # Errors
    /// As [`Regrid::new`] and [`Regrid::apply_image`].
    pub fn resample_to(&self, target: &Geometry, resampling: &Resampling) -> Result<Self> {
        Regrid::new(*self.geometry(), *target)?.apply_image(self, resampling)
    }
}
