//! Which patches a training step sees.

use keyed_random::{Key, Stream};
use serde::{Deserialize, Serialize};

use crate::augmentation::{AugmentationConfig, Patch};
use crate::case::Case;
use crate::error::{Error, Result};

/// Settings of a [`PatchSampler`].
///
/// # Source
/// nnU-Net v2: batches of two, a third of the patches with a foreground voxel in their middle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchConfig {
    /// The size of a patch, in voxels.
    pub patch: [usize; 3],
    /// Patches of a batch.
    pub batch_size: usize,
    /// The part of all patches that lie around a foreground voxel: the last ones of a batch. Where that
    /// is no whole number of a batch, batches take turns, so that it is right over the steps, for
    /// batches of one patch too; nnU-Net rounds it in every batch.
    pub foreground: f64,
    /// What is done to a patch.
    pub augmentation: AugmentationConfig,
}

impl Default for PatchConfig {
    fn default() -> Self {
        let augmentation = AugmentationConfig::default();
        Self { patch: [128; 3], batch_size: 2, foreground: 1.0 / 3.0, augmentation }
    }
}

/// Patches of cases: a function of key, step and item alone.
#[derive(Clone, Debug)]
pub struct PatchSampler {
    config: PatchConfig,
    cases: Vec<Case>,
    key: Key,
}

