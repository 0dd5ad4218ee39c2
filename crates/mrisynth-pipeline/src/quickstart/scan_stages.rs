//! The stages that make scans: of masks of people whom the generator has not seen, and of edited masks.

use std::path::{Path, PathBuf};

use durable_file::create_folder;
use mrisynth_conditioning::{IdSpace, MaskEdit, VolumeRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::context::{Context, EDITED, GENERATOR, HELD_OUT, PlannedStage};
use super::plan::Plan;
use crate::checkpoint::Checkpoint;
use crate::derivative::OutputName;
use crate::edited_mask::EditedMask;
use crate::error::{Error, Result};
use crate::mask_file::MaskFile;
use crate::sampling_job::{JobOptions, SamplingJob, Subjects};
use crate::stage_graph::{StageEnd, Work, files_below};
use crate::study::GeneratorTraining;
use crate::trajectory;

/// States that are kept on the way of one scan from noise.
const FRAMES: usize = 6;
const SCANS: &str = "scans";
const EDITS: &str = "edits.json";
/// What disease does.
const ATROPHY: [(&str, f64); 2] = [("hippocampus", -20.0), ("lateral ventricles", 30.0)];

/// The scans in the folder of a stage.
pub(super) fn scans_in(folder: &Path) -> PathBuf {
    folder.join(SCANS)
}

/// Makes scans of these masks, or those that are still to be made.
fn make(
    files: Vec<MaskFile>,
    options: JobOptions,
    context: &Context<'_>,
    work: &mut Work<'_>,
) -> Result<bool> {
    let checkpoint = Checkpoint::find(GeneratorTraining::run_in(&work.folder_of(GENERATOR)))?;
    let subjects = Subjects::Masks { files, replicas: 1 };
    let scans = scans_in(&work.folder());
    // Not the checkpoint's own: how it is sampled from may have changed since it was trained.
    let experiment = context.experiment()?;
    work.sample(&SamplingJob::new(&experiment, &checkpoint, &subjects, scans, options)?)
}

/// Makes scans of held-out masks.
pub(super) struct HeldOutStage;

impl HeldOutStage {
    /// The states of one scan on its way from noise.
    pub(super) fn trajectory_in(folder: &Path, first: &MaskFile) -> PathBuf {
        let name = OutputName::new(&first.subject, first.session.as_deref(), 0);
        trajectory::folder_of(&scans_in(folder), &name)
    }
}

impl PlannedStage for HeldOutStage {
    fn name(&self) -> &'static str {
        HELD_OUT
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[GENERATOR]
    }

    fn lacks(&self, plan: &Plan) -> Option<String> {
        plan.lacks(1, 1)
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        Ok(json!({ "sampling": context.experiment()?.sampling, "masks": context.plan()?.test }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let files = MaskFile::of_visits(&context.first_visits(&context.plan()?.test)?);
        let folder = work.folder();
        // Of the first one the way from noise is kept; if it is lost, that scan is made again.
        if let Some(first) = files.first() {
            let way = Self::trajectory_in(&folder, first);
            let name = OutputName::new(&first.subject, first.session.as_deref(), 0);
            let sidecar = scans_in(&folder).join(name.image(&context.plan()?.image, "json"));
            if !trajectory::is_whole(&way) && sidecar.is_file() {
                std::fs::remove_file(&sidecar).map_err(|e| Error::io(&sidecar, "remove", e))?;
            }
            let options = JobOptions { trajectory_frames: FRAMES, ..JobOptions::default() };
            if !make(vec![first.clone()], options, context, work)? {
                return Ok(StageEnd::Stopped);
            }
        }
        if !make(files, JobOptions::default(), context, work)? {
            return Ok(StageEnd::Stopped);
        }
        let scans = scans_in(&folder);
        Ok(StageEnd::Done(files_below(&scans, &folder, &[".nii.gz", ".json", ".png"])?))
    }
}

/// A mask that was made, or could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRecord {
    pub(super) subject: String,
    pub(super) session: String,
    /// What was done to the mask.
    pub(super) edit: String,
    /// Why it could not be done.
    pub(super) refused: Option<String>,
}

/// Edits masks, and makes scans of them.
pub(super) struct EditedStage;

impl EditedStage {
    /// What was done to which mask.
    pub(super) fn records_in(folder: &Path) -> Result<Vec<EditRecord>> {
        let path = folder.join(EDITS);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "read", e))?;
        serde_json::from_str(&text)
            .map_err(|e| Error::format(&path, "the content", e, "a list of edits"))
    }

    /// Of people who are held out, where there are any.
    fn masks(context: &Context<'_>) -> Result<Vec<MaskFile>> {
        let plan = context.plan()?;
        let from = if plan.test.is_empty() { &plan.training } else { &plan.test };
        let mut masks = MaskFile::of_visits(&context.first_visits(from)?);
        masks.truncate(context.config.effort.edited_masks);
        Ok(masks)
    }
}

