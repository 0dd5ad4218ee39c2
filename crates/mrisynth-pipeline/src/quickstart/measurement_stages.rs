//! The stages that measure: synthetic scans beside real ones, and beside their masks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mrisynth_cohort::{Manifest, Visit};
use mrisynth_metrics::Results;
use mrisynth_metrics::uncertainty::BootstrapConfig;
use serde_json::{Value, json};

use super::common_grid::to_common_grid;
use super::context::{COHORT, Context, EVALUATION, FOLLOWING, HELD_OUT, PlannedStage, STUDY};
use super::plan::Plan;
use super::scan_stages::scans_in;
use super::study_stage::StudyStage;
use crate::cohort_source::{open_cohort, whole_visits};
use crate::conversion::Conversion;
use crate::error::Result;
use crate::evaluation::{EvaluationConfig, EvaluationEvent, ScanSet, Scope, measure};
use crate::mask_file::MaskFile;
use crate::mask_following::MaskFollowing;
use crate::segmentation::{load_predictor, segment_cohort};
use crate::stage_graph::{StageEnd, Work, files_below, reason_of_skipping};

const FOLLOWED: &str = "mask-following.json";
const FOUND: &str = "found";

/// Compares synthetic scans with real ones: of held-out people as to quality, of training subjects as to
/// copies.
pub(super) struct EvaluationStage;

impl EvaluationStage {
    fn config(context: &Context<'_>) -> EvaluationConfig {
        EvaluationConfig {
            bootstrap: context.config.effort.resamples,
            seed: context.config.seed,
            ..EvaluationConfig::default()
        }
    }

    /// Held-out, synthetic and training scans, on one grid.
    fn sets(context: &Context<'_>, work: &mut Work<'_>) -> Result<[Manifest; 3]> {
        let plan = context.plan()?;
        let real = context.first_visits(&plan.test)?;
        let training = context.first_visits(&plan.training)?;
        let synthetic = whole_visits(&open_cohort(scans_in(&work.folder_of(HELD_OUT)))?);
        let conversion = Conversion::new(&context.experiment()?.data)?;
        let folder = work.folder();
        let (mut done, of) = (0, real.len() + training.len() + synthetic.len());
        let mut observer = || {
            done += 1;
            work.progress(done, of);
        };
        let mut place = |visits: &[Visit], name: &str| {
            to_common_grid(visits, &conversion, &folder.join(name), &mut observer)
        };
        Ok([
            place(&real, "held-out")?,
            place(&synthetic, "synthetic")?,
            place(&training, "training")?,
        ])
    }
}

impl PlannedStage for EvaluationStage {
    fn name(&self) -> &'static str {
        EVALUATION
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[COHORT, HELD_OUT]
    }

    fn lacks(&self, plan: &Plan) -> Option<String> {
        plan.lacks(2, 2)
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        let plan = context.plan()?;
        Ok(json!({
            "config": Self::config(context), "training": plan.training, "test": plan.test,
            "data": context.experiment()?.data,
        }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let [held_out, synthetic, training] = Self::sets(context, work)?;
        let held_out = ScanSet::of_manifest(&held_out, None)?;
        let synthetic = ScanSet::of_manifest(&synthetic, None)?;
        let training = ScanSet::of_manifest(&training, None)?;
        if work.stop.is_requested() {
            return Ok(StageEnd::Stopped);
        }
        let config = Self::config(context);
        let folder = work.folder();
        let mut observer = |event: &EvaluationEvent| {
            let EvaluationEvent::Progress { done, of, .. } = event;
            work.progress(*done, *of);
        };
        let mut found =
            measure(Scope::SameMasks, [&held_out, &synthetic], None, &config, &mut observer)?;
        let sets = [&training, &synthetic];
        let privacy = measure(Scope::Privacy, sets, Some(&held_out), &config, &mut observer)?;
        found.results.records.extend(privacy.results.records);
        found.results.warnings.extend(privacy.results.warnings);
        found.results.warnings.dedup();
        found.plots.extend(privacy.plots);
        let written = found.write(&folder)?;
        let below = |path: &PathBuf| path.strip_prefix(&folder).map(Path::to_owned).ok();
        Ok(StageEnd::Done(written.iter().filter_map(below).collect()))
    }
}

/// Measures whether scans follow their masks.
pub(super) struct FollowingStage;

impl FollowingStage {
    /// What was found.
    pub(super) fn results_in(folder: &Path) -> Result<Option<Results>> {
        let path = folder.join(FOLLOWED);
        Ok(path.is_file().then(|| Results::read(path)).transpose()?)
    }

    /// What a network that learnt from real scans found in the synthetic ones; nothing without a network.
    pub(super) fn found_in(folder: &Path) -> Result<Vec<PathBuf>> {
        let found = folder.join(FOUND);
        match found.is_dir() {
            true => Ok(MaskFile::find(found)?.into_iter().map(|mask| mask.path).collect()),
            false => Ok(Vec::new()),
        }
    }
}

impl PlannedStage for FollowingStage {
    fn name(&self) -> &'static str {
        FOLLOWING
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[COHORT, HELD_OUT, STUDY]
    }

    fn lacks(&self, plan: &Plan) -> Option<String> {
        plan.lacks(1, 2)
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        let plan = context.plan()?;
        let resamples = context.config.effort.resamples;
        Ok(json!({ "scheme": plan.scheme, "image": plan.image, "resamples": resamples }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let plan = context.plan()?;
        let (folder, stop) = (work.folder(), work.stop);
        let synthetic = open_cohort(scans_in(&work.folder_of(HELD_OUT)))?;
        let real = Manifest::new("", context.first_visits(&plan.test)?);
        let study = work.folder_of(STUDY);
        // A network that has seen real scans alone, if the study has made one.
        let segmenter = match reason_of_skipping(&study)? {
            Some(_) => None,
            None => Some(load_predictor(StudyStage::real_run_in(&study, context.config.seed))?.0),
        };
        let mut outputs = vec![PathBuf::from(FOLLOWED)];
        if let Some(segmenter) = &segmenter {
            let images = [plan.image.clone()];
            let mut observer = |done: usize, of: usize| {
                work.progress(done, of);
                if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let found = folder.join(FOUND);
            segment_cohort(segmenter, &images, &synthetic, &found, &mut observer)?;
            if stop.is_requested() {
                return Ok(StageEnd::Stopped);
            }
            outputs.extend(files_below(&found, &folder, &[".nii.gz"])?);
        }
        let scheme = plan.label_scheme()?;
        let following = MaskFollowing {
            synthetic: &synthetic,
            real: &real,
            suffix: &plan.image,
            scheme: &scheme,
            segmenter: segmenter.as_ref(),
        };
        let resamples = context.config.effort.resamples;
        let intervals = BootstrapConfig { resamples, ..BootstrapConfig::default() };
        following.measure(&intervals)?.write(folder.join(FOLLOWED))?;
        Ok(StageEnd::Done(outputs))
    }
}
