//! Moving voxels from one grid to another, and back.
//!
//! One matrix makes both the output grid and the sampling: a [`Regrid`] is two geometries, and
//! every position follows from `target voxel → world → source voxel`, composed once in `f64`.
//! However many steps led to the target grid (reorient, resample, crop, pad), voxels are read once.
//!
//! - Where every target voxel falls on a source voxel (reorient, crop, pad, and their undoing),
//!   voxels are copied, bit for bit, whatever the interpolation. Off by less than 10⁻⁴ voxel
//!   anywhere on the grid counts as falling on it: `f32` affines of files are no better.
//! - A position is inside the field of view when every source index lies within `[−½, n − ½]`: the
//!   outer voxels count to their outer edges, as in ITK. SciPy's `mode='constant'` ends at the
//!   outer voxel *centres*; inside these the two agree.
//! - All is parallel, and the same bits for any number of threads: no voxel of the result depends
//!   on how the work was divided.

mod bspline;
mod gaussian;
mod image_frames;
mod label_vote;
mod oblique;
mod pick;
mod probes;
mod resampling;
mod sampler;
mod separable;
mod shorthand;
mod slab;
mod taps;
mod voxel_map;

use serde::{Deserialize, Serialize};

use crate::affine::Affine;
use crate::datatype::Sample;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::image::Image;
use crate::volume::{LabelMap, Volume};

pub(crate) use gaussian::blur as gaussian_blur;
pub use resampling::{Interpolation, LabelInterpolation, LabelResampling, Resampling};
use sampler::{Sampler, zeroed};

/// Voxels along x, y and z of a source or target grid.
type Shape = [usize; 3];

/// How far a volume's corners may lie from those of the grid it is said to be on, in parts of its
/// smallest voxel size: a file with an `f32` affine is off by up to 10⁻⁴.
const SAME_GRID: f64 = 1e-3;

/// Two grids, between which voxels move: from `source` to `target` by [`apply`](Self::apply), and
/// back by [`undo`](Self::undo).
///
/// It serialises, so a result computed on a model's grid can be put back on the grid of the scan
/// later, elsewhere, by the record alone.
///
/// # Examples
/// ```
/// use mrisynth_volume::{Affine, Geometry, Orientation, Regrid, Resampling, Volume};
/// let affine = Affine::from_spacing_mm([-1.0, 1.0, 1.2], [90.0, -126.0, -72.0])?;
/// let volume = Volume::from_fn(Geometry::new([20, 24, 18], affine)?, |[x, _, _]| x as f32);
/// let scan = *volume.geometry();
/// let grid = scan.reoriented(Orientation::RAS).with_spacing_mm([1.5; 3])?.centre_cropped([16; 3])?;
/// let regrid = Regrid::new(scan, grid)?;
/// let small = regrid.apply(&volume, &Resampling::default())?;
/// let back = regrid.undo(&small, &Resampling::default())?;
/// assert_eq!((*small.geometry(), *back.geometry()), (grid, scan));
/// assert!((back.array()[[10, 12, 9]] - 10.0).abs() < 1e-5);
/// # Ok::<(), mrisynth_volume::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Regrid {
    source: Geometry,
    target: Geometry,
}

impl Regrid {
    /// The move from one grid to another.
    ///
    /// # Errors
    /// [`Error::Argument`] when voxel sizes or distances differ so much that the map between the
    /// grids is not finite.
    pub fn new(source: Geometry, target: Geometry) -> Result<Self> {
        let regrid = Self { source, target };
        for map in [regrid.target_to_source(), regrid.inverse().target_to_source()] {
            if let Some(found) = map.rows().into_iter().flatten().find(|entry| !entry.is_finite()) {
                return Err(Error::Argument {
                    field: "target",
                    found: format!("a grid whose map to the source's voxels has the entry {found}"),
                    expected: "a grid whose map to the source's voxels is finite".into(),
                });
            }
        }
        Ok(regrid)
    }

    /// The grid that voxels come from.
    #[must_use]
    pub fn source(&self) -> &Geometry {
        &self.source
    }

    /// The grid that voxels go to.
    #[must_use]
    pub fn target(&self) -> &Geometry {
        &self.target
    }

