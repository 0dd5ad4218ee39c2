//! Bringing intensities to the range a network expects, with a record of how, to go back.
//!
//! A [`Rescale`] says what is wanted, an [`IntensityMap`] what was done to one volume. All
//! computations are in `f64`, rounded once to `f32`, and give the same bits for any number of
//! threads. NaN and infinite voxels never enter a statistic; maps leave NaN as it is.

mod map;
mod percentile;
mod selection;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use map::{IntensityMap, LinearMap};
use selection::Selected;
pub use selection::VoxelSelection;

use crate::error::{Error, Result};
use crate::statistics::Statistics;
use crate::volume::Volume;

/// How intensities are brought to a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rescale {
    /// Two percentiles go to the ends of a range.
    Percentiles(PercentileRescale),
    /// Mean 0 and standard deviation 1.
    ZScore(ZScore),
    /// Each slice on its own goes from its minimum and maximum to the ends of a range.
    SliceMinMax(SliceMinMax),
}

/// Two percentiles of the intensities go to the ends of a range.
///
/// Percentiles are exact, with linear interpolation between order statistics, as
/// `numpy.percentile`. Where both are the same value (a constant volume) the range between them is
/// taken as 1: that value goes to `to[0]`.
///
/// The default is the scaling of the brain latent diffusion model of Pinaya et al. (2022) as
/// MONAI's tutorial has it, 0 % and 99.5 % to [0, 1], but with clipping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PercentileRescale {
    /// The percentile that goes to `to[0]`, in percent.
    pub lower: f64,
    /// The percentile that goes to `to[1]`, in percent.
    pub upper: f64,
    /// The range, usually [0, 1] or [−1, 1].
    pub to: [f64; 2],
    /// Whether what lies beyond the percentiles is set to the ends of the range. If not it keeps
    /// the linear map and leaves the range.
    pub clip: bool,
    /// The voxels whose percentiles are taken. All voxels are mapped.
    pub over: VoxelSelection,
}

impl Default for PercentileRescale {
    fn default() -> Self {
        let over = VoxelSelection::All;
        Self { lower: 0.0, upper: 99.5, to: [0.0, 1.0], clip: true, over }
    }
}

/// Mean 0 and population standard deviation 1 over a selection of voxels.
///
/// The default takes the statistics inside a mask and sets voxels outside it to 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZScore {
    /// The voxels whose mean and standard deviation are taken.
    pub over: VoxelSelection,
    /// What becomes of the other voxels.
    pub outside: OutsideMask,
}

impl Default for ZScore {
    fn default() -> Self {
        Self { over: VoxelSelection::InMask, outside: OutsideMask::Zero }
    }
}

/// Each slice across one stored axis goes from its own minimum and maximum to a range.
///
/// With axis 2 this is scikit-learn's `MinMaxScaler().fit_transform(img.reshape(-1, D))` on an
/// array of the shape [H, W, D], which Med-DDPM's published weights were trained behind. A constant
/// slice goes to `to[0]`: a range of zero is taken as 1, as scikit-learn does. A slice without a
/// finite voxel is treated as a constant 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SliceMinMax {
    /// The axis of the stored array (0, 1 or 2) that counts the slices.
    pub axis: usize,
    /// The range of each slice.
    pub to: [f64; 2],
}

impl Default for SliceMinMax {
    fn default() -> Self {
        Self { axis: 2, to: [0.0, 1.0] }
    }
}

/// What becomes of voxels that a statistic was not taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideMask {
    /// They are set to 0, which is the mean of the others.
    #[default]
    Zero,
    /// They are kept, under the same map as the others.
    Keep,
}

impl Rescale {
    /// The map that these settings ask for on this volume, without applying it.
    ///
    /// The mask counts only where a selection is [`VoxelSelection::InMask`].
    ///
    /// # Errors
    /// [`Error::Argument`] for a setting outside its domain (the message names it), a missing mask
    /// or one on another grid; [`Error::Shape`] for a mask of another shape; [`Error::NoVoxels`]
    /// when the selection has no finite voxel; [`Error::Constant`] for the z-score of voxels that
    /// are all equal.
    pub fn fit(&self, volume: &Volume, mask: Option<&Volume<bool>>) -> Result<IntensityMap> {
        match self {
            Self::Percentiles(config) => config.fit(volume, mask),
            Self::ZScore(config) => config.fit(volume, mask),
            Self::SliceMinMax(config) => config.fit(volume),
        }
    }

