//! What was measured: whether scans follow their masks, image metrics, distances, privacy.

use mrisynth_metrics::{Record, Results};
use mrisynth_report::page::Block;

use super::ResultPage;
use super::records::{estimate, line, plot, read_if_there, row, table, warned};
use crate::error::Result;

const EVALUATION: &str = "metrics.json";
/// What searches for copies and attacks are called, by their beginnings.
const PRIVACY: [&str; 4] =
    ["Near copies", "Largest correlation with training", "NNDR", "Membership-inference"];
/// What a warning about a copy says.
pub(super) const COPY: &str = "near copy";
/// What compares a synthetic scan with the real one of its mask, by the beginning of the name.
const PAIRED: [&str; 5] = ["MAE", "MSE", "PSNR", "SSIM", "MS-SSIM"];
/// The group of records that are of one of the two sets, and of those that are of one structure.
const SET: &str = "set";
pub(super) const STRUCTURE: &str = "structure";
/// The rest of the name of how much more a scan follows its own mask than another's.
const OWN_MINUS_OTHER: &str = ", own minus shuffled";

impl ResultPage {
    /// The evaluation, if there is one.
    pub(super) fn evaluation_results(&self) -> Result<Option<Results>> {
        read_if_there(self.evaluation.as_ref().map(|folder| folder.join(EVALUATION)).as_deref())
    }

    pub(super) fn mask_following(&self) -> Result<Vec<Block>> {
        let Some(results) = &self.following else { return Ok(Vec::new()) };
        let records = || results.records.iter();
        let mut blocks: Vec<Block> = records().filter_map(verdict).map(Block::Text).collect();
        blocks.extend(plot(
            "Agreement of synthetic scans with masks",
            "agreement, 1 is full",
            "Means over scans with 95 % intervals; shuffled masks are those of other subjects, each with its \
             real scan.",
            records().filter_map(|record| line(&record.name, record)).collect(),
        )?);
        let caption = "Each scan beside its own mask, and beside that of another subject";
        blocks.extend(table(caption, records().map(row)));
        blocks.extend(warned(results.warnings.iter()));
        Ok(blocks)
    }

    pub(super) fn metrics(&self) -> Result<Vec<Block>> {
        let Some(results) = self.evaluation_results()? else { return Ok(Vec::new()) };
        let shown = |record: &&Record| !is_privacy(record) && !record.group.contains_key(STRUCTURE);
        let of_sets = |record: &&Record| record.group.contains_key(SET);
        let paired = |record: &&Record| {
            PAIRED.iter().any(|name| record.name.starts_with(name)) && !of_sets(record)
        };
        let all = || results.records.iter().filter(shown);
        let distances = all().filter(|record| !paired(record) && !of_sets(record));
        let tables = [
            table(
                "Synthetic scans beside the real scans of their masks",
                all().filter(paired).map(row),
            ),
            table("Diversity: how alike the scans of one set are", all().filter(of_sets).map(row)),
            table("Distances of the distributions of features", distances.map(row)),
        ];
        let warnings = results.warnings.iter().filter(|warning| !warning.contains(COPY));
        Ok(tables.into_iter().flatten().chain(warned(warnings)).collect())
    }

    pub(super) fn privacy(&self) -> Result<Vec<Block>> {
        let evaluation = self.evaluation_results()?;
        let study = self.study_results()?;
        let found = || evaluation.iter().chain(&study);
        let records = found().flat_map(|results| &results.records).filter(|r| is_privacy(r));
        let caption = "Copies of training scans, and whether they give away who was trained on";
        let mut blocks: Vec<Block> = table(caption, records.map(row)).into_iter().collect();
        if !blocks.is_empty() {
            let reading = "A near copy agrees with a training scan in its detail, wherever that was moved or \
                mirrored to. A ratio of nearest-neighbour distances (NNDR) near 1 means that no training scan \
                stands out; a membership-inference area of 0.5 is chance. A few scans cannot show that \
                nothing is copied.";
            blocks.insert(0, Block::Text(reading.into()));
        }
        let warnings = found().flat_map(|results| &results.warnings);
        blocks.extend(warned(warnings.filter(|warning| warning.contains(COPY))));
        Ok(blocks)
    }
}

fn is_privacy(record: &Record) -> bool {
    PRIVACY.iter().any(|name| record.name.starts_with(name))
}

/// Whether scans follow their masks, in words.
fn verdict(record: &Record) -> Option<String> {
    let metric = record.name.strip_suffix(OWN_MINUS_OTHER)?;
    let (lower, estimate) = (record.lower?, estimate(record));
    let is = if lower > 0.0 { "scans follow their masks" } else { "that is not clear of 0" };
    Some(format!(
        "{metric}: with its own mask a scan agrees more than with another's, by {estimate}: {is}."
    ))
}
