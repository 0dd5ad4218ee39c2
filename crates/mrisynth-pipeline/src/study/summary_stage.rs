//! The last stage: what all of it says, as records and as a page.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::augmentation_study::{AugmentationStudy, Generator};
use super::comparison::{ArmScores, Comparison};
use super::config::{ArmConfig, MeasuredOn};
use super::measurement::Measurement;
use super::near_copies::NearCopies;
use super::page::Page;
use super::published::PUBLISHED;
use crate::error::Result;
use crate::stage_graph::{Stage, StageEnd, Work};

const NAME: &str = "summary";
const RESULTS: &str = "results.json";
const PAGE: &str = "results.md";

/// Compares the arms.
pub(super) struct SummaryStage<'a> {
    pub(super) study: &'a AugmentationStudy,
}

impl SummaryStage<'_> {
    /// The records of a study that is done.
    pub(super) fn results_in(out: &Path) -> PathBuf {
        out.join(NAME).join(RESULTS)
    }

    fn scores(&self, work: &Work<'_>) -> Result<Vec<ArmScores>> {
        let of = |arm: &ArmConfig| {
            let seeds = self.study.config.seeds.iter();
            let table = |seed: &u64| {
                Measurement::scores_in(&work.folder_of(&Measurement::stage_of(arm, *seed)))
            };
            let seeds = seeds.map(table).collect::<Result<_>>()?;
            Ok(ArmScores { name: arm.name.clone(), seeds })
        };
        self.study.config.arms.iter().map(of).collect()
    }

    /// What a reader must know before quoting the numbers.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.study.config.measured_on == MeasuredOn::Validation {
            warnings.push("Measured on the subjects by whom the recipe is chosen.".to_owned());
        }
        if let Some(Generator::Existing(checkpoint)) = &self.study.generator
            && !self.study.is_generator_ours
        {
            warnings.push(format!(
                "The generator was not trained by this study: that {} has seen training subjects only \
                 is not known here.",
                checkpoint.path().file_name().unwrap_or_default().to_string_lossy()
            ));
        }
        warnings
    }
}

impl Stage for SummaryStage<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn inputs(&self) -> Vec<String> {
        let config = &self.study.config;
        let syntheses = config.syntheses.iter().map(|set| NearCopies::stage_of(&set.name));
        let arms = config
            .arms
            .iter()
            .flat_map(|arm| config.seeds.iter().map(|seed| Measurement::stage_of(arm, *seed)));
        ["split".to_owned()].into_iter().chain(syntheses).chain(arms).collect()
    }

    fn settings(&self) -> Result<Value> {
        let config = &self.study.config;
        Ok(json!({
            "name": config.name, "ceiling": config.ceiling, "bootstrap": config.bootstrap,
            "permutation": config.permutation, "measured_on": config.measured_on,
            "warnings": self.warnings(),
        }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let config = &self.study.config;
        let arms = self.scores(work)?;
        let comparison = Comparison {
            arms: &arms,
            ceiling: config.ceiling.as_deref(),
            bootstrap: &config.bootstrap,
            permutation: &config.permutation,
        };
        let mut results = comparison.results()?;
        results.warnings.splice(0..0, self.warnings());
        for set in &config.syntheses {
            let folder = work.folder_of(&NearCopies::stage_of(&set.name));
            let found = NearCopies::results_in(&folder)?;
            results.records.extend(found.records);
            results.warnings.extend(found.warnings);
        }
        results.records.extend(PUBLISHED.iter().flat_map(|published| published.records()));
        let steps = self.study.segmentation.run.steps;
        let page = Page { config, split: &self.study.split, steps, results: &results };
        durable_file::write(work.folder().join(PAGE), page.markdown().as_bytes())?;
        results.write(work.folder().join(RESULTS))?;
        Ok(StageEnd::Done(vec![RESULTS.into(), PAGE.into()]))
    }
}