    /// Applies the map of [`fit`](Self::fit) and returns it.
    ///
    /// # Errors
    /// As [`Rescale::fit`]; the volume is then unchanged.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, PercentileRescale, Rescale, Volume};
    /// let geometry = Geometry::new([5, 1, 1], Affine::identity())?;
    /// let mut volume = Volume::new(vec![0.0, 100.0, 200.0, 300.0, 400.0], geometry)?;
    /// let config = PercentileRescale { upper: 75.0, to: [-1.0, 1.0], ..Default::default() };
    /// let map = Rescale::Percentiles(config).apply_in_place(&mut volume, None)?;
    /// assert_eq!(volume.voxels()[..], [-1.0, -1.0 / 3.0, 1.0 / 3.0, 1.0, 1.0]);
    /// map.invert_in_place(&mut volume)?;
    /// assert!((volume.voxels()[1] - 100.0).abs() < 1e-4);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn apply_in_place(
        &self,
        volume: &mut Volume,
        mask: Option<&Volume<bool>>,
    ) -> Result<IntensityMap> {
        let map = self.fit(volume, mask)?;
        // The selection looks at intensities before they are mapped.
        let cleared: Option<Vec<bool>> = match self {
            Self::ZScore(ZScore { over, outside: OutsideMask::Zero }) => {
                let selected = Selected::new(*over, volume, mask)?;
                let voxels = volume.voxels().par_iter().enumerate();
                Some(voxels.map(|(i, &v)| !selected.contains(i, v)).collect())
            }
            _ => None,
        };
        map.apply_in_place(volume)?;
        if let Some(cleared) = cleared {
            let voxels = volume.voxels_mut().par_iter_mut();
            voxels.zip(&cleared).filter(|(_, clear)| **clear).for_each(|(v, _)| *v = 0.0);
        }
        Ok(map)
    }
}

impl PercentileRescale {
    fn fit(&self, volume: &Volume, mask: Option<&Volume<bool>>) -> Result<IntensityMap> {
        check_percents(&[self.lower, self.upper])?;
        if self.lower > self.upper {
            return Err(Error::Argument {
                field: "lower",
                found: self.lower.to_string(),
                expected: format!("at most the upper percentile, {}", self.upper),
            });
        }
        check_range(self.to)?;
        let selected = Selected::new(self.over, volume, mask)?;
        let from = percentile::percentiles(
            volume.voxels(),
            |i, v| selected.contains(i, v),
            &[self.lower, self.upper],
        );
        let Some([low, high]) = from.as_deref() else {
            return Err(Error::NoVoxels { what: selected.name() });
        };
        let map = LinearMap::between([*low, *high], self.to);
        Ok(IntensityMap::Linear(LinearMap { clip: self.clip.then_some(self.to), ..map }))
    }
}

impl ZScore {
    fn fit(&self, volume: &Volume, mask: Option<&Volume<bool>>) -> Result<IntensityMap> {
        let selected = Selected::new(self.over, volume, mask)?;
        let voxels = volume.voxels();
        let Statistics { min, max, mean, std, n_finite, .. } =
            Statistics::over(voxels.len(), |i| {
                selected.contains(i, voxels[i]).then(|| f64::from(voxels[i]))
            });
        if n_finite == 0 {
            return Err(Error::NoVoxels { what: selected.name() });
        }
        // Not `std == 0`: the rounded mean of equal values may differ from them.
        if min == max {
            return Err(Error::Constant { what: selected.name(), value: min });
        }
        Ok(IntensityMap::Linear(LinearMap { slope: 1.0 / std, offset: -mean / std, clip: None }))
    }
}

