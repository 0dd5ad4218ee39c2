//! The stage that trains the generator, on the training subjects alone.

use std::path::{Path, PathBuf};

use mrisynth_cohort::{Cache, Manifest};
use mrisynth_training::{Outcome, RunFolder};
use serde_json::{Value, json};

use super::augmentation_study::AugmentationStudy;
use crate::checkpoint::Checkpoint;
use crate::cohort_source::Division;
use crate::error::Result;
use crate::experiment::{Experiment, GenerationConfig};
use crate::stage_graph::{Stage, StageEnd, Work};
use crate::training_run::TrainingRun;

/// The name of the stage.
pub(crate) const GENERATOR: &str = "generator";

/// Trains the generator.
pub(crate) struct GeneratorTraining<'a> {
    pub(crate) study: &'a AugmentationStudy,
    pub(crate) experiment: &'a Experiment,
}

impl GeneratorTraining<'_> {
    /// The run in the stage's folder.
    pub(crate) fn run_in(folder: &Path) -> PathBuf {
        folder.join("run")
    }
}

impl Stage for GeneratorTraining<'_> {
    fn name(&self) -> &str {
        GENERATOR
    }

    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> Result<Value> {
        let training = self.study.known_by(&self.study.training());
        // How it is sampled from changes nothing in its training.
        let mut experiment = self.experiment.clone();
        experiment.sampling = GenerationConfig::default();
        Ok(json!({ "experiment": experiment.to_toml()?, "training": training }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let cohort = Manifest::new("", self.study.training());
        train_generator(self.experiment, &cohort, None, work)
    }
}

/// Trains a generator on all of a cohort, or goes on with that, in the folder of a stage.
pub(crate) fn train_generator(
    experiment: &Experiment,
    cohort: &Manifest,
    data_card: Option<&Path>,
    work: &mut Work<'_>,
) -> Result<StageEnd> {
    let (folder, stop, mut experiment) = (work.folder(), work.stop, experiment.clone());
    let seed = experiment.diffusion.seed;
    if Division::new(cohort, experiment.training.held_out, seed)?.held_out.is_none() {
        experiment.training.run.validate_every = 0;
    }
    let run = open_run(&GeneratorTraining::run_in(&folder), &experiment.to_toml()?)?;
    let begun = !run.checkpoints().steps()?.is_empty();
    let cache = Cache::open(folder.join("cache"))?;
    let mut training = TrainingRun::new(&experiment, cohort, &cache, begun)?;
    let outcome = training.train(&run, data_card, stop, &mut work.training())?;
    if matches!(outcome, Outcome::Stopped(_)) {
        return Ok(StageEnd::Stopped);
    }
    let checkpoint = Checkpoint::find(run.path())?;
    let weights = checkpoint.path();
    Ok(StageEnd::Done(vec![weights.strip_prefix(&folder).unwrap_or(weights).to_owned()]))
}

/// The run of a stage: the one that was begun, else a new one.
pub(crate) fn open_run(path: &Path, config: &str) -> Result<RunFolder> {
    if path.join("config.toml").is_file() {
        return Ok(RunFolder::open(path)?);
    }
    Ok(RunFolder::create(path, config)?)
}
