//! The curves of a training run.

use mrisynth_report::page::{Block, Drawing};
use mrisynth_report::plot::{LineAxes, LineSeries, Scale, line_plot};
use mrisynth_training::{LogRecord, RecordKind, read_log};

use super::ResultPage;
use crate::error::Result;

const LOG: &str = "log.jsonl";
const LOSS: &str = "loss";
/// What the validation at one level of noise is called, before the level.
const LOSS_AT: &str = "loss_at_";
/// Of longer curves stretches are averaged: the loss of a single step is mostly that of its noise level.
const MOST_POINTS: usize = 100;
/// So many curves can be told apart.
const MOST_CURVES: usize = 6;

impl ResultPage {
    pub(super) fn training(&self) -> Result<Vec<Block>> {
        let log = self.run.as_ref().map(|run| run.join(LOG)).filter(|path| path.is_file());
        let Some(log) = log else { return Ok(Vec::new()) };
        let records = read_log(log)?;
        let mut blocks: Vec<Block> = records.last().map(length_of).into_iter().collect();
        let training = curve(&records, RecordKind::Training, LOSS);
        let (training, stretch) = averaged(&training);
        let name = match stretch {
            0 | 1 => "training".to_owned(),
            steps => format!("training, means of {steps} steps"),
        };
        let validation = curve(&records, RecordKind::Validation, LOSS);
        let losses = [(name, training), ("validation".to_owned(), validation)];
        blocks.extend(drawing("Loss", losses.into())?);

        let validated = records.iter().rfind(|record| record.kind == RecordKind::Validation);
        let names = validated.into_iter().flat_map(|record| record.scalars.keys());
        let levels = names.filter_map(|name| Some((name.strip_prefix(LOSS_AT)?, name)));
        let by_level = levels.map(|(level, name)| {
            (format!("at time {level}"), curve(&records, RecordKind::Validation, name))
        });
        let title = "Validation loss by noise level (time 0: no noise, time 1: noise alone)";
        blocks.extend(drawing(title, by_level.take(MOST_CURVES).collect())?);
        Ok(blocks)
    }
}

fn length_of(last: &LogRecord) -> Block {
    Block::Text(format!("{} steps in {:.1} minutes.", last.step, last.wall_s / 60.0))
}

/// The values of a scalar that are finite, by step.
fn curve(records: &[LogRecord], kind: RecordKind, scalar: &str) -> Vec<[f64; 2]> {
    let of_kind = records.iter().filter(|record| record.kind == kind);
    let point =
        |record: &LogRecord| Some([record.step as f64, record.scalars.get(scalar).copied()?]);
    of_kind.filter_map(point).filter(|[_, value]| value.is_finite()).collect()
}

/// Means of equally long stretches, and how long these are.
fn averaged(points: &[[f64; 2]]) -> (Vec<[f64; 2]>, usize) {
    let stretch = points.len().div_ceil(MOST_POINTS);
    let mean = |points: &[[f64; 2]]| {
        [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / points.len() as f64)
    };
    (points.chunks(stretch.max(1)).map(mean).collect(), stretch)
}

/// A plot of the curves that have points; none without such curves.
fn drawing(title: &str, curves: Vec<(String, Vec<[f64; 2]>)>) -> Result<Option<Block>> {
    let curves = curves.into_iter().filter(|(_, points)| !points.is_empty());
    let series: Vec<_> = curves.map(|(label, points)| LineSeries { label, points }).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let mut values = series.iter().flat_map(|one| one.points.iter().map(|point| point[1]));
    let positive = values.all(|value| value >= f64::MIN_POSITIVE);
    let y_scale = if positive { Scale::Logarithmic } else { Scale::Linear };
    let axes = LineAxes { x_label: "step".into(), y_label: LOSS.into(), y_scale };
    let told = series.iter().filter_map(|one| {
        let ([_, first], [at, last]) = (one.points.first()?, one.points.last()?);
        Some(format!("{} from {first:.3} to {last:.3} at step {at:.0}", one.label))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let (alt, caption) = (format!("{title}: {told}"), format!("Loss {told}."));
    let svg = line_plot(title, &axes, &series)?;
    Ok(Some(Block::Drawing(Drawing { svg, alt, caption })))
}
