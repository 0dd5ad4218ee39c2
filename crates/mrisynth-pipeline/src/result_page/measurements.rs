//! Records of measurements as tables and plots.

use std::path::Path;

use mrisynth_metrics::{Record, Results};
use mrisynth_report::Estimate;
use mrisynth_report::page::{Block, Drawing, MetricRow, MetricTable};
use mrisynth_report::plot::{IntervalRow, interval_plot};

use super::ResultPage;
use crate::error::Result;

const EVALUATION: &str = "metrics.json";
/// What searches for copies and attacks are called, by their beginnings.
const PRIVACY: [&str; 4] =
    ["Near copies", "Largest correlation with training", "NNDR", "Membership-inference"];
/// What a warning about a copy says.
const COPY: &str = "near copy";
/// What compares a synthetic scan with the real one of its mask, by the beginning of the name.
const PAIRED: [&str; 6] = ["MAE", "MSE", "PSNR", "SSIM", "MS-SSIM", "NRMSE"];
/// The group of records that are of one of the two sets, and of those that are of one structure.
const SET: &str = "set";
const STRUCTURE: &str = "structure";
/// The rest of a record that says how much more a scan follows its own mask than another's.
const OWN_MINUS_OTHER: &str = ", own minus shuffled";
/// More warnings are in the document.
const MOST_WARNINGS: usize = 12;
/// Intervals that are around the value; others are of something else, which the row must say.
const PLAIN_INTERVALS: [&str; 3] = ["percentile", "BCa", "Wilson"];

impl ResultPage {
    /// The evaluation, if there is one.
    pub(super) fn evaluation_results(&self) -> Result<Option<Results>> {
        read_if_there(self.evaluation.as_ref().map(|folder| folder.join(EVALUATION)).as_deref())
    }

    pub(super) fn mask_following(&self) -> Result<Vec<Block>> {
        let Some(results) = &self.following else { return Ok(Vec::new()) };
        let verdicts = results.records.iter().filter_map(verdict);
        let mut blocks: Vec<Block> = verdicts.map(Block::Text).collect();
        let title = "Agreement of synthetic scans with their own masks, and with those of others";
        blocks.extend(plot(title, "agreement, 1 is full", results.records.iter())?);
        blocks.extend(table(
            "Each scan beside the mask that it was made from and beside that of another subject",
            results.records.iter(),
            &[],
        ));
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
        let mut blocks = Vec::new();
        blocks.extend(table(
            "Synthetic scans beside the real scans of the same masks",
            all().filter(paired),
            &[],
        ));
        blocks.extend(table(
            "Diversity: how alike pairs of one set are (less is more diverse)",
            all().filter(of_sets),
            &[],
        ));
        let distances = all().filter(|record| !paired(record) && !of_sets(record));
        blocks.extend(table("Distances of the two distributions of features", distances, &[]));
        let warnings = results.warnings.iter().filter(|warning| !warning.contains(COPY));
        blocks.extend(warned(warnings));
        Ok(blocks)
    }

