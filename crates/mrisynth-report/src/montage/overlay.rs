//! Labels over a volume, on its grid or on another.

use mrisynth_volume::{Affine, Geometry, LabelMap, Orientation};
use ndarray::ArrayView3;

use super::ras_view;
use crate::error::{Error, Result};
use crate::palette::Palette;

/// Labels to draw over a volume. Label 0 is transparent.
#[derive(Clone, Debug)]
pub struct Overlay<'a> {
    /// The labels, on any grid in the same world space.
    pub labels: &'a LabelMap,
    /// Their colours.
    pub palette: Palette,
    /// From 0, invisible, to 1, hiding the volume.
    pub opacity: f32,
}

impl<'a> Overlay<'a> {
    /// Labels in the colours of [`Palette::for_map`], half transparent.
    #[must_use]
    pub fn new(labels: &'a LabelMap) -> Self {
        Self { labels, palette: Palette::for_map(labels), opacity: 0.5 }
    }
}

/// Finds the label at a point of a volume's RAS grid.
pub(super) struct LabelSampler<'a> {
    labels: ArrayView3<'a, i32>,
    /// From the RAS grid of the volume to that of the labels; `None` where they are the same, so
    /// that no rounding error can move a pixel to the next voxel.
    to_labels: Option<Affine>,
    palette: &'a Palette,
    opacity: f32,
}

/// Grids whose corners are closer than this part of a voxel are the same grid.
const SAME_GRID_VOXELS: f64 = 0.01;

impl<'a> LabelSampler<'a> {
    pub(super) fn new(overlay: &'a Overlay<'_>, ras: &Geometry) -> Result<Self> {
        if !(0.0..=1.0).contains(&overlay.opacity) {
            return Err(Error::argument("opacity", overlay.opacity, "a number from 0 to 1"));
        }
        let grid = overlay.labels.geometry().reoriented(Orientation::RAS);
        let finest_mm = grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        let same = grid.matches(ras, SAME_GRID_VOXELS * finest_mm);
        let to_labels = (!same).then(|| grid.world_to_voxel().compose(ras.voxel_to_world()));
        let labels = ras_view(overlay.labels);
        Ok(Self { labels, to_labels, palette: &overlay.palette, opacity: overlay.opacity })
    }

    /// The label of the voxel that contains a point of the volume's RAS grid; 0 outside.
    pub(super) fn label_at(&self, index: [f64; 3]) -> i32 {
        let index = self.to_labels.map_or(index, |map| map.apply(index));
        // A negative index would be cast to 0, so it is refused first; NaN is, too.
        let nearest = index.map(|i| (i + 0.5).floor());
        if nearest.iter().all(|&i| i >= 0.0) {
            self.labels.get(nearest.map(|i| i as usize)).copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// The colour of a label over a colour.
    pub(super) fn blend(&self, below: [u8; 3], label: i32) -> [u8; 3] {
        let above = self.palette.colour(label);
        std::array::from_fn(|c| {
            let (below, above) = (f32::from(below[c]), f32::from(above[c]));
            (below + self.opacity * (above - below)).round() as u8
        })
    }
}
