//! What all stages know: what was asked for, where they work, and the plan.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mrisynth_cohort::{Manifest, Visit};
use serde_json::{Value, json};

use super::config::QuickstartConfig;
use super::plan::Plan;
use crate::cohort_source::open_cohort;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::stage_graph::{Stage, StageEnd, Work};
use crate::study::StudySplit;

/// The stages, which are also their folders.
pub(super) const COHORT: &str = "cohort";
pub(super) const PLAN: &str = "plan";
pub(super) const GENERATOR: &str = "generator";
pub(super) const HELD_OUT: &str = "held-out";
pub(super) const EDITED: &str = "edited";
pub(super) const EVALUATION: &str = "evaluation";
pub(super) const STUDY: &str = "study";
pub(super) const FOLLOWING: &str = "mask-following";
pub(super) const REPORT: &str = "report";

/// What all stages know.
pub(super) struct Context<'a> {
    pub(super) config: &'a QuickstartConfig,
    pub(super) root: &'a Path,
    plan: OnceCell<Plan>,
}

impl<'a> Context<'a> {
    pub(super) fn new(config: &'a QuickstartConfig, root: &'a Path) -> Self {
        Self { config, root, plan: OnceCell::new() }
    }

    /// The folder of a stage.
    pub(super) fn folder(&self, stage: &str) -> PathBuf {
        self.root.join(stage)
    }

    /// The plan, once its stage is done.
    pub(super) fn plan(&self) -> Result<&Plan> {
        if let Some(plan) = self.plan.get() {
            return Ok(plan);
        }
        let plan = Plan::read(&Plan::file_in(&self.folder(PLAN)))?;
        Ok(self.plan.get_or_init(|| plan))
    }

    /// The experiment of the generator.
    pub(super) fn experiment(&self) -> Result<Experiment> {
        Experiment::read(Plan::generator_in(&self.folder(PLAN)))
    }

    /// The cohort, whoever it is of.
    pub(super) fn cohort(&self) -> Result<Manifest> {
        open_cohort(self.folder(COHORT))
    }

    /// The visits of some subjects that the networks can use.
    pub(super) fn visits(&self, subjects: &BTreeSet<String>) -> Result<Vec<Visit>> {
        let subjects: BTreeSet<&str> = subjects.iter().map(String::as_str).collect();
        let images = [self.plan()?.image.clone()];
        Ok(StudySplit::visits(&self.cohort()?, &subjects, &images))
    }

    /// The first visit of each of some subjects.
    pub(super) fn first_visits(&self, subjects: &BTreeSet<String>) -> Result<Vec<Visit>> {
        let mut seen = BTreeSet::new();
        let mut visits = self.visits(subjects)?;
        visits.retain(|visit| seen.insert(visit.subject.clone()));
        Ok(visits)
    }
}

/// A stage after the plan, which may turn out to be impossible.
pub(super) trait PlannedStage {
    fn name(&self) -> &'static str;

    /// The stages that it depends on.
    fn inputs(&self) -> &'static [&'static str];

    /// What there is too little of, if it cannot be done.
    fn lacks(&self, plan: &Plan) -> Option<String>;

    /// All else that its result depends on.
    fn settings(&self, context: &Context<'_>) -> Result<Value>;

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd>;
}

/// A stage that is skipped where something lacks.
pub(super) struct Planned<'a, S> {
    pub(super) context: &'a Context<'a>,
    pub(super) stage: S,
}

impl<S: PlannedStage> Stage for Planned<'_, S> {
    fn name(&self) -> &str {
        self.stage.name()
    }

    fn inputs(&self) -> Vec<String> {
        self.stage.inputs().iter().map(|input| (*input).to_owned()).collect()
    }

    fn settings(&self) -> Result<Value> {
        match self.stage.lacks(self.context.plan()?) {
            Some(reason) => Ok(json!({ "lacks": reason })),
            None => self.stage.settings(self.context),
        }
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        match self.stage.lacks(self.context.plan()?) {
            Some(reason) => Ok(StageEnd::Skipped(reason)),
            None => self.stage.run(self.context, work),
        }
    }
}