    /// The move back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { source: self.target, target: self.source }
    }

    /// The map from voxel indices of the target to (fractional) voxel indices of the source.
    #[must_use]
    pub fn target_to_source(&self) -> Affine {
        voxel_map::target_to_source(&self.source, &self.target)
    }

    /// True when voxels are only copied: every target voxel falls on a source voxel, or outside.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        voxel_map::VoxelMap::between(&self.source, &self.target).is_lattice()
    }

    /// A volume of the source grid, resampled on the target grid.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Argument`] when the volume lies on another grid than the
    /// source; [`Error::OutOfMemory`] when there is none for the result, or for the one temporary
    /// copy that splines, anti-aliasing and permuted axes need.
    pub fn apply(&self, volume: &Volume, resampling: &Resampling) -> Result<Volume> {
        self.check_on_source("the volume", volume.geometry())?;
        let mut voxels = zeroed(self.target.n_voxels(), "a resampled volume")?;
        self.sampler().intensities(volume.voxels(), resampling, &mut voxels)?;
        Volume::new(voxels, self.target)
    }

    /// A volume of the target grid, put back on the source grid.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn undo(&self, volume: &Volume, resampling: &Resampling) -> Result<Volume> {
        self.inverse().apply(volume, resampling)
    }

    /// Labels of the source grid, resampled on the target grid: a [`LabelInterpolation`], or a
    /// [`LabelResampling`] when the label outside the field of view is not 0.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn apply_labels(
        &self,
        labels: &LabelMap,
        resampling: impl Into<LabelResampling>,
    ) -> Result<LabelMap> {
        self.check_on_source("the label map", labels.geometry())?;
        let mut voxels = zeroed(self.target.n_voxels(), "a resampled label map")?;
        self.sampler().labels(labels.voxels(), resampling.into(), &mut voxels);
        Volume::new(voxels, self.target)
    }

    /// Labels of the target grid, put back on the source grid.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn undo_labels(
        &self,
        labels: &LabelMap,
        resampling: impl Into<LabelResampling>,
    ) -> Result<LabelMap> {
        self.inverse().apply_labels(labels, resampling)
    }

    /// All frames of a stored image of the source grid, resampled on the target grid.
    ///
    /// Where voxels are copied ([`is_exact`](Self::is_exact), or nearest neighbours without
    /// anti-aliasing) datatype and scaling stay and not a bit of a voxel changes; `outside` becomes
    /// the stored value nearest to it. Otherwise the result holds the interpolated values as `f32`,
    /// unscaled. Notes and warnings stay.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn apply_image(&self, image: &Image, resampling: &Resampling) -> Result<Image> {
        self.check_on_source("the image", image.geometry())?;
        image_frames::resample(&self.sampler(), image, self.target, resampling)
    }

    /// All frames of a stored image of the target grid, put back on the source grid.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn undo_image(&self, image: &Image, resampling: &Resampling) -> Result<Image> {
        self.inverse().apply_image(image, resampling)
    }

    /// All frames of a stored image whose values are labels, resampled on the target grid.
    ///
    /// Where voxels are copied datatype and scaling stay, as in [`apply_image`](Self::apply_image);
    /// otherwise the result holds the labels as `i32`.
    ///
    /// # Errors
    /// As [`Regrid::apply`], and as [`Image::label_map`] when a value is not a label.
    pub fn apply_label_image(
        &self,
        image: &Image,
        resampling: impl Into<LabelResampling>,
    ) -> Result<Image> {
        self.check_on_source("the image", image.geometry())?;
        image_frames::resample_labels(&self.sampler(), image, self.target, resampling.into())
    }

    /// Voxels of any datatype (masks, indices), each target voxel a copy of the source voxel
    /// nearest to it.
    ///
    /// # Errors
    /// As [`Regrid::apply`].
    pub fn apply_nearest<T: Sample>(&self, volume: &Volume<T>, outside: T) -> Result<Volume<T>> {
        self.check_on_source("the volume", volume.geometry())?;
        let mut voxels = zeroed(self.target.n_voxels(), "a resampled volume")?;
        self.sampler().nearest(volume.voxels(), outside, &mut voxels);
        Volume::new(voxels, self.target)
    }

    fn sampler(&self) -> Sampler {
        Sampler::between(&self.source, &self.target)
    }

    fn check_on_source(&self, what: &'static str, found: &Geometry) -> Result<()> {
        if found.shape() != self.source.shape() {
            let (expected, found) = (self.source.shape().to_vec(), found.shape().to_vec());
            return Err(Error::Shape { what, expected, found });
        }
        let smallest_mm = self.source.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        if found.matches(&self.source, SAME_GRID * smallest_mm) {
            return Ok(());
        }
        Err(Error::Argument {
            field: "affine",
            found: format!("{:?} of {what}", found.voxel_to_world().rows()),
            expected: format!("{:?} of the source grid", self.source.voxel_to_world().rows()),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    source: Geometry,
    target: Geometry,
}

impl TryFrom<Unchecked> for Regrid {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self> {
        Self::new(unchecked.source, unchecked.target)
    }
}

impl From<Regrid> for Unchecked {
    fn from(regrid: Regrid) -> Self {
        Self { source: regrid.source, target: regrid.target }
    }
}

#[cfg(test)]
mod tests;
