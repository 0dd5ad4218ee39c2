//! Label maps seen through a scheme: checked, made into channels, and back.

mod validation;

use std::collections::BTreeMap;

use mrisynth_volume::{LabelMap, Unlisted, Volume};
use ndarray::Array4;
use rayon::prelude::*;

pub use validation::{
    ChannelSummary, LabelCount, MaskFault, MaskSummary, MissingChannel, ValidationOptions,
    VolumeFault,
};

use crate::error::{Error, Result};
use crate::label_scheme::LabelScheme;

impl LabelScheme {
    /// The channel number of every voxel: 1 for the first channel, 0 for background.
    ///
    /// # Errors
    /// [`Error::Mask`] with the ids that the scheme does not know, their names and voxel counts.
    pub fn channel_numbers(&self, labels: &LabelMap) -> Result<LabelMap> {
        let counts = labels.counts();
        if let Some(fault) = self.unknown_labels(&counts) {
            return Err(Error::Mask { scheme: self.name().into(), faults: vec![fault] });
        }
        let number = |id: i32| self.channel_number(id).map_or(0, |number| number as i32);
        let table: BTreeMap<i32, i32> = counts.keys().map(|&id| (id, number(id))).collect();
        Ok(labels.remap(&table, Unlisted::Background)?)
    }

    /// One volume per channel, in the numbers of the coding. Voxels of the background are absent
    /// from all.
    ///
    /// # Errors
    /// As [`channel_numbers`](Self::channel_numbers).
    pub fn channels(&self, labels: &LabelMap) -> Result<Vec<Volume>> {
        let numbers = self.channel_numbers(labels)?;
        let coding = self.config().coding;
        let channel = |number: usize| {
            let code =
                |&n: &i32| if n as usize == number { coding.present() } else { coding.absent() };
            Volume::new(numbers.voxels().par_iter().map(code).collect(), *numbers.geometry())
        };
        Ok((1..=self.n_channels()).map(channel).collect::<mrisynth_volume::Result<_>>()?)
    }

    /// The channels as one array, as a tensor holds them.
    ///
    /// # Shapes
    /// `[c, x, y, z]`, z fastest in memory.
    ///
    /// # Errors
    /// As [`channel_numbers`](Self::channel_numbers).
    pub fn channel_array(&self, labels: &LabelMap) -> Result<Array4<f32>> {
        let numbers = self.channel_numbers(labels)?;
        let ([nx, ny, nz], coding) = (numbers.geometry().shape(), self.config().coding);
        let mut array = Array4::from_elem((self.n_channels(), nx, ny, nz), coding.absent());
        for ((x, y, z), &number) in numbers.array().indexed_iter() {
            if let Some(channel) = (number as usize).checked_sub(1) {
                array[[channel, x, y, z]] = coding.present();
            }
        }
        Ok(array)
    }

    /// The label map of channels: at every voxel the id that stands for the largest channel, of
    /// equals for the first, where that is above the middle of the coding; 0 elsewhere.
    ///
    /// Takes channels that are soft, as those a network gives, as well as hard ones. Since a channel
    /// stands for several ids, these come back as the first of them: `channels` of the result are
    /// the hard channels again.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number of channels than the scheme has; [`Error::Volume`] when
    /// they lie on different grids.
    pub fn labels_from_channels(&self, channels: &[Volume]) -> Result<LabelMap> {
        if channels.len() != self.n_channels() {
            return Err(Error::Argument {
                field: "channels".into(),
                found: format!("{} volumes", channels.len()),
                expected: format!("{}, as {} has", self.n_channels(), self.name()),
            });
        }
        let midpoint = self.config().coding.midpoint();
        let ids = self.representative_ids();
        if midpoint == 0.0 {
            return Ok(LabelMap::from_one_hot(channels, &ids)?);
        }
        let shifted: Vec<Volume> = channels.iter().map(|c| c.map(|v| v - midpoint)).collect();
        Ok(LabelMap::from_one_hot(&shifted, &ids)?)
    }
}

#[cfg(test)]
mod tests;
