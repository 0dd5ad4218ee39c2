//! The stage that trains the generator, on the training subjects alone.

use mrisynth_cohort::Manifest;
use serde_json::{Value, json};

use super::cohort_stage::CohortStage;
use super::context::{COHORT, Context, GENERATOR, PlannedStage};
use super::plan::Plan;
use crate::error::Result;
use crate::experiment::GenerationConfig;
use crate::stage_graph::{StageEnd, Work};
use crate::study::train_generator;

/// Trains the generator.
pub(super) struct GeneratorStage;

impl PlannedStage for GeneratorStage {
    fn name(&self) -> &'static str {
        GENERATOR
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[COHORT]
    }

    fn lacks(&self, _: &Plan) -> Option<String> {
        None
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        // How it is sampled from changes nothing in its training.
        let mut experiment = context.experiment()?;
        experiment.sampling = GenerationConfig::default();
        let training = &context.plan()?.training;
        Ok(json!({ "experiment": experiment.to_toml()?, "training": training }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let cohort = Manifest::new("", context.visits(&context.plan()?.training)?);
        let [_, card] = CohortStage::cards_in(&work.folder_of(COHORT));
        train_generator(&context.experiment()?, &cohort, Some(&card), work)
    }
}
