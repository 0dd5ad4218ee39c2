//! The stage that makes a cohort of digital brains, or writes down the one that is there.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use durable_file::remove_folder;
use mrisynth_cohort::{Card, CardConfig, Manifest, Survey, Visit};
use mrisynth_phantom::write_cohort;
use serde_json::{Value, json};

use super::context::{COHORT, Context};
use crate::cohort_source::{open_cohort, whole_visits};
use crate::error::{Error, Result};
use crate::scan_digests::ScanDigests;
use crate::stage_graph::{Stage, StageEnd, Work, files_below};

const PHANTOMS: &str = "phantoms";
const CARD: &str = "card.md";
const CARD_JSON: &str = "card.json";

/// Makes, or finds, the cohort.
pub(super) struct CohortStage<'a> {
    pub(super) context: &'a Context<'a>,
}

impl CohortStage<'_> {
    /// The card of the cohort as text, and for programs.
    pub(super) fn cards_in(folder: &Path) -> [PathBuf; 2] {
        [folder.join(CARD), folder.join(CARD_JSON)]
    }

    /// Makes the digital brains anew; none when somebody asks to stop.
    fn make(&self, work: &mut Work<'_>) -> Result<Option<Manifest>> {
        let folder = work.folder().join(PHANTOMS);
        if folder.exists() {
            remove_folder(&folder)?;
        }
        let config = self.context.config;
        let stop = work.stop;
        let mut observer = |progress: &mrisynth_phantom::Progress| {
            work.progress(progress.done, progress.total);
            if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let report = write_cohort(&config.effort.phantoms(config.seed), &folder, &mut observer)?;
        if report.stopped {
            return Ok(None);
        }
        Ok(Some(open_cohort(folder)?))
    }

    /// The scans that somebody has, all files of which are there.
    fn find(data: &Path) -> Result<Manifest> {
        // The same scans, whatever folder the program is called from.
        let data = std::path::absolute(data).map_err(|e| Error::io(data, "find", e))?;
        let cohort = open_cohort(data)?;
        let faults = cohort.missing_files();
        if !faults.is_empty() {
            return Err(mrisynth_cohort::Error::Scans { faults }.into());
        }
        Ok(cohort)
    }
}

impl Stage for CohortStage<'_> {
    fn name(&self) -> &str {
        COHORT
    }

    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> Result<Value> {
        let config = self.context.config;
        let Some(data) = &config.data else {
            return Ok(json!({ "phantoms": config.effort.phantoms(config.seed) }));
        };
        let cohort = Self::find(data)?;
        let visits = whole_visits(&cohort);
        let known = ScanDigests::of(&visits)?.known_by(&visits);
        let of =
            |visit: &Visit| json!([visit.split, visit.age, visit.sex, visit.diagnosis, visit.site]);
        let people: Vec<Value> = visits.iter().map(of).collect();
        Ok(json!({ "scans": known, "people": people, "paths": visits }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let folder = work.folder();
        let config = self.context.config;
        let (cohort, card) = match &config.data {
            Some(data) => {
                let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (Self::find(data)?, CardConfig { name, ..CardConfig::default() })
            }
            None => {
                let Some(cohort) = self.make(work)? else { return Ok(StageEnd::Stopped) };
                let description = "Digital brains with masks, made by this program. Nobody's head.";
                let card = CardConfig {
                    name: "digital brains".into(),
                    description: description.into(),
                    licence: "none needed: it is made by a program".into(),
                    ..CardConfig::default()
                };
                (cohort, card)
            }
        };
        let table = Manifest::path_in(&folder);
        cohort.write(&table)?;
        let cohort = Manifest::read(&table)?;
        let survey = Survey::of(&cohort, &|_, _| ControlFlow::Continue(()))?;
        Card::of(&cohort, &survey, &card).write(folder.join(CARD))?;
        let mut outputs = match &config.data {
            Some(_) => Vec::new(),
            None => files_below(&folder.join(PHANTOMS), &folder, &[".nii.gz"])?,
        };
        outputs.extend(["cohort.tsv", "cohort.json", CARD, CARD_JSON].map(PathBuf::from));
        Ok(StageEnd::Done(outputs))
    }
}

#[cfg(test)]
mod tests {
    use mrisynth_training::Stop;

    use super::super::config::QuickstartConfig;
    use super::*;
    use crate::stage_graph::run_stages;

    #[test]
    fn a_file_that_is_named_and_not_there_is_told_before_anything_is_done() {
        let root = tempfile::tempdir().unwrap();
        let table = root.path().join("scans/cohort.tsv");
        std::fs::create_dir(root.path().join("scans")).unwrap();
        std::fs::write(&table, "subject\tT1w\tmask\nsub-01\tone.nii.gz\tmask.nii.gz\n").unwrap();
        let config = QuickstartConfig { data: Some(table), ..QuickstartConfig::default() };
        let out = root.path().join("out");
        let context = Context::new(&config, &out);
        let stages: Vec<Box<dyn Stage>> = vec![Box::new(CohortStage { context: &context })];
        let error = run_stages(&out, &stages, &Stop::new(), &mut |_| {}).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("sub-01") && told.contains("one.nii.gz"), "{told}");
    }
}