impl SliceMinMax {
    fn fit(&self, volume: &Volume) -> Result<IntensityMap> {
        check_axis(self.axis)?;
        check_range(self.to)?;
        let slices = slice_ranges(volume, self.axis)
            .into_iter()
            .map(|[min, max]| if min > max { [0.0, 0.0] } else { [min, max] })
            .map(|range| LinearMap::between(range, self.to))
            .collect();
        Ok(IntensityMap::PerSlice { axis: self.axis, slices })
    }
}

/// The finite minimum and maximum of each slice across `axis`; the minimum is above the maximum
/// where a slice has no finite voxel.
fn slice_ranges(volume: &Volume, axis: usize) -> Vec<[f64; 2]> {
    let shape = volume.geometry().shape();
    let [nx, ny, _] = shape;
    let empty = || vec![[f32::INFINITY, f32::NEG_INFINITY]; shape[axis]];
    let widen = |range: &mut [f32; 2], v: f32| {
        if v.is_finite() {
            *range = [range[0].min(v), range[1].max(v)];
        }
    };
    let planes = volume.voxels().par_chunks(nx * ny).enumerate();
    let ranges = planes.fold(empty, |mut ranges, (z, plane)| {
        for (y, row) in plane.chunks_exact(nx).enumerate() {
            match axis {
                0 => row.iter().zip(&mut ranges).for_each(|(&v, range)| widen(range, v)),
                1 => row.iter().for_each(|&v| widen(&mut ranges[y], v)),
                _ => row.iter().for_each(|&v| widen(&mut ranges[z], v)),
            }
        }
        ranges
    });
    let merged = ranges.reduce(empty, |mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = [a[0].min(b[0]), a[1].max(b[1])]);
        a
    });
    // Which zero is the minimum of 0 and −0 depends on their order; adding 0 makes both 0.
    merged.into_iter().map(|range| range.map(|v| f64::from(v) + 0.0)).collect()
}

impl Volume {
    /// Exact percentiles of the finite voxels, interpolated linearly as `numpy.percentile` does.
    ///
    /// # Errors
    /// [`Error::Argument`] for a percentile outside [0, 100]; [`Error::NoVoxels`] when no voxel is
    /// finite.
    pub fn percentiles(&self, percents: &[f64]) -> Result<Vec<f64>> {
        check_percents(percents)?;
        percentile::percentiles(self.voxels(), |_, _| true, percents)
            .ok_or(Error::NoVoxels { what: "the volume" })
    }

    /// Sets every voxel outside the mask to 0.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Argument`] when the mask lies on another grid.
    pub fn clear_outside(&mut self, mask: &Volume<bool>) -> Result<()> {
        self.check_same_grid("mask", mask.geometry())?;
        let voxels = self.voxels_mut().par_iter_mut();
        voxels.zip(mask.voxels()).filter(|(_, inside)| !**inside).for_each(|(v, _)| *v = 0.0);
        Ok(())
    }

    /// Sets every voxel that is not above `threshold`, NaN included, to 0.
    pub fn clear_at_or_below(&mut self, threshold: f32) {
        let is_foreground = |v: f32| v > threshold;
        self.voxels_mut().par_iter_mut().filter(|v| !is_foreground(**v)).for_each(|v| *v = 0.0);
    }
}

fn check_percents(percents: &[f64]) -> Result<()> {
    match percents.iter().find(|p| !(0.0..=100.0).contains(*p)) {
        None => Ok(()),
        Some(bad) => Err(Error::Argument {
            field: "percentile",
            found: bad.to_string(),
            expected: "a number of percent between 0 and 100".into(),
        }),
    }
}

fn check_range(to: [f64; 2]) -> Result<()> {
    if to[0] < to[1] && to.iter().all(|end| end.is_finite()) {
        return Ok(());
    }
    Err(Error::Argument {
        field: "to",
        found: format!("{to:?}"),
        expected: "two finite numbers, the smaller first".into(),
    })
}

fn check_axis(axis: usize) -> Result<()> {
    if axis < 3 {
        return Ok(());
    }
    let expected = "an axis of the stored array: 0, 1 or 2".into();
    Err(Error::Argument { field: "axis", found: axis.to_string(), expected })
}

#[cfg(test)]
mod tests;