impl PatchSampler {
    /// A sampler of these cases.
    ///
    /// # Errors
    /// [`Error::Config`] for a setting out of its domain; [`Error::Argument`] for no cases, or cases of
    /// different channels.
    pub fn new(config: &PatchConfig, cases: Vec<Case>, key: Key) -> Result<Self> {
        config.augmentation.check()?;
        if config.patch.iter().any(|edge| !(1..=4096).contains(edge)) {
            return Err(Error::config("patch", config.patch, "from 1 to 4096 voxels per axis"));
        }
        if !(1..=4096).contains(&config.batch_size) {
            return Err(Error::config("batch_size", config.batch_size, "from 1 to 4096"));
        }
        if !(0.0..=1.0).contains(&config.foreground) {
            return Err(Error::config("foreground", config.foreground, "from 0 to 1"));
        }
        let channels = cases.first().map(Case::channels);
        if channels.is_none() || cases.iter().any(|case| Some(case.channels()) != channels) {
            let found: Vec<usize> = cases.iter().map(Case::channels).collect();
            return Err(Error::argument("cases", found, "at least one, all of as many channels"));
        }
        Ok(Self { config: config.clone(), cases, key })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &PatchConfig {
        &self.config
    }

    /// The patches of a step, in order.
    #[must_use]
    pub fn batch(&self, step: u64) -> Vec<Patch> {
        (0..self.config.batch_size).map(|item| self.patch(step, item)).collect()
    }

    /// How many patches of a step's batch lie around a foreground voxel.
    fn of_foreground(&self, step: u64) -> usize {
        let of_a_batch = self.config.batch_size as f64 * self.config.foreground;
        // Steps are far below 2⁵³: nothing is lost.
        let until = |step: u64| (step as f64 * of_a_batch + 1e-9).floor();
        (until(step.saturating_add(1)) - until(step)) as usize
    }

    fn patch(&self, step: u64, item: usize) -> Patch {
        let PatchConfig { patch, batch_size, augmentation, .. } = &self.config;
        let key = self.key.with("step").with_index(step).with("item").with_index(item as u64);
        let mut stream = key.with("place").stream();
        let Some(case) = stream.choose(&self.cases) else {
            return Patch { image: Vec::new(), classes: Vec::new() };
        };
        let around = (item + self.of_foreground(step) >= *batch_size)
            .then(|| foreground_voxel(case, &mut stream))
            .flatten();
        let centre = centre(case.shape(), *patch, around, &mut stream);
        let draw = augmentation.draw(key.with("augmentation"), case.channels());
        draw.patch(case, centre, *patch, &key)
    }
}

/// A voxel of a class drawn evenly among those present.
fn foreground_voxel(case: &Case, stream: &mut Stream) -> Option<[usize; 3]> {
    let present = case.present();
    let class = stream.choose(&present)?;
    let voxel = *stream.choose(case.centres_of(*class))? as usize;
    let [_, sy, sz] = case.shape();
    Some([voxel / (sy * sz), voxel / sz % sy, voxel % sz])
}

/// The middle of a patch, in voxels: anywhere, or around a voxel, but inside the scan where it fits.
fn centre(
    shape: [usize; 3],
    patch: [usize; 3],
    around: Option<[usize; 3]>,
    stream: &mut Stream,
) -> [f64; 3] {
    [0, 1, 2].map(|axis| {
        let (size, edge) = (shape[axis], patch[axis]);
        let free = size.saturating_sub(edge) as i64;
        let drawn = stream.range(0..=free).unwrap_or(0);
        if edge >= size {
            return (size as f64 - 1.0) / 2.0;
        }
        let start = match around {
            Some(voxel) => (voxel[axis] as i64 - edge as i64 / 2).clamp(0, free),
            None => drawn,
        };
        start as f64 + (edge as f64 - 1.0) / 2.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let shape = [20, 16, 12];
        let mut classes = vec![0; 20 * 16 * 12];
        classes[(17 * 16 + 2) * 12 + 11] = 3;
        let image: Vec<f32> = (0..classes.len()).map(|i| i as f32).collect();
        Case::new(image, classes, 1, shape).unwrap()
    }

    fn sampler(config: PatchConfig) -> PatchSampler {
        PatchSampler::new(&config, vec![case()], Key::new(1)).unwrap()
    }

    fn plain() -> PatchConfig {
        let augmentation = AugmentationConfig::none();
        PatchConfig { patch: [6, 5, 4], batch_size: 3, augmentation, ..PatchConfig::default() }
    }

    #[test]
    fn the_part_around_foreground_is_right_over_the_steps_whatever_a_batch_holds() {
        for (batch_size, foreground, steps, expected) in [
            (1, 0.5, 100, 50),
            (1, 0.6, 100, 60),
            (2, 1.0 / 3.0, 300, 200),
            (3, 1.0, 10, 30),
            (2, 0.0, 9, 0),
        ] {
            let sampler = sampler(PatchConfig { batch_size, foreground, ..plain() });
            let of_batches: Vec<usize> =
                (0..steps).map(|step| sampler.of_foreground(step)).collect();
            assert_eq!(of_batches.iter().sum::<usize>(), expected);
            let (least, most) = (of_batches.iter().min(), of_batches.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1 && *most.unwrap() <= batch_size);
        }
    }

    #[test]
    fn the_last_third_has_foreground_and_every_patch_is_whole() {
        let sampler = sampler(plain());
        for step in 0..50 {
            let batch = sampler.batch(step);
            assert_eq!(batch.len(), 3);
            assert!(batch[2].classes.contains(&3));
            for patch in batch {
                // Cut without interpolation: whole numbers, each once, none from outside.
                assert!(patch.image.windows(2).all(|w| w[1] != w[0]));
                assert!(patch.image.iter().all(|x| x.fract() == 0.0));
            }
        }
    }

    #[test]
    fn a_step_is_the_same_whenever_it_is_asked_for() {
        let sampler = sampler(PatchConfig { patch: [6, 5, 4], ..PatchConfig::default() });
        let again = sampler.batch(7);
        assert_eq!(sampler.batch(7), again);
        assert_ne!(sampler.batch(8), again);
    }

    #[test]
    fn a_patch_larger_than_the_scan_holds_all_of_it() {
        let config = PatchConfig { patch: [24, 16, 13], ..plain() };
        let patch = &sampler(config).batch(0)[0];
        assert_eq!(patch.classes.iter().filter(|k| **k == 3).count(), 1);
    }

    #[test]
    fn impossible_settings_are_named() {
        for (config, field) in [
            (PatchConfig { patch: [0, 1, 1], ..plain() }, "patch"),
            (PatchConfig { batch_size: 0, ..plain() }, "batch_size"),
            (PatchConfig { foreground: -0.1, ..plain() }, "foreground"),
        ] {
            let error = PatchSampler::new(&config, vec![case()], Key::new(1)).unwrap_err();
            assert!(error.to_string().starts_with(field), "{error}");
        }
        assert!(PatchSampler::new(&plain(), vec![], Key::new(1)).is_err());
    }
}
