//! The stage that finds out whether synthetic scans help a segmentation network.

use std::path::{Path, PathBuf};

use mrisynth_cohort::Visit;
use mrisynth_metrics::uncertainty::BootstrapConfig;
use serde_json::{Value, json};

use super::context::{COHORT, Context, GENERATOR, PLAN, PlannedStage, STUDY};
use super::plan::Plan;
use super::scan_stages::study_edits;
use crate::error::{Error, Result};
use crate::segmentation::{SegmentationExperiment, prediction_name};
use crate::stage_graph::{StageEnd, Work};
use crate::study::{
    ArmConfig, ArmTraining, AugmentationStudy, FORMAT, GeneratorSource, GeneratorTraining,
    MeasuredOn, Members, Prediction, RealScans, SplitConfig, StudyConfig, SynthesisConfig, VERSION,
};

const REAL: &str = "real";
const SAME_MASKS: &str = "same-masks";
const EDITED_MASKS: &str = "edited-masks";

/// Does a small augmentation study.
pub(super) struct StudyStage;

impl StudyStage {
    /// The run of the first network that was trained on real scans alone.
    pub(super) fn real_run_in(folder: &Path, seed: u64) -> PathBuf {
        let arm = arm(REAL, RealScans::Training, &[]);
        ArmTraining::run_in(&folder.join(ArmTraining::stage_of(&arm, first_seed(seed))))
    }

    /// What that network found in the scans of a visit.
    pub(super) fn found_in(folder: &Path, seed: u64, visit: &Visit) -> PathBuf {
        let arm = arm(REAL, RealScans::Training, &[]);
        folder.join(Prediction::stage_of(&arm, first_seed(seed))).join(prediction_name(visit))
    }

    /// The study: real scans, synthetic ones of the same people's masks, and both.
    fn config(context: &Context<'_>) -> Result<StudyConfig> {
        let (plan, asked) = (context.plan()?, context.config);
        let named = |subjects: &std::collections::BTreeSet<String>| {
            Members::Named(subjects.iter().cloned().collect())
        };
        let synthesis = |name: &str, edits| SynthesisConfig {
            name: name.into(),
            replicas: 1,
            edits,
            variants: 1,
            seed: asked.seed,
        };
        let both = [SAME_MASKS, EDITED_MASKS];
        let resamples = asked.effort.resamples;
        Ok(StudyConfig {
            format: FORMAT.into(),
            version: VERSION,
            name: "Do synthetic scans help?".into(),
            cohort: Path::new("..").join(COHORT),
            split: SplitConfig {
                training: named(&plan.training),
                validation: Members::default(),
                test: Some(named(&plan.test)),
                seed: asked.seed,
            },
            measured_on: MeasuredOn::Test,
            generator: Some(GeneratorSource::Checkpoint(GeneratorTraining::run_in(
                &Path::new("..").join(GENERATOR),
            ))),
            syntheses: vec![
                synthesis(SAME_MASKS, Vec::new()),
                synthesis(EDITED_MASKS, study_edits(plan)),
            ],
            arms: vec![
                arm(REAL, RealScans::Training, &[]),
                arm("synthetic", RealScans::None, &both),
                arm("hybrid", RealScans::Training, &both),
            ],
            ceiling: None,
            segmentation: Plan::segmentation_in(Path::new("")),
            seeds: (first_seed(asked.seed)..).take(seeds(asked.effort.study_seeds)?).collect(),
            scores: Default::default(),
            near_copies: Default::default(),
            bootstrap: BootstrapConfig { resamples, ..BootstrapConfig::default() },
            permutation: Default::default(),
        })
    }
}

impl PlannedStage for StudyStage {
    fn name(&self) -> &'static str {
        STUDY
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[COHORT, GENERATOR]
    }

    fn lacks(&self, plan: &Plan) -> Option<String> {
        plan.lacks(2, 2)
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        let file = Plan::segmentation_in(&context.folder(PLAN));
        let segmentation = SegmentationExperiment::read(file)?.to_toml()?;
        let experiment = context.experiment()?;
        Ok(json!({
            "study": Self::config(context)?, "segmentation": segmentation,
            "data": experiment.data, "sampling": experiment.sampling,
        }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let (folder, stop) = (work.folder(), work.stop);
        let plan = work.folder_of(PLAN);
        let study = AugmentationStudy::new(Self::config(context)?, &plan, context.cohort()?)?
            .with_generator_of_training_subjects();
        let found = study.run(&folder, stop, &mut work.within())?;
        if found.is_none() {
            return Ok(StageEnd::Stopped);
        }
        let results = AugmentationStudy::results_in(&folder);
        let results = results.strip_prefix(&folder).unwrap_or(&results).to_owned();
        Ok(StageEnd::Done(vec![results]))
    }
}

fn arm(name: &str, real: RealScans, synthetic: &[&str]) -> ArmConfig {
    let synthetic = synthetic.iter().map(|set| (*set).to_owned()).collect();
    ArmConfig { name: name.into(), real, real_repeats: 1, synthetic }
}

/// Seeds of networks are not those of the generator.
fn first_seed(seed: u64) -> u64 {
    seed.wrapping_add(1)
}

fn seeds(n: u64) -> Result<usize> {
    usize::try_from(n).map_err(|_| Error::argument("study_seeds", n, "a few"))
}
