//! Labels as channels, one volume of 0 and 1 each, and back.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::CHUNK;
use crate::error::{Error, Result};
use crate::volume::{LabelMap, Volume};

impl LabelMap {
    /// One channel per group of labels: 1 where a voxel has one of them, else 0.
    ///
    /// A label belongs to one group at most, so the channels are disjoint; labels in no group,
    /// usually the background, are 0 in all of them. Each channel keeps the geometry. Other codings
    /// (−1 and 1) are left to whoever feeds a network.
    ///
    /// # Shapes
    /// One volume of the map's own shape per group, in the order of the groups.
    ///
    /// # Errors
    /// [`Error::Argument`] when a label stands in two groups.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, LabelMap};
    /// let geometry = Geometry::new([4, 1, 1], Affine::identity())?;
    /// let labels = LabelMap::new(vec![0, 17, 53, 2], geometry)?;
    /// let channels = labels.one_hot(&[vec![17, 53], vec![2, 41]])?;
    /// assert_eq!(channels[0].voxels(), [0.0, 1.0, 1.0, 0.0]);
    /// assert_eq!(LabelMap::from_one_hot(&channels, &[17, 2])?.voxels(), [0, 17, 17, 2]);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn one_hot(&self, groups: &[Vec<i32>]) -> Result<Vec<Volume>> {
        let mut group_of = BTreeMap::new();
        for (group, labels) in groups.iter().enumerate() {
            for &label in labels {
                if group_of.insert(label, group).is_some_and(|other| other != group) {
                    return Err(Error::Argument {
                        field: "groups",
                        found: format!("label {label} in two groups"),
                        expected: "every label in at most one".into(),
                    });
                }
            }
        }
        let channel = |group: usize| {
            self.map_labels(|label| f32::from(u8::from(group_of.get(&label) == Some(&group))))
        };
        Ok((0..groups.len()).map(channel).collect())
    }

    /// The label of the largest channel at every voxel, where that is above 0, else 0.
    ///
    /// Takes hard channels (0 and 1, or −1 and 1) as well as probabilities. Of equal channels the
    /// first wins; NaN never does. For probabilities with a background channel give it the label 0.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not as many labels as channels or none at all, or a channel
    /// has another shape than the first; [`Error::Argument`] when it lies elsewhere.
    pub fn from_one_hot(channels: &[Volume], labels: &[i32]) -> Result<Self> {
        let Some(first) = channels.first().filter(|_| channels.len() == labels.len()) else {
            return Err(Error::Shape {
                what: "the list of channels",
                expected: vec![labels.len().max(1)],
                found: vec![channels.len()],
            });
        };
        channels.iter().try_for_each(|c| first.check_same_grid("channel", c.geometry()))?;
        let mut out = vec![0; first.voxels().len()];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, out)| {
            let mut best = vec![0.0; out.len()];
            for (channel, &label) in channels.iter().zip(labels) {
                let values = &channel.voxels()[c * CHUNK..][..out.len()];
                for ((out, best), &value) in out.iter_mut().zip(&mut best).zip(values) {
                    if value > *best {
                        (*out, *best) = (label, value);
                    }
                }
            }
        });
        Self::new(out, *first.geometry())
    }
}
