//! The stage that makes synthetic scans of the training subjects' masks, as they are or edited.

use std::path::{Path, PathBuf};

use durable_file::create_folder;
use mrisynth_cohort::{Manifest, Visit};
use serde_json::{Value, json};

use super::augmentation_study::{AugmentationStudy, Generator};
use super::config::SynthesisConfig;
use super::generator_training::GENERATOR;
use crate::cohort_source::{open_cohort, whole_visits};
use crate::edited_mask::EditedMask;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::mask_file::MaskFile;
use crate::sampling_job::{JobOptions, SamplingJob, Subjects};
use crate::stage_graph::{Stage, StageEnd, Work, files_below};

const REFUSED: &str = "refused.json";

/// Makes a set of synthetic scans.
pub(crate) struct Synthesis<'a> {
    study: &'a AugmentationStudy,
    config: &'a SynthesisConfig,
    name: String,
}

impl<'a> Synthesis<'a> {
    pub(super) fn new(study: &'a AugmentationStudy, config: &'a SynthesisConfig) -> Self {
        Self { study, config, name: Self::stage_of(&config.name) }
    }

    /// The name of the stage of a set.
    pub(super) fn stage_of(synthesis: &str) -> String {
        format!("synthesis-{synthesis}")
    }

    /// The scans in the folder of the stage, with whole paths.
    pub(crate) fn scans_in(folder: &Path) -> Result<Vec<Visit>> {
        Ok(whole_visits(&open_cohort(folder.join("scans"))?))
    }

    /// The masks to make scans of: those of the training subjects, or files in `folder`.
    fn masks(&self, folder: &Path, work: &mut Work<'_>) -> Result<Option<Vec<MaskFile>>> {
        let own = MaskFile::of_visits(&self.study.training());
        if self.config.edits.is_empty() {
            return Ok(Some(own));
        }
        let scheme = self.study.generator_experiment()?.data.scheme()?.ok_or_else(|| {
            Error::argument("edits", "for a generator without masks", "one with a label scheme")
        })?;
        create_folder(folder)?;
        let jobs = own.len() * self.config.edits.len() * self.config.variants as usize;
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for mask in &own {
            for (entry, edits) in self.config.edits.iter().enumerate() {
                for variant in 0..self.config.variants {
                    if work.stop.is_requested() {
                        return Ok(None);
                    }
                    work.progress(made.len() + refused.len(), jobs);
                    let number = entry as u64 * self.config.variants + variant;
                    let edited = EditedMask { mask, edits, number, seed: self.config.seed };
                    match edited.make(folder, &scheme)? {
                        Ok(file) => made.push(file),
                        Err(reason) => refused.push((edited.session(), mask, reason)),
                    }
                }
            }
        }
        if made.is_empty() {
            let found = refused.first().map_or(String::new(), |(.., reason)| reason.to_string());
            return Err(Error::argument("edits", found, "edits that some mask can take"));
        }
        let entry = |(session, mask, reason): &(
            String,
            &MaskFile,
            mrisynth_conditioning::Error,
        )| {
            json!({ "subject": mask.subject, "session": session, "reason": reason.to_string() })
        };
        let refused: Vec<Value> = refused.iter().map(entry).collect();
        work.write_json(REFUSED, &json!(refused))?;
        Ok(Some(made))
    }
}

impl Stage for Synthesis<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> Vec<String> {
        match self.study.generator {
            Some(Generator::Trained(_)) => vec![GENERATOR.into()],
            _ => Vec::new(),
        }
    }

    fn settings(&self) -> Result<Value> {
        let existing = match &self.study.generator {
            Some(Generator::Existing(checkpoint)) => Some(checkpoint.sha256()?.to_string()),
            _ => None,
        };
        let masks = self.study.known_by(&self.study.training());
        let Experiment { data, sampling, .. } = self.study.generator_experiment()?;
        Ok(json!({
            "set": self.config, "masks": masks, "weights": existing, "data": data,
            "sampling": sampling,
        }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let folder = work.folder();
        let Some(files) = self.masks(&folder.join("masks"), work)? else {
            return Ok(StageEnd::Stopped);
        };
        // Not the checkpoint's own: how it is sampled from may have changed since it was trained.
        let experiment = self.study.generator_experiment()?;
        let checkpoint = self.study.checkpoint(work)?;
        let subjects = Subjects::Masks { files, replicas: self.config.replicas };
        let scans = folder.join("scans");
        let options = JobOptions::default();
        let job = SamplingJob::new(experiment, &checkpoint, &subjects, &scans, options)?;
        if !work.sample(&job)? {
            return Ok(StageEnd::Stopped);
        }
        let mut outputs = files_below(&scans, &folder, &[".nii.gz", ".json"])?;
        outputs.extend(folder.join(REFUSED).is_file().then(|| PathBuf::from(REFUSED)));
        Ok(StageEnd::Done(outputs))
    }
}

/// The visits of an arm as a cohort to learn from, every one of them.
pub(super) fn cohort_of(visits: Vec<Visit>) -> Manifest {
    let unsplit = |visit| Visit { split: None, ..visit };
    Manifest::new("", visits.into_iter().map(unsplit).collect())
}
