//! Records of measurements as tables and plots.

use std::path::Path;

use mrisynth_metrics::{Record, Results};
use mrisynth_report::Estimate;
use mrisynth_report::page::{Block, Drawing, MetricRow, MetricTable};
use mrisynth_report::plot::{IntervalRow, interval_plot};

use crate::error::Result;

/// More warnings are in the document.
const MOST_WARNINGS: usize = 12;
/// Intervals that are around the value; others are of something else, which the row must say.
const PLAIN_INTERVALS: [&str; 3] = ["percentile", "BCa", "Wilson"];

/// The results in a file; none where there is no file.
pub(super) fn read_if_there(path: Option<&Path>) -> Result<Option<Results>> {
    let path = path.filter(|path| path.is_file());
    Ok(path.map(Results::read).transpose()?)
}

/// What a reader must know before quoting.
pub(super) fn warned<'a>(warnings: impl Iterator<Item = &'a String>) -> Vec<Block> {
    let all: Vec<&String> = warnings.collect();
    let shown = all.iter().take(MOST_WARNINGS).map(|text| Block::Text(format!("Note: {text}")));
    let rest = all.len().saturating_sub(MOST_WARNINGS);
    let rest = (rest > 0).then(|| format!("Note: {rest} further notes are in the document."));
    shown.chain(rest.map(Block::Text)).collect()
}

/// Rows below a caption; none without rows.
pub(super) fn table(caption: &str, rows: impl Iterator<Item = MetricRow>) -> Option<Block> {
    let (caption, rows) = (caption.to_owned(), rows.collect::<Vec<_>>());
    (!rows.is_empty()).then_some(Block::Metrics(MetricTable { caption, rows }))
}

/// A record as a row of a table.
pub(super) fn row(record: &Record) -> MetricRow {
    let text =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let settings = record.settings.iter().map(|(name, value)| (name.to_owned(), text(value)));
    let group = record.group.iter().map(|(key, value)| format!("{key} {value}"));
    MetricRow {
        name: record.name.clone() + &unlike_its_value(record),
        group: group.collect::<Vec<_>>().join(", "),
        estimate: estimate(record),
        level: record.level.filter(|_| record.lower.is_some()),
        n: record.n,
        settings: settings.collect(),
    }
}

/// The value of a record with its interval.
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
    let interval = estimate(record).interval;
    let corrected = record.settings.value("corrected_value").and_then(serde_json::Value::as_f64);
    let around = corrected.map(|value| Estimate { value, interval }.value_text());
    let around = around.map_or_else(String::new, |value| format!(" around {value}"));
    format!(" (interval: {method}{around})")
}

/// A record as a line of a plot, if its numbers are finite.
pub(super) fn line(label: &str, record: &Record) -> Option<IntervalRow> {
    let Estimate { value, interval } = estimate(record);
    let mut numbers = [value].into_iter().chain(interval.into_iter().flatten());
    numbers.all(f64::is_finite).then(|| IntervalRow { label: label.to_owned(), value, interval })
}

/// The lines as a plot that is told in words, too; none without lines.
pub(super) fn plot(
    title: &str,
    axis: &str,
    caption: &str,
    lines: Vec<IntervalRow>,
) -> Result<Option<Block>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let svg = interval_plot(title, axis, &lines)?;
    let told = lines.iter().map(|line| {
        let numbers = Estimate { value: line.value, interval: line.interval };
        format!("{} {numbers}", line.label)
    });
    let alt = format!("{title}: {}", told.collect::<Vec<_>>().join("; "));
    Ok(Some(Block::Drawing(Drawing { svg, alt, caption: caption.to_owned() })))
}

#[cfg(test)]
mod tests {
    use mrisynth_metrics::Settings;

    use super::*;

    #[test]
    fn an_interval_that_is_not_around_its_value_says_what_it_is_around() {
        let settings = Settings::new()
            .with("method", "extrapolated_subsampling")
            .with("corrected_value", 2.28);
        let record = Record::new("FID", 2.7, 12, settings).with_interval(2.08, 2.5, 0.95);
        assert_eq!(row(&record).name, "FID (interval: extrapolated subsampling around 2.28)");
        let plain = Record::new("Dice", 0.7, 12, Settings::new().with("method", "percentile"));
        assert_eq!(row(&plain.with_interval(0.6, 0.8, 0.95)).name, "Dice");
    }

    #[test]
    fn many_warnings_are_cut_short_and_counted() {
        let warnings: Vec<String> = (0..20).map(|i| format!("w{i}")).collect();
        let blocks = warned(warnings.iter());
        assert_eq!(blocks.len(), MOST_WARNINGS + 1);
        let rest = Block::Text("Note: 8 further notes are in the document.".into());
        assert_eq!(blocks.last(), Some(&rest));
    }
}
