//! The last stage: all that came out, on one page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mrisynth_cohort::{Manifest, Visit};
use mrisynth_report::page::{Card, Reference};
use serde_json::{Value, json};

use super::cohort_stage::CohortStage;
use super::context::{
    COHORT, Context, EDITED, EVALUATION, FOLLOWING, GENERATOR, HELD_OUT, PlannedStage, REPORT,
    STUDY,
};
use super::measurement_stages::FollowingStage;
use super::plan::Plan;
use super::scan_stages::{EditedStage, HeldOutStage, scans_in};
use super::study_stage::StudyStage;
use crate::cohort_source::open_cohort;
use crate::error::{Error, Result};
use crate::mask_file::MaskFile;
use crate::result_page::{LabelMapSets, PageCase, Part, ResultPage};
use crate::stage_graph::{StageEnd, Work, reason_of_skipping};
use crate::study::GeneratorTraining;

/// Beside the folders of the stages, where it is looked for.
pub(super) const PAGE: &str = "report.html";
/// Held-out masks that are shown, at most.
const SHOWN: usize = 4;
/// What cannot be shown where a stage was skipped.
const PARTS: [(&str, &[Part]); 4] = [
    (HELD_OUT, &[Part::Denoising]),
    (EVALUATION, &[Part::Metrics, Part::StructureVolumes, Part::Privacy]),
    (FOLLOWING, &[Part::MaskFollowing]),
    (STUDY, &[Part::Study]),
];

/// Writes the page.
pub(super) struct ReportStage;

impl PlannedStage for ReportStage {
    fn name(&self) -> &'static str {
        REPORT
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[COHORT, GENERATOR, HELD_OUT, EDITED, EVALUATION, STUDY, FOLLOWING]
    }

    fn lacks(&self, _: &Plan) -> Option<String> {
        None
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        Ok(json!({ "plan": context.plan()?, "page": env!("CARGO_PKG_VERSION") }))
    }

    fn run(&self, context: &Context<'_>, _: &mut Work<'_>) -> Result<StageEnd> {
        page(context)?.write(context.root.join(PAGE))?;
        // Above the stage's own folder.
        Ok(StageEnd::Done(vec![PathBuf::from("..").join(PAGE)]))
    }
}

/// The page, filled with what there is.
fn page(context: &Context<'_>) -> Result<ResultPage> {
    let plan = context.plan()?;
    let folder = |stage: &str| context.folder(stage);
    let mut skipped = BTreeMap::new();
    for (stage, parts) in PARTS {
        if let Some(reason) = reason_of_skipping(&folder(stage))? {
            skipped.extend(parts.iter().map(|part| (*part, reason.clone())));
        }
    }
    let held_out = MaskFile::of_visits(&context.first_visits(&plan.test)?);
    let trajectory =
        held_out.first().map(|mask| HeldOutStage::trajectory_in(&folder(HELD_OUT), mask));
    let [card, _] = CohortStage::cards_in(&folder(COHORT));
    let markdown = std::fs::read_to_string(&card).map_err(|e| Error::io(&card, "read", e))?;
    let is_phantom = context.config.data.is_none();
    let reference = if is_phantom { Reference::Phantom } else { Reference::People };
    let whose = if is_phantom { "digital brains" } else { "a cohort" };
    let (training, test) = (plan.training.len(), plan.test.len());
    Ok(ResultPage {
        title: "Quick start".into(),
        summary: format!(
            "Synthetic {} from the masks of {whose}: learnt from {training} subjects, tried on {test} others.",
            plan.image
        ),
        reference,
        settings: settings(context, plan),
        modality: plan.image.clone(),
        scheme: Some(plan.label_scheme()?),
        run: Some(GeneratorTraining::run_in(&folder(GENERATOR))),
        cases: cases(context, plan)?,
        trajectory,
        following: FollowingStage::results_in(&folder(FOLLOWING))?,
        evaluation: Some(folder(EVALUATION)),
        volumes: volumes(context, plan)?,
        study: Some(folder(STUDY)),
        cards: vec![Card { title: "Data card".into(), markdown }],
        provenance: vec![("seed of the quick start".into(), context.config.seed.to_string())],
        skipped,
        ..ResultPage::default()
    })
}

