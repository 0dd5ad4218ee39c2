//! The stage that trains the segmentation network of one arm from one seed.

use std::path::{Path, PathBuf};

use mrisynth_cohort::Visit;
use mrisynth_segmentation::{CleanUp, SlidingWindowConfig};
use mrisynth_training::Outcome;
use serde_json::{Value, json};

use super::augmentation_study::AugmentationStudy;
use super::config::ArmConfig;
use super::generator_training::open_run;
use super::synthesis::{Synthesis, cohort_of};
use crate::error::{Error, Result};
use crate::segmentation::{SegmentationExperiment, SegmentationRun};
use crate::stage_graph::{Stage, StageEnd, Work};

/// Trains an arm.
pub(crate) struct ArmTraining<'a> {
    study: &'a AugmentationStudy,
    arm: &'a ArmConfig,
    seed: u64,
    name: String,
}

impl<'a> ArmTraining<'a> {
    pub(crate) fn new(study: &'a AugmentationStudy, arm: &'a ArmConfig, seed: u64) -> Self {
        Self { study, arm, seed, name: Self::stage_of(arm, seed) }
    }

    /// The name of the stage of an arm and a seed.
    pub(crate) fn stage_of(arm: &ArmConfig, seed: u64) -> String {
        format!("training-{}-{seed}", arm.name)
    }

    /// The run in the stage's folder.
    pub(crate) fn run_in(folder: &Path) -> PathBuf {
        folder.join("run")
    }

    /// The experiment of every arm. Nothing is held out, so that all of them end at their last step,
    /// and none is chosen by anybody's scans.
    pub(crate) fn experiment(&self) -> SegmentationExperiment {
        let mut experiment = self.study.segmentation.clone();
        experiment.recipe.seed = self.seed;
        experiment.held_out = 0.0;
        experiment.run.validate_every = 0;
        experiment.run.preview_every = 0;
        experiment
    }

    fn real(&self) -> Vec<Visit> {
        self.study.real(self.arm.real)
    }

    /// Everything that the arm learns from.
    fn visits(&self, work: &Work<'_>) -> Result<Vec<Visit>> {
        let real = self.real();
        let mut visits = Vec::new();
        for _ in 0..self.arm.real_repeats {
            visits.extend(real.iter().cloned());
        }
        for synthesis in &self.arm.synthetic {
            let folder = work.folder_of(&Synthesis::stage_of(synthesis));
            visits.extend(Synthesis::scans_in(&folder)?);
        }
        Ok(visits)
    }
}

impl Stage for ArmTraining<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> Vec<String> {
        self.arm.synthetic.iter().map(|synthesis| Synthesis::stage_of(synthesis)).collect()
    }

    fn settings(&self) -> Result<Value> {
        let real = self.study.known_by(&self.real());
        let repeats = self.arm.real_repeats;
        // How scans are segmented afterwards changes nothing in the training.
        let mut experiment = self.experiment();
        experiment.window = SlidingWindowConfig::default();
        experiment.clean_up = CleanUp::None;
        let experiment = experiment.to_toml()?;
        Ok(json!({ "experiment": experiment, "real": real, "real_repeats": repeats }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let (folder, stop) = (work.folder(), work.stop);
        let experiment = self.experiment();
        let cohort = cohort_of(self.visits(work)?);
        let run = open_run(&Self::run_in(&folder), &experiment.to_toml()?)?;
        let mut training = SegmentationRun::new(&experiment, &cohort)?;
        let outcome = training.train(&run, stop, &mut work.training())?;
        if matches!(outcome, Outcome::Stopped(_)) {
            return Ok(StageEnd::Stopped);
        }
        let latest = run.checkpoints().latest()?.ok_or_else(|| {
            Error::argument("a training", run.path().display(), "a checkpoint of its last step")
        })?;
        let weights = latest.checkpoint.path_of("model.safetensors")?;
        Ok(StageEnd::Done(vec![weights.strip_prefix(&folder).unwrap_or(&weights).to_owned()]))
    }
}
