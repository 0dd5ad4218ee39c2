//! A study that is ready to run: its cohort divided, its experiments read, its stages laid out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mrisynth_cohort::{Manifest, Visit};
use mrisynth_metrics::Results;
use mrisynth_training::Stop;
use serde_json::Value;

use super::arm_training::ArmTraining;
use super::config::{GeneratorSource, MeasuredOn, RealScans, StudyConfig};
use super::generator_training::{GENERATOR, GeneratorTraining};
use super::measurement::{Measurement, Prediction};
use super::near_copies::NearCopies;
use super::split::StudySplit;
use super::split_record::SplitRecord;
use super::summary_stage::SummaryStage;
use super::synthesis::Synthesis;
use crate::checkpoint::Checkpoint;
use crate::cohort_source::open_cohort;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::scan_digests::ScanDigests;
use crate::segmentation::SegmentationExperiment;
use crate::stage_graph::{Stage, StageEvent, Work, run_stages};

/// Where the generator comes from, read and checked.
#[derive(Clone, Debug)]
pub(super) enum Generator {
    /// It is trained.
    Trained(Box<Experiment>),
    /// It is there.
    Existing(Box<Checkpoint>),
}

/// The augmentation study of a configuration on a cohort.
///
/// The split is a function of cohort and configuration and is fixed before anything is trained; the
/// generator, and every arm, sees scans of training subjects only (but for an arm that is a ceiling on
/// purpose). All arms share one segmentation experiment, and so take equally many optimisation steps.
#[derive(Clone, Debug)]
pub struct AugmentationStudy {
    pub(super) config: StudyConfig,
    pub(super) cohort: Manifest,
    pub(super) split: StudySplit,
    pub(super) segmentation: SegmentationExperiment,
    pub(super) generator: Option<Generator>,
    /// Of every file that the study may read.
    digests: ScanDigests,
    /// Whether it is known that an existing generator has seen training subjects alone.
    pub(super) is_generator_ours: bool,
}

impl AugmentationStudy {
    /// The study of a TOML file, on its cohort or on another one.
    ///
    /// # Errors
    /// Those of reading the file and whatever it names, and of [`new`](Self::new).
    pub fn read(path: impl AsRef<Path>, cohort: Option<&Path>) -> Result<Self> {
        let path = path.as_ref();
        let config = StudyConfig::read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let own = folder.join(&config.cohort);
        let cohort = open_cohort(cohort.unwrap_or(&own))?;
        Self::new(config, folder, cohort)
    }

    /// Divides the cohort, reads the experiments, which the configuration names relative to `folder`, and
    /// takes the digests of all scans.
    ///
    /// # Errors
    /// [`Error::Argument`] for a configuration that contradicts itself or the cohort, and for subjects
    /// without scans that can be used; those of reading.
    pub fn new(config: StudyConfig, folder: &Path, cohort: Manifest) -> Result<Self> {
        config.check()?;
        let split = StudySplit::new(&cohort, &config.split)?;
        let segmentation = SegmentationExperiment::read(folder.join(&config.segmentation))?;
        let generator = match &config.generator {
            None => None,
            Some(GeneratorSource::Experiment(path)) => {
                Some(Generator::Trained(Box::new(Experiment::read(folder.join(path))?)))
            }
            Some(GeneratorSource::Checkpoint(path)) => {
                Some(Generator::Existing(Box::new(Checkpoint::find(folder.join(path))?)))
            }
        };
        let (digests, is_generator_ours) = (ScanDigests::default(), false);
        let mut study =
            Self { config, cohort, split, segmentation, generator, digests, is_generator_ours };
        study.check_masks_and_images()?;
        study.digests = ScanDigests::of(&study.everybody())?;
        Ok(study)
    }

