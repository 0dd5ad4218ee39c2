//! A plot for each metric that has intervals: their scales differ.

use mrisynth_metrics::{Record, Results};
use mrisynth_report::plot::{IntervalRow, interval_plot};

use super::NamedPlot;
use crate::error::Result;

const PLOTS: [&str; 5] = ["MS-SSIM", "FID", "MMD", "MMD, linear kernel", "KID"];

/// `MS-SSIM`, `FID`, …, of the metrics that have an interval.
pub(super) fn of(results: &Results) -> Result<Vec<NamedPlot>> {
    let mut plots = Vec::new();
    for metric in PLOTS {
        let of_metric = results.records.iter().filter(|record| record.name == metric);
        let rows: Vec<IntervalRow> = of_metric.filter_map(interval_row).collect();
        if !rows.is_empty() {
            let svg = interval_plot(&format!("{metric} with 95 % intervals"), metric, &rows)?;
            plots.push(NamedPlot { name: metric.replace(", ", "-").replace(' ', "-"), svg });
        }
    }
    Ok(plots)
}

/// The row of a record in the plot, if it has an interval; the value without its bias, where the
/// interval is around that.
fn interval_row(record: &Record) -> Option<IntervalRow> {
    let interval = Some([record.lower?, record.upper?]);
    let corrected = record.settings.value("corrected_value").and_then(|value| value.as_f64());
    let method = record.interval_method()?;
    let groups: Vec<String> =
        record.group.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let group = if groups.is_empty() { "all".into() } else { groups.join(", ") };
    let value = corrected.unwrap_or(record.value);
    Some(IntervalRow { label: format!("{group}: {method}"), value, interval })
}
