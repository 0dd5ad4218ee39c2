//! The stage that writes down who is in which part, before anything else is done.

use serde_json::{Value, json};

use super::augmentation_study::AugmentationStudy;
use crate::error::Result;
use crate::stage_graph::{Stage, StageEnd, Work};

const SPLIT: &str = "split.json";

/// Writes `split.json`.
pub(super) struct SplitRecord<'a> {
    pub(super) study: &'a AugmentationStudy,
}

impl Stage for SplitRecord<'_> {
    fn name(&self) -> &str {
        "split"
    }

    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> Result<Value> {
        Ok(json!({ "split": self.study.split, "configured": self.study.config.split }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        work.write_json(SPLIT, &json!(self.study.split))?;
        Ok(StageEnd::Done(vec![SPLIT.into()]))
    }
}
