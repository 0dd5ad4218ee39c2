//! The stages that segment the measured scans with one network, and compare what it found.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use mrisynth_cohort::{Manifest, Visit};
use serde_json::{Value, json};

use super::arm_training::ArmTraining;
use super::augmentation_study::AugmentationStudy;
use super::config::ArmConfig;
use crate::error::Result;
use crate::mask_file::MaskFile;
use crate::segmentation::{
    SegmentationExperiment, SegmentationScores, load_predictor, prediction_name, segment_cohort,
};
use crate::stage_graph::{Stage, StageEnd, Work};

const SCORES: &str = "scores.json";

/// Segments the measured scans.
pub(crate) struct Prediction<'a> {
    study: &'a AugmentationStudy,
    training: String,
    name: String,
}

impl<'a> Prediction<'a> {
    pub(super) fn new(study: &'a AugmentationStudy, arm: &ArmConfig, seed: u64) -> Self {
        let (training, name) = (ArmTraining::stage_of(arm, seed), Self::stage_of(arm, seed));
        Self { study, training, name }
    }

    /// The name of the stage of an arm and a seed; its folder holds the label maps.
    pub(crate) fn stage_of(arm: &ArmConfig, seed: u64) -> String {
        format!("prediction-{}-{seed}", arm.name)
    }
}

impl Stage for Prediction<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> Vec<String> {
        vec![self.training.clone()]
    }

    fn settings(&self) -> Result<Value> {
        let SegmentationExperiment { window, clean_up, .. } = &self.study.segmentation;
        let scans = self.study.known_by(&self.study.measured());
        Ok(json!({ "scans": scans, "window": window, "clean_up": clean_up }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let (folder, stop) = (work.folder(), work.stop);
        let visits = self.study.measured();
        let is_missing = |visit: &&Visit| !folder.join(prediction_name(visit)).is_file();
        let missing: Vec<Visit> = visits.iter().filter(is_missing).cloned().collect();
        let (all, left) = (visits.len(), missing.len());
        if left > 0 {
            let run = ArmTraining::run_in(&work.folder_of(&self.training));
            let (mut predictor, experiment) = load_predictor(run)?;
            predictor.window = self.study.segmentation.sliding_window()?;
            predictor.clean_up = self.study.segmentation.clean_up;
            let mut observer = |done: usize, _: usize| {
                work.progress(all - left + done, all);
                if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let missing = Manifest::new("", missing);
            let images = &experiment.images;
            let made = segment_cohort(&predictor, images, &missing, &folder, &mut observer)?;
            if made.len() < left {
                return Ok(StageEnd::Stopped);
            }
        }
        Ok(StageEnd::Done(visits.iter().map(prediction_name).collect()))
    }
}

/// Compares what one network found with the labels.
pub(super) struct Measurement<'a> {
    study: &'a AugmentationStudy,
    prediction: String,
    name: String,
}

impl<'a> Measurement<'a> {
    pub(super) fn new(study: &'a AugmentationStudy, arm: &ArmConfig, seed: u64) -> Self {
        let (prediction, name) = (Prediction::stage_of(arm, seed), Self::stage_of(arm, seed));
        Self { study, prediction, name }
    }

    /// The name of the stage of an arm and a seed.
    pub(super) fn stage_of(arm: &ArmConfig, seed: u64) -> String {
        format!("evaluation-{}-{seed}", arm.name)
    }

    /// The scores in the folder of the stage.
    pub(super) fn scores_in(folder: &Path) -> Result<SegmentationScores> {
        SegmentationScores::read(folder.join(SCORES))
    }
}

impl Stage for Measurement<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> Vec<String> {
        vec![self.prediction.clone()]
    }

    fn settings(&self) -> Result<Value> {
        let scheme = self.study.segmentation.scheme()?;
        let scans = self.study.known_by(&self.study.measured());
        Ok(json!({ "scans": scans, "scheme": scheme.config(), "scores": self.study.config.scores }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let found = work.folder_of(&self.prediction);
        let visits = self.study.measured();
        let prediction = |visit: &Visit| MaskFile {
            path: found.join(prediction_name(visit)),
            subject: visit.subject.clone(),
            session: visit.session.clone(),
        };
        let predictions: Vec<MaskFile> = visits.iter().map(prediction).collect();
        let scheme = self.study.segmentation.scheme()?;
        let config = &self.study.config.scores;
        let cohort = Manifest::new("", visits);
        let mut observer = |done: usize, of: usize| work.progress(done, of);
        let scores = SegmentationScores::of(&cohort, &predictions, &scheme, config, &mut observer)?;
        scores.write(work.folder().join(SCORES))?;
        Ok(StageEnd::Done(vec![PathBuf::from(SCORES)]))
    }
}