    pub(super) fn privacy(&self) -> Result<Vec<Block>> {
        let evaluation = self.evaluation_results()?;
        let study = self.study_results()?;
        let found = || evaluation.iter().chain(&study);
        let records = found().flat_map(|results| &results.records).filter(|r| is_privacy(r));
        let caption = "Copies of training scans, and whether they give away who was trained on";
        let mut blocks: Vec<Block> = table(caption, records, &[]).into_iter().collect();
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

/// The results in a file; none where there is no file.
pub(super) fn read_if_there(path: Option<&Path>) -> Result<Option<Results>> {
    let path = path.filter(|path| path.is_file());
    Ok(path.map(Results::read).transpose()?)
}

fn is_privacy(record: &Record) -> bool {
    PRIVACY.iter().any(|name| record.name.starts_with(name))
}

/// Whether a scan follows its mask, in words.
fn verdict(record: &Record) -> Option<String> {
    let metric = record.name.strip_suffix(OWN_MINUS_OTHER)?;
    let (lower, estimate) = (record.lower?, estimate(record));
    let is = if lower > 0.0 { "above 0: scans follow their masks" } else { "not clear of 0" };
    Some(format!(
        "By {metric}, scans agree more with their own masks by {estimate}, which is {is}."
    ))
}

/// What a reader must know before quoting.
pub(super) fn warned<'a>(warnings: impl Iterator<Item = &'a String>) -> Vec<Block> {
    let all: Vec<&String> = warnings.collect();
    let shown = all.iter().take(MOST_WARNINGS).map(|text| Block::Text(format!("Note: {text}")));
    let rest = all.len().saturating_sub(MOST_WARNINGS);
    let rest =
        (rest > 0).then(|| Block::Text(format!("Note: {rest} further notes are in the document.")));
    shown.chain(rest).collect()
}

/// A table of records; the keys of groups that all have go without saying.
pub(super) fn table<'a>(
    caption: &str,
    records: impl Iterator<Item = &'a Record>,
    known_keys: &[&str],
) -> Option<Block> {
    let rows: Vec<MetricRow> = records.map(|record| row(record, known_keys)).collect();
    let caption = caption.to_owned();
    (!rows.is_empty()).then(|| Block::Metrics(MetricTable { caption, rows }))
}

fn row(record: &Record, known_keys: &[&str]) -> MetricRow {
    let text =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    MetricRow {
        name: record.name.clone() + &unlike_its_value(record),
        group: group(record, known_keys),
        estimate: estimate(record),
        level: record.level.filter(|_| record.lower.is_some()),
        n: record.n,
        settings: record
            .settings
            .iter()
            .map(|(name, value)| (name.to_owned(), text(value)))
            .collect(),
    }
}

pub(super) fn estimate(record: &Record) -> Estimate {
    let interval = record.lower.zip(record.upper).map(|(lower, upper)| [lower, upper]);
    Estimate { value: record.value, interval }
}

/// What an interval is of that is not around the value.
fn unlike_its_value(record: &Record) -> String {
    let method = record.interval_method();
    let Some(method) = method.filter(|method| !PLAIN_INTERVALS.contains(&method.as_str())) else {
        return String::new();
    };
    let corrected = record.settings.value("corrected_value").and_then(serde_json::Value::as_f64);
    let around =
        corrected.map(|value| Estimate { value, interval: estimate(record).interval }.value_text());
    let around = around.map_or_else(String::new, |value| format!(" around {value}"));
    format!(" (interval: {method}{around})")
}

fn group(record: &Record, known_keys: &[&str]) -> String {
    let name = |(key, value): (&String, &String)| {
        if known_keys.contains(&key.as_str()) { value.clone() } else { format!("{key} {value}") }
    };
    record.group.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A plot of the records with finite numbers; none without such records.
pub(super) fn plot<'a>(
    title: &str,
    axis: &str,
    records: impl Iterator<Item = &'a Record>,
) -> Result<Option<Block>> {
    let row = |record: &Record| {
        let Estimate { value, interval } = estimate(record);
        let finite = [value].into_iter().chain(interval.into_iter().flatten()).all(f64::is_finite);
        let group = record.group.values().cloned().collect::<Vec<_>>().join(", ");
        let label = if group.is_empty() { record.name.clone() } else { group };
        finite.then_some(IntervalRow { label, value, interval })
    };
    drawing(title, axis, records.filter_map(row).collect())
}

/// The rows as a drawing that is told in words; none without rows.
pub(super) fn drawing(title: &str, axis: &str, rows: Vec<IntervalRow>) -> Result<Option<Block>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let svg = interval_plot(title, axis, &rows)?;
    let told = rows.iter().map(|row| {
        let numbers = Estimate { value: row.value, interval: row.interval };
        format!("{} {numbers}", row.label)
    });
    let alt = format!("{title}: {}", told.collect::<Vec<_>>().join("; "));
    Ok(Some(Block::Drawing(Drawing { svg, alt, caption: title.to_owned() })))
}