    /// Takes the word of its maker that the existing generator has seen training subjects alone.
    pub(crate) fn with_generator_of_training_subjects(self) -> Self {
        Self { is_generator_ours: true, ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &StudyConfig {
        &self.config
    }

    /// Who is learnt from, and who is tested.
    #[must_use]
    pub fn split(&self) -> &StudySplit {
        &self.split
    }

    /// Does in `out` what is not done there yet, and gives the results; none when somebody asked to stop.
    /// The same again goes on where it was stopped, whatever stopped it; after a change of the
    /// configuration, what depends on it is done again.
    ///
    /// # Errors
    /// Those of the stages; what was done stays done.
    pub fn run(
        &self,
        out: &Path,
        stop: &Stop,
        observer: &mut dyn FnMut(&StageEvent<'_>),
    ) -> Result<Option<Results>> {
        if !run_stages(out, &self.stages(), stop, observer)? {
            return Ok(None);
        }
        Ok(Some(Results::read(SummaryStage::results_in(out))?))
    }

    /// The document of the results of a study that is done in this folder.
    pub(crate) fn results_in(out: &Path) -> PathBuf {
        SummaryStage::results_in(out)
    }

    /// Every stage, each after those that it depends on.
    pub(super) fn stages(&self) -> Vec<Box<dyn Stage + '_>> {
        let mut stages: Vec<Box<dyn Stage + '_>> = vec![Box::new(SplitRecord { study: self })];
        if let Some(Generator::Trained(experiment)) = &self.generator {
            stages.push(Box::new(GeneratorTraining { study: self, experiment }));
        }
        for synthesis in &self.config.syntheses {
            stages.push(Box::new(Synthesis::new(self, synthesis)));
            stages.push(Box::new(NearCopies::new(self, synthesis)));
        }
        for arm in &self.config.arms {
            for &seed in &self.config.seeds {
                stages.push(Box::new(ArmTraining::new(self, arm, seed)));
                stages.push(Box::new(Prediction::new(self, arm, seed)));
                stages.push(Box::new(Measurement::new(self, arm, seed)));
            }
        }
        stages.push(Box::new(SummaryStage { study: self }));
        stages
    }

    /// The weights that synthetic scans are made with.
    pub(super) fn checkpoint(&self, work: &Work<'_>) -> Result<Checkpoint> {
        match &self.generator {
            Some(Generator::Existing(checkpoint)) => Ok(checkpoint.as_ref().clone()),
            _ => Checkpoint::find(GeneratorTraining::run_in(&work.folder_of(GENERATOR))),
        }
    }

    /// The experiment of the generator.
    pub(super) fn generator_experiment(&self) -> Result<&Experiment> {
        match &self.generator {
            Some(Generator::Trained(experiment)) => Ok(experiment),
            Some(Generator::Existing(checkpoint)) => self.experiment_of(checkpoint),
            None => Err(Error::argument("generator", "absent", "one")),
        }
    }

    fn experiment_of<'a>(&self, checkpoint: &'a Checkpoint) -> Result<&'a Experiment> {
        checkpoint.experiment().ok_or_else(|| {
            let expected = "weights with their configuration beside them";
            Error::argument("generator", checkpoint.path().display(), expected)
        })
    }

    /// The visits of the training subjects.
    pub(super) fn training(&self) -> Vec<Visit> {
        self.visits(self.split.training.iter())
    }

    /// The visits that an arm's real scans are of.
    pub(super) fn real(&self, which: RealScans) -> Vec<Visit> {
        let StudySplit { training, validation, test, unused } = &self.split;
        match which {
            RealScans::None => Vec::new(),
            RealScans::Training => self.visits(training.iter()),
            RealScans::AllButHeldOut => {
                let held_out: &BTreeSet<String> = self.measured_subjects();
                let everybody = training.iter().chain(validation).chain(unused);
                self.visits(everybody.filter(|s| !held_out.contains(*s) && !test.contains(*s)))
            }
        }
    }

    /// The visits that are measured.
    pub(super) fn measured(&self) -> Vec<Visit> {
        self.visits(self.measured_subjects().iter())
    }

    fn measured_subjects(&self) -> &BTreeSet<String> {
        match self.config.measured_on {
            MeasuredOn::Validation => &self.split.validation,
            MeasuredOn::Test => &self.split.test,
        }
    }

    /// What visits are known by, wherever they lie: whose they are, and the digests of their files.
    pub(super) fn known_by(&self, visits: &[Visit]) -> Value {
        self.digests.known_by(visits)
    }

    /// All visits of subjects that both kinds of networks can use.
    fn visits<'a>(&self, subjects: impl Iterator<Item = &'a String>) -> Vec<Visit> {
        let subjects: BTreeSet<&str> = subjects.map(String::as_str).collect();
        let mut images = self.segmentation.images.clone();
        if let Ok(experiment) = self.generator_experiment() {
            images.extend(experiment.data.images.iter().cloned());
        }
        StudySplit::visits(&self.cohort, &subjects, &images)
    }

    /// Every subject that is learnt from or measured needs a visit.
    fn check_masks_and_images(&self) -> Result<()> {
        let usable: BTreeSet<String> =
            self.training().into_iter().chain(self.measured()).map(|visit| visit.subject).collect();
        if self.measured_subjects().is_empty() {
            let expected = "subjects, as the study measures on them";
            return Err(Error::argument("split.validation", "empty", expected));
        }
        let mut needed = self.split.training.iter().chain(self.measured_subjects());
        match needed.find(|subject| !usable.contains(*subject)) {
            Some(subject) => {
                let expected = "a mask and every image that the experiments name";
                Err(Error::argument("a subject of the study", subject, expected))
            }
            None => Ok(()),
        }
    }

    fn everybody(&self) -> Vec<Visit> {
        let StudySplit { training, validation, test, unused } = &self.split;
        self.visits(training.iter().chain(validation).chain(test).chain(unused))
    }
}
