//! Range, mean and spread of voxels, the same bits for any number of threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::image::{Image, with_stored};
use crate::volume::Volume;

/// Range, mean and population standard deviation of the finite voxels, in `f64`.
///
/// NaN and infinite voxels are counted and otherwise ignored. Where no voxel is finite the four
/// values are NaN. Voxels so large that their sum overflows `f64` (above 10²⁹⁸ or so) give an
/// infinite mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// The smallest finite voxel.
    pub min: f64,
    /// The largest finite voxel.
    pub max: f64,
    /// The arithmetic mean of the finite voxels.
    pub mean: f64,
    /// The population standard deviation of the finite voxels: divided by n, as numpy does.
    pub std: f64,
    /// How many voxels are finite.
    pub n_finite: u64,
    /// How many voxels are NaN or infinite.
    pub n_non_finite: u64,
}

/// Voxels summed in one go. Sums of chunks are added in their order, so that the result does not
/// depend on who computed which; it is also more accurate than one long sum.
const CHUNK: usize = 1 << 13;

/// What the first pass learns of one chunk.
#[derive(Clone, Copy)]
struct Tally {
    min: f64,
    max: f64,
    sum: f64,
    n_finite: u64,
    n_non_finite: u64,
}

impl Statistics {
    /// The statistics of `value(0) … value(n − 1)`, leaving out those that are `None`.
    pub(crate) fn over(n: usize, value: impl Fn(usize) -> Option<f64> + Sync) -> Self {
        let empty = Tally {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            n_finite: 0,
            n_non_finite: 0,
        };
        let tallies = by_chunk(n, |range| {
            range.filter_map(&value).fold(empty, |mut tally, v| {
                if v.is_finite() {
                    tally.min = tally.min.min(v);
                    tally.max = tally.max.max(v);
                    tally.sum += v;
                    tally.n_finite += 1;
                } else {
                    tally.n_non_finite += 1;
                }
                tally
            })
        });
        let total = tallies.into_iter().fold(empty, |a, b| Tally {
            min: a.min.min(b.min),
            max: a.max.max(b.max),
            sum: a.sum + b.sum,
            n_finite: a.n_finite + b.n_finite,
            n_non_finite: a.n_non_finite + b.n_non_finite,
        });
        let Tally { min, max, sum, n_finite, n_non_finite } = total;
        if n_finite == 0 {
            let nan = f64::NAN;
            return Self { min: nan, max: nan, mean: nan, std: nan, n_finite, n_non_finite };
        }
        let count = n_finite as f64;
        let mean = sum / count;
        let deviations = by_chunk(n, |range| {
            range.filter_map(&value).filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, s2), v| {
                let d = v - mean;
                (s + d, s2 + d * d)
            })
        });
        let (s, s2) = deviations.into_iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        // The second term corrects for the rounding of the mean; it is 0 in exact arithmetic.
        let variance = ((s2 - s * s / count) / count).max(0.0);
        Self { min, max, mean, std: variance.sqrt(), n_finite, n_non_finite }
    }
}

fn by_chunk<A: Send>(n: usize, tally: impl Fn(std::ops::Range<usize>) -> A + Sync) -> Vec<A> {
    let chunk = |c: usize| tally(c * CHUNK..((c + 1) * CHUNK).min(n));
    (0..n.div_ceil(CHUNK)).into_par_iter().map(chunk).collect()
}

impl Volume {
    /// The statistics of all voxels.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Volume};
    /// let geometry = Geometry::new([2, 2, 1], Affine::identity())?;
    /// let volume = Volume::new(vec![1.0, 3.0, 5.0, f32::NAN], geometry)?;
    /// let statistics = volume.statistics();
    /// assert_eq!((statistics.mean, statistics.max, statistics.n_non_finite), (3.0, 5.0, 1));
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let voxels = self.voxels();
        Statistics::over(voxels.len(), |i| Some(f64::from(voxels[i])))
    }

    /// The statistics of the voxels inside a mask.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Argument`](crate::Error::Argument) when
    /// the mask lies on another grid.
    pub fn statistics_inside(&self, mask: &Volume<bool>) -> Result<Statistics> {
        self.check_same_grid("mask", mask.geometry())?;
        let (voxels, inside) = (self.voxels(), mask.voxels());
        Ok(Statistics::over(voxels.len(), |i| inside[i].then(|| f64::from(voxels[i]))))
    }
}

impl Image {
    /// The statistics of all voxels of all frames, scaled in `f64` and not rounded to `f32`.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let scaling = self.scaling();
        with_stored!(self.stored(), stored => Statistics::over(stored.len(), |i| {
            Some(scaling.apply(crate::datatype::Sample::to_f64(stored[i])))
        }))
    }
}

#[cfg(test)]
mod tests;
