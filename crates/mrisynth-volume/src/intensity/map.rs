//! The record of a rescaling: what to apply to intensities, and how to undo it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::check_axis;
use crate::error::{Error, Result};
use crate::volume::Volume;

/// `result = slope · value + offset`, then limited to `clip`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearMap {
    /// The factor.
    pub slope: f64,
    /// The offset.
    pub offset: f64,
    /// The ends that results are limited to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<[f64; 2]>,
}

impl LinearMap {
    /// The map that takes the interval `from` to the interval `to`, without clipping. An interval
    /// of length 0 is taken to have length 1, so that the map can be inverted.
    pub(super) fn between(from: [f64; 2], to: [f64; 2]) -> Self {
        let extent = if from[1] > from[0] { from[1] - from[0] } else { 1.0 };
        let slope = (to[1] - to[0]) / extent;
        Self { slope, offset: to[0] - from[0] * slope, clip: None }
    }

    /// The result for one value; NaN stays NaN.
    #[must_use]
    pub fn apply(&self, value: f64) -> f64 {
        let result = self.slope * value + self.offset;
        match self.clip {
            Some([low, _]) if result < low => low,
            Some([_, high]) if result > high => high,
            _ => result,
        }
    }

    /// The value behind a result; of a clipped one, the value at which clipping begins.
    #[must_use]
    pub fn invert(&self, result: f64) -> f64 {
        (result - self.offset) / self.slope
    }

    fn check(&self) -> Result<()> {
        if self.slope != 0.0 && self.slope.is_finite() && self.offset.is_finite() {
            return Ok(());
        }
        Err(Error::Argument {
            field: "slope",
            found: format!("{} with the offset {}", self.slope, self.offset),
            expected: "a finite slope other than 0 and a finite offset".into(),
        })
    }
}

/// What was done to the intensities of one volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IntensityMap {
    /// One map for all voxels.
    Linear(LinearMap),
    /// A map for each slice across an axis of the stored array.
    PerSlice {
        /// The axis of the stored array (0, 1 or 2) that counts the slices.
        axis: usize,
        /// The maps, one per slice.
        slices: Vec<LinearMap>,
    },
}

impl IntensityMap {
    /// Maps every voxel.
    ///
    /// # Errors
    /// [`Error::Shape`] when the volume has another number of slices than there are maps;
    /// [`Error::Argument`] when a slope is 0 or a field is not finite.
    pub fn apply_in_place(&self, volume: &mut Volume) -> Result<()> {
        self.replace(volume, LinearMap::apply)
    }

    /// Undoes the map: [`apply_in_place`](Self::apply_in_place) followed by this gives the volume
    /// back, up to rounding and clipping.
    ///
    /// # Errors
    /// As [`IntensityMap::apply_in_place`].
    pub fn invert_in_place(&self, volume: &mut Volume) -> Result<()> {
        self.replace(volume, LinearMap::invert)
    }

    fn replace(
        &self,
        volume: &mut Volume,
        value: impl Fn(&LinearMap, f64) -> f64 + Sync,
    ) -> Result<()> {
        let shape = volume.geometry().shape();
        let [nx, ny, _] = shape;
        let replace = |map: &LinearMap, v: &mut f32| *v = value(map, f64::from(*v)) as f32;
        match self {
            Self::Linear(map) => {
                map.check()?;
                volume.voxels_mut().par_iter_mut().for_each(|v| replace(map, v));
            }
            Self::PerSlice { axis, slices } => {
                check_axis(*axis)?;
                slices.iter().try_for_each(LinearMap::check)?;
                if slices.len() != shape[*axis] {
                    let (expected, found) = (vec![slices.len()], vec![shape[*axis]]);
                    return Err(Error::Shape { what: "the mapped axis", expected, found });
                }
                let planes = volume.voxels_mut().par_chunks_mut(nx * ny).enumerate();
                planes.for_each(|(z, plane)| {
                    for (i, v) in plane.iter_mut().enumerate() {
                        replace(&slices[[i % nx, i / nx, z][*axis]], v);
                    }
                });
            }
        }
        Ok(())
    }
}