impl PlannedStage for EditedStage {
    fn name(&self) -> &'static str {
        EDITED
    }

    fn inputs(&self) -> &'static [&'static str] {
        &[GENERATOR]
    }

    fn lacks(&self, _: &Plan) -> Option<String> {
        None
    }

    fn settings(&self, context: &Context<'_>) -> Result<Value> {
        let plan = context.plan()?;
        Ok(json!({
            "sampling": context.experiment()?.sampling, "seed": context.config.seed,
            "training": plan.training, "test": plan.test, "edits": edits(plan),
            "masks": context.config.effort.edited_masks,
        }))
    }

    fn run(&self, context: &Context<'_>, work: &mut Work<'_>) -> Result<StageEnd> {
        let (plan, folder) = (context.plan()?, work.folder());
        let (scheme, edits) = (plan.label_scheme()?, edits(plan));
        let below = folder.join("masks");
        create_folder(&below)?;
        let own = Self::masks(context)?;
        let of = own.len() * edits.len();
        let (mut files, mut records) = (Vec::new(), Vec::new());
        for mask in &own {
            for (number, edits) in (0..).zip(&edits) {
                if work.stop.is_requested() {
                    return Ok(StageEnd::Stopped);
                }
                work.progress(records.len(), of);
                let edited = EditedMask { mask, edits, number, seed: context.config.seed };
                let refused = match edited.make(&below, &scheme)? {
                    Ok(file) => {
                        files.push(file);
                        None
                    }
                    Err(reason) => Some(reason.to_string()),
                };
                let (subject, session) = (mask.subject.clone(), edited.session());
                records.push(EditRecord { subject, session, edit: told(edits), refused });
            }
        }
        if files.is_empty() {
            let reason = records.into_iter().find_map(|record| record.refused);
            let reason = reason.unwrap_or_else(|| "no masks are to be edited".into());
            return Ok(StageEnd::Skipped(format!("no mask could be edited: {reason}")));
        }
        work.write_json(EDITS, &json!(records))?;
        if !make(files, JobOptions::default(), context, work)? {
            return Ok(StageEnd::Stopped);
        }
        let mut outputs = files_below(&folder, &folder, &[".nii.gz"])?;
        outputs.push(EDITS.into());
        Ok(StageEnd::Done(outputs))
    }
}

/// What is done to masks, one list at a time. Labels whose meaning nobody knows are only deformed: there
/// are no sides to exchange and no structures to shrink.
pub(super) fn edits(plan: &Plan) -> Vec<Vec<MaskEdit>> {
    let scheme = &plan.scheme;
    let mut edits = vec![vec![deformation(plan)]];
    if scheme.ids == IdSpace::Freesurfer {
        edits.push(vec![MaskEdit::Flip]);
        let known = |name: &str| scheme.channels.iter().any(|channel| channel.name == name);
        let known = ATROPHY.iter().filter(|(name, _)| known(name));
        let requests: Vec<VolumeRequest> = known
            .map(|(name, percent)| VolumeRequest { channel: (*name).into(), percent: *percent })
            .collect();
        if !requests.is_empty() {
            edits.push(vec![MaskEdit::Progress { requests }]);
        }
    }
    edits
}

/// New anatomy for the study: everything that can be done at random, at once.
pub(super) fn study_edits(plan: &Plan) -> Vec<Vec<MaskEdit>> {
    match plan.scheme.ids {
        IdSpace::Freesurfer => vec![vec![MaskEdit::Flip, deformation(plan)]],
        IdSpace::Own => vec![vec![deformation(plan)]],
    }
}

/// How far random deformations go.
fn deformation(plan: &Plan) -> MaskEdit {
    MaskEdit::Deform { amplitude_mm: 3.0, smoothness_mm: 24.0, along: plan.thick }
}

fn told(edits: &[MaskEdit]) -> String {
    edits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
