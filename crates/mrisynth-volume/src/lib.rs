//! 3-D brain MRI with its geometry: read, regrid and write without losing where a voxel lies.
//!
//! - [`Image`] is a file in memory, as stored: datatype, scaling, frames.
//! - [`Volume`] is intensities with a [`Geometry`], [`LabelMap`] labels with one.
//! - A [`Geometry`] is a shape and an [`Affine`] from voxel indices to RAS+ millimetres. New grids
//!   are derived from it without touching a voxel.
//! - A [`Regrid`] moves voxels from one grid to another, and back.
//! - A [`Deformation`] moves what they show, smoothly and invertibly.
//!
//! World millimetres are RAS+. Voxels keep their stored order (x, y, z), x fastest in memory, until
//! somebody reorients them.
//!
//! ```
//! use mrisynth_volume::{Affine, Geometry, Orientation, Regrid, Resampling, Volume};
//! let affine = Affine::from_spacing_mm([-1.0, 1.0, 1.2], [90.0, -126.0, -72.0])?; // LAS
//! let volume = Volume::from_fn(Geometry::new([20, 24, 18], affine)?, |[x, _, _]| x as f32);
//! let scan = *volume.geometry();
//! let grid = scan.reoriented(Orientation::RAS).with_spacing_mm([1.5; 3])?.centre_cropped([16; 3])?;
//! let regrid = Regrid::new(scan, grid)?;
//! let small = regrid.apply(&volume, &Resampling::default())?;
//! let back = regrid.undo(&small, &Resampling::default())?;
//! assert_eq!((*small.geometry(), *back.geometry()), (grid, scan));
//! assert!((back.array()[[10, 12, 9]] - 10.0).abs() < 1e-5);
//! # Ok::<(), mrisynth_volume::Error>(())
//! ```

mod affine;
mod orientation;

mod geometry;
mod grid_request;
mod volume;

mod datatype;
mod image;
mod voxel_value;

mod file;

mod regrid;

mod bounding_box;
mod intensity;
mod statistics;
mod summary;

pub mod freesurfer;
mod label_map;

mod label_like;

mod deformation;

mod error;

pub use affine::{Affine, AffineFault};
pub use datatype::{Datatype, Sample};
pub use deformation::Deformation;
pub use error::{Error, FileFault, Result};
pub use file::{FileFormat, ReadOptions, WriteOptions};
pub use geometry::{Geometry, MAX_DERIVED_VOXELS, VoxelBox};
pub use grid_request::GridRequest;
pub use image::{HeaderNotes, Image, Scaling, StoredVoxels, Warning};
pub use intensity::{
    IntensityMap, LinearMap, OutsideMask, PercentileRescale, Rescale, SliceMinMax, VoxelSelection,
    ZScore,
};
pub use label_map::{Component, Components, Connectivity, Unlisted};
pub use orientation::{Direction, Orientation};
pub use regrid::{Interpolation, LabelInterpolation, LabelResampling, Regrid, Resampling};
pub use statistics::Statistics;
pub use summary::Summary;
pub use volume::{LabelMap, Volume};
pub use voxel_value::VoxelValue;
