//! A batch, and how it is put together.

use keyed_random::Key;
use mrisynth_volume::{Geometry, IntensityMap};
use serde::Serialize;

use super::{Patch, Shared};
use crate::augmentation::Augmentation;
use crate::error::{Error, Result};
use crate::visit::Visit;

/// Samples for one step of training.
///
/// # Shapes
/// `images` is `[b, c, x, y, z]` and `masks` `[b, x, y, z]`, z fastest, as tensors are.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The step it belongs to.
    pub step: u64,
    /// Batch, channels, x, y and z.
    pub shape: [usize; 5],
    /// Intensities.
    pub images: Vec<f32>,
    /// Labels, if there are masks.
    pub masks: Option<Vec<i32>>,
    /// What each sample is.
    pub samples: Vec<SampleInfo>,
}

/// What a sample is, and what was done to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleInfo {
    /// The place in the endless sequence.
    pub item: u64,
    /// The pass over the cohort.
    pub epoch: u64,
    /// The row of the manifest, counted from 0.
    pub row: usize,
    /// The row.
    pub visit: Visit,
    /// The grid before augmentation.
    pub geometry: Geometry,
    /// What was done to the intensities of each channel before augmentation.
    pub intensity: Vec<IntensityMap>,
    /// The augmentation.
    pub augmentation: Augmentation,
    /// What is shown of it, if not the whole.
    pub patch: Option<Patch>,
}

impl Shared {
    /// The batch of a step. `goes_on` is asked before each sample.
    pub(super) fn batch(&self, step: u64, goes_on: &dyn Fn() -> bool) -> Result<Batch> {
        let size = self.config.batch_size;
        let [x, y, z] = self.config.patch.unwrap_or(self.shape);
        let channels = self.config.preparation.images.len();
        let shape = [size, channels, x, y, z];
        let mut batch = Batch { step, shape, images: Vec::new(), masks: None, samples: Vec::new() };
        for place in 0..size as u64 {
            if !goes_on() {
                return Err(Error::Stopped { done: batch.samples.len(), total: size });
            }
            // Beyond 2⁶⁴ items the sequence begins again.
            let item = step.wrapping_mul(size as u64).wrapping_add(place);
            self.add(item, &mut batch)?;
        }
        Ok(batch)
    }

    fn add(&self, item: u64, batch: &mut Batch) -> Result<()> {
        let (epoch, visit) = self.order.at(item);
        let Some(ready) = self.items.get(visit) else {
            return Err(Error::argument("item", item, "a visit of the cohort"));
        };
        let mut sample = ready.load(&self.config.preparation, &self.cache)?;
        let key = Key::new(self.config.seed).with("augmentation").with_index(item);
        let augmentation = self.config.augmentation.draw(key, sample.intensity.len());
        self.config.augmentation.apply(&augmentation, key, &mut sample)?;
        let patch = self.config.patch.map(|shape| Patch::draw(key, shape, self.shape));
        if let Some(patch) = patch {
            patch.cut(&mut sample, self.shape);
        }
        batch.images.append(&mut sample.images);
        if let Some(mask) = sample.mask {
            batch.masks.get_or_insert_default().extend(mask);
        }
        batch.samples.push(SampleInfo {
            item,
            epoch,
            row: ready.row,
            visit: ready.visit.clone(),
            geometry: sample.geometry,
            intensity: sample.intensity,
            augmentation,
            patch,
        });
        Ok(())
    }
}
