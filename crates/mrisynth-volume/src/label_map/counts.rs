//! How many voxels each label has, and which volume.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::CHUNK;
use crate::datatype::Sample;
use crate::image::{Image, Scaling, with_stored};
use crate::volume::LabelMap;

/// Labels below this are counted in an array; FreeSurfer's common ones all are.
const N_DENSE: usize = 1 << 13;

/// Counts that add up: an array for the usual labels, a map for the rest.
struct Counts {
    dense: Vec<u64>,
    sparse: BTreeMap<i32, u64>,
}

impl Counts {
    fn new() -> Self {
        Self { dense: vec![0; N_DENSE], sparse: BTreeMap::new() }
    }

    fn add(&mut self, label: i32, n: u64) {
        match usize::try_from(label).ok().and_then(|l| self.dense.get_mut(l)) {
            Some(count) => *count += n,
            None => *self.sparse.entry(label).or_default() += n,
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.dense.iter_mut().zip(other.dense).for_each(|(a, b)| *a += b);
        other.sparse.into_iter().for_each(|(label, n)| self.add(label, n));
        self
    }
}

impl LabelMap {
    /// The number of voxels of every label present, background included.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, LabelMap};
    /// let geometry = Geometry::new([4, 1, 1], Affine::identity())?;
    /// let labels = LabelMap::new(vec![0, 17, 17, -3], geometry)?;
    /// assert_eq!(labels.counts(), [(-3, 1), (0, 1), (17, 2)].into());
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn counts(&self) -> BTreeMap<i32, u64> {
        let chunks = self.voxels().par_chunks(CHUNK);
        let counted = chunks.fold(Counts::new, |mut counts, labels| {
            for run in labels.chunk_by(|a, b| a == b) {
                counts.add(run[0], run.len() as u64);
            }
            counts
        });
        let Counts { dense, mut sparse } = counted.reduce(Counts::new, Counts::merge);
        sparse.extend((0..).zip(dense).filter(|(_, n)| *n > 0));
        sparse
    }

    /// The volume of every label present in cubic millimetres, background included.
    #[must_use]
    pub fn volumes_mm3(&self) -> BTreeMap<i32, f64> {
        let voxel_mm3 = self.geometry().voxel_to_world().linear().determinant().abs();
        self.counts().into_iter().map(|(label, n)| (label, n as f64 * voxel_mm3)).collect()
    }
}

/// Beyond this `f64` skips whole numbers, so labels could run together.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

impl Image {
    /// The number of voxels of every value over all frames, if this looks like labels: every scaled
    /// value is a whole number of at most 2⁵³ and at most `max_distinct` of them differ.
    ///
    /// Otherwise `None`, which for intensities is found out within the first few voxels.
    #[must_use]
    pub fn label_counts(&self, max_distinct: usize) -> Option<BTreeMap<i64, u64>> {
        let scaling = self.scaling();
        with_stored!(self.stored(), stored => {
            stored
                .par_chunks(CHUNK)
                .map(|chunk| whole_counts(chunk, scaling, max_distinct))
                .try_reduce(BTreeMap::new, |mut a, b| {
                    b.into_iter().for_each(|(value, n)| *a.entry(value).or_default() += n);
                    (a.len() <= max_distinct).then_some(a)
                })
        })
    }
}

fn whole_counts<T: Sample>(
    stored: &[T],
    scaling: Scaling,
    max_distinct: usize,
) -> Option<BTreeMap<i64, u64>> {
    let mut counts = BTreeMap::new();
    for run in stored.chunk_by(|a, b| a == b) {
        let value = scaling.apply(run[0].to_f64());
        if value.fract() != 0.0 || value.abs() > MAX_WHOLE {
            return None; // also for NaN and infinity, whose fraction is NaN
        }
        *counts.entry(value as i64).or_default() += run.len() as u64;
        if counts.len() > max_distinct {
            return None;
        }
    }
    Some(counts)
}