/// What was decided, for the head of the page.
fn settings(context: &Context<'_>, plan: &Plan) -> Vec<(String, String)> {
    let names = |subjects: &BTreeSet<String>| match subjects.is_empty() {
        true => "nobody".to_owned(),
        false => subjects.iter().cloned().collect::<Vec<_>>().join(", "),
    };
    let effort = &context.config.effort;
    let mut settings = vec![
        ("Learnt from".into(), names(&plan.training)),
        ("Held out".into(), names(&plan.test)),
        ("Steps of the generator's training".into(), effort.generator_steps.to_string()),
        ("Steps from noise to a scan".into(), effort.sampling_steps.to_string()),
    ];
    if let Some(limit) = limit(context) {
        settings.push(("Mind".into(), limit.into()));
    }
    settings.extend(plan.notes.iter().map(|note| ("Decided".to_owned(), note.clone())));
    settings
}

/// Networks that have seen next to nothing make scans of nothing.
fn limit(context: &Context<'_>) -> Option<&'static str> {
    let few = context.config.effort.generator_steps < 100;
    few.then_some("A smoke test: nothing was learnt, and no number means anything.")
}

/// Scans of held-out masks, then of edited ones.
fn cases(context: &Context<'_>, plan: &Plan) -> Result<Vec<PageCase>> {
    let real = Manifest::new("", context.first_visits(&plan.test)?);
    let mut cases = Vec::new();
    if reason_of_skipping(&context.folder(HELD_OUT))?.is_none() {
        let synthetic = open_cohort(scans_in(&context.folder(HELD_OUT)))?;
        cases = PageCase::of_cohort(&synthetic, Some(&real), &plan.image, "held out", SHOWN);
    }
    let edited = context.folder(EDITED);
    if reason_of_skipping(&edited)?.is_none() {
        let synthetic = open_cohort(scans_in(&edited))?;
        let mut records = EditedStage::records_in(&edited)?;
        records.retain(|record| record.refused.is_none());
        let first = records.first().map(|record| record.subject.clone()).unwrap_or_default();
        for record in records.iter().filter(|record| record.subject == first) {
            let of = |visit: &&Visit| {
                visit.subject == record.subject && visit.session.as_ref() == Some(&record.session)
            };
            let visits = synthetic.visits.iter().filter(of).cloned().collect();
            let one = Manifest::new(synthetic.folder(), visits);
            cases.extend(PageCase::of_cohort(&one, None, &plan.image, &record.edit, 1));
        }
    }
    Ok(cases)
}

/// What a network that learnt from real scans finds in held-out real and synthetic scans of the same
/// masks; without a network the masks themselves.
fn volumes(context: &Context<'_>, plan: &Plan) -> Result<Option<LabelMapSets>> {
    let held_out = context.first_visits(&plan.test)?;
    let found = FollowingStage::found_in(&context.folder(FOLLOWING))?;
    if !found.is_empty() {
        let of = |visit: &Visit| {
            StudyStage::found_in(&context.folder(STUDY), context.config.seed, visit)
        };
        let what = "By what a network that learnt from the real training scans finds in held-out real scans \
                    and in the synthetic scans of the same masks.";
        let real = held_out.iter().map(of).collect();
        return Ok(Some(LabelMapSets { what: what.into(), real, synthetic: found }));
    }
    let edited = context.folder(EDITED);
    if reason_of_skipping(&edited)?.is_some() {
        return Ok(None);
    }
    let paths = |masks: Vec<MaskFile>| masks.into_iter().map(|mask| mask.path).collect();
    let real = paths(MaskFile::of_visits(&context.first_visits(&plan.training)?));
    let synthetic = MaskFile::of_visits(&held_out).into_iter();
    let synthetic = synthetic.chain(MaskFile::find(edited.join("masks"))?);
    let what = "By the masks that the generator learnt from, and those that scans were made of, edited ones \
                included.";
    Ok(Some(LabelMapSets { what: what.into(), real, synthetic: paths(synthetic.collect()) }))
}
