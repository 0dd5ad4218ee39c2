//! What a [`LabelMap`] can be asked and turned into: counts, other labels, masks, channels, parts.
//!
//! Label 0 is background throughout.

mod components;
mod counts;
mod one_hot;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use components::{Component, Components, Connectivity};

use crate::error::{Error, Result};
use crate::volume::{LabelMap, Volume};

/// Voxels that one task handles at a time.
const CHUNK: usize = 1 << 16;

/// What becomes of a label that a table does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    /// It stays as it is.
    Keep,
    /// It becomes 0.
    Background,
    /// It is an error. Label 0 may be missing all the same, and then stays 0.
    Refuse,
}

impl LabelMap {
    /// Replaces labels by a table of old → new.
    ///
    /// # Errors
    /// [`Error::UnlistedLabels`], with their numbers of voxels, under [`Unlisted::Refuse`].
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, LabelMap, Unlisted};
    /// let geometry = Geometry::new([4, 1, 1], Affine::identity())?;
    /// let sides = LabelMap::new(vec![0, 17, 53, 2], geometry)?;
    /// let merged = sides.remap(&[(17, 1), (53, 1)].into(), Unlisted::Background)?;
    /// assert_eq!(merged.voxels(), [0, 1, 1, 0]);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn remap(&self, table: &BTreeMap<i32, i32>, unlisted: Unlisted) -> Result<Self> {
        if unlisted == Unlisted::Refuse {
            let mut counts = self.counts();
            counts.retain(|label, _| *label != 0 && !table.contains_key(label));
            if !counts.is_empty() {
                return Err(Error::UnlistedLabels { counts });
            }
        }
        Ok(self.map_labels(|label| match (table.get(&label), unlisted) {
            (Some(&new), _) => new,
            (None, Unlisted::Keep) => label,
            (None, Unlisted::Background | Unlisted::Refuse) => 0,
        }))
    }

    /// The voxels that have one of these labels.
    #[must_use]
    pub fn mask(&self, labels: &[i32]) -> Volume<bool> {
        self.map_labels(|label| labels.contains(&label))
    }

    /// The voxels that have a label other than 0.
    #[must_use]
    pub fn foreground(&self) -> Volume<bool> {
        self.map_labels(|label| label != 0)
    }

    /// Replaces labels by a function of the label, which is called once for each run of equal ones.
    pub(crate) fn map_labels<U>(&self, new: impl Fn(i32) -> U + Sync) -> Volume<U>
    where
        U: Copy + Default + Send + Sync,
    {
        let mut out = vec![U::default(); self.voxels().len()];
        let chunks = out.par_chunks_mut(CHUNK).zip(self.voxels().par_chunks(CHUNK));
        chunks.for_each(|(out, labels)| {
            let mut at = 0;
            for run in labels.chunk_by(|a, b| a == b) {
                out[at..at + run.len()].fill(new(run[0]));
                at += run.len();
            }
        });
        // One value per voxel of the same grid.
        self.with_voxels(out)
    }
}

#[cfg(test)]
mod tests;
