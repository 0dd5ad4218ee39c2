//! What a quick start is asked for, and how much it takes upon itself.

use std::path::PathBuf;

use mrisynth_phantom::{CohortConfig, Diagnosis};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a quick start is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuickstartConfig {
    /// A manifest or a folder of scans with masks; digital brains are made where there is none.
    pub data: Option<PathBuf>,
    /// A built-in label scheme or a TOML file; by default what fits the masks.
    pub scheme: Option<String>,
    /// What everything is drawn from.
    pub seed: u64,
    /// How much is done.
    pub effort: Effort,
}

/// How much a quick start takes upon itself; the default takes some minutes on two cores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Effort {
    /// Digital brains, where there are no scans.
    pub phantoms: usize,
    /// Their voxels along each axis.
    pub phantom_shape: [usize; 3],
    /// The subjects that are taken from a larger cohort.
    pub most_subjects: usize,
    /// The scans that are made of held-out masks, at most.
    pub most_held_out: usize,
    /// Voxels of the networks' grid, at most.
    pub most_voxels: usize,
    /// Optimisation steps of the generator.
    pub generator_steps: u64,
    /// Steps from noise to a scan.
    pub sampling_steps: usize,
    /// The masks that edits begin with.
    pub edited_masks: usize,
    /// How often each segmentation network of the study is trained.
    pub study_seeds: u64,
    /// Optimisation steps of each.
    pub study_steps: u64,
    /// Channels of the finest stage of each.
    pub study_channels: usize,
    /// Resamples of every interval.
    pub resamples: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            phantoms: 20,
            phantom_shape: [48; 3],
            most_subjects: 20,
            most_held_out: 8,
            most_voxels: 128 << 10,
            generator_steps: 700,
            sampling_steps: 20,
            edited_masks: 3,
            study_seeds: 3,
            study_steps: 600,
            study_channels: 16,
            resamples: 1000,
        }
    }
}

impl Effort {
    /// Just enough to see every part at work, in about a minute; nothing is learnt.
    #[must_use]
    pub fn smoke_test() -> Self {
        Self {
            phantoms: 8,
            phantom_shape: [32; 3],
            most_subjects: 8,
            most_held_out: 3,
            most_voxels: 32 << 10,
            generator_steps: 20,
            sampling_steps: 5,
            edited_masks: 1,
            study_steps: 5,
            study_channels: 4,
            resamples: 100,
            ..Self::default()
        }
    }

    /// Refuses what would be found out late.
    pub(super) fn check(&self) -> Result<()> {
        let Self { phantoms, most_subjects, most_held_out, most_voxels, resamples, .. } = self;
        let least = [
            ("phantoms", *phantoms, 1),
            ("most_subjects", *most_subjects, 1),
            ("most_held_out", *most_held_out, 1),
            ("most_voxels", *most_voxels, 8 * 8 * 8),
            ("sampling_steps", self.sampling_steps, 2),
            ("study_channels", self.study_channels, 1),
            ("resamples", *resamples, 10),
        ];
        for (field, found, least) in least {
            if found < least {
                return Err(Error::argument(field, found, format!("at least {least}")));
            }
        }
        Ok(())
    }

    /// The digital brains of a seed, half of them with dementia.
    pub(super) fn phantoms(&self, seed: u64) -> CohortConfig {
        let diagnoses = vec![Diagnosis::Healthy, Diagnosis::Dementia];
        let (subjects, shape) = (self.phantoms, self.phantom_shape);
        CohortConfig { subjects, shape, diagnoses, seed, ..CohortConfig::default() }
    }
}
