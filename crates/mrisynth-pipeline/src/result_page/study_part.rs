//! An augmentation study: its arms beside each other, and beside published ones.

use mrisynth_metrics::{Record, Results};
use mrisynth_report::Estimate;
use mrisynth_report::page::{Block, Facts, MetricRow, PublishedRow, StudyRow, StudyTable};

use super::ResultPage;
use super::measurements::{COPY, STRUCTURE};
use super::records::{estimate, line, plot, read_if_there, row, table, warned};
use crate::error::Result;
use crate::segmentation::{MEAN, METRICS};
use crate::study::{AugmentationStudy, GAP_SHARE, PUBLISHED};

const ARM: &str = "arm";
const AGAINST: &str = "against";

impl ResultPage {
    /// What the study says in all, if it is done.
    pub(super) fn study_results(&self) -> Result<Option<Results>> {
        let path = self.study.as_deref().map(AugmentationStudy::results_in);
        read_if_there(path.as_deref())
    }

    pub(super) fn study(&self) -> Result<Vec<Block>> {
        let Some(results) = self.study_results()? else { return Ok(Vec::new()) };
        let arms = Arms::of(&results);
        if arms.names.is_empty() {
            return Ok(Vec::new());
        }
        let mut blocks = vec![Block::Text(
            "Networks of one design, trained for equally many steps on different scans, and all tested on \
             the same real scans of subjects that no network had seen. Means over structures; subjects are \
             resampled."
                .into(),
        )];
        let of_arm = |arm: &&str| line(arm, arms.find(METRICS[0], arm, MEAN)?);
        blocks.extend(plot(
            "Mean Dice of networks trained on different scans",
            METRICS[0],
            "Means over structures and subjects with 95 % intervals.",
            arms.names.iter().filter_map(of_arm).collect(),
        )?);
        blocks.push(Block::Study(arms.means()));
        let differences = results.records.iter().filter(|record| is_mean(record));
        blocks.extend(table(
            "Paired differences between arms, of the means over structures",
            differences.filter_map(difference),
        ));
        let shares = results.records.iter().filter(|record| record.name == GAP_SHARE);
        blocks
            .extend(table("How much of the gap between two arms another closes", shares.map(row)));
        blocks.push(Block::Study(arms.structures()));
        // Copies are told of in another part.
        blocks.extend(warned(results.warnings.iter().filter(|w| !w.contains(COPY))));
        Ok(blocks)
    }
}

/// The arms of a study, in its order.
struct Arms<'a> {
    records: &'a [Record],
    names: Vec<&'a str>,
}

impl<'a> Arms<'a> {
    fn of(results: &'a Results) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for record in results.records.iter().filter(|record| is_mean(record)) {
            let arm = record.group.get(ARM).filter(|_| record.name == METRICS[0]);
            names.extend(arm.map(String::as_str).filter(|arm| !names.contains(arm)));
        }
        Self { records: &results.records, names }
    }

    fn find(&self, metric: &str, arm: &str, structure: &str) -> Option<&'a Record> {
        self.records.iter().find(|record| {
            let is = |key: &str, value: &str| record.group.get(key).is_some_and(|v| v == value);
            record.name == metric && is(ARM, arm) && is(STRUCTURE, structure)
        })
    }

    fn means(&self) -> StudyTable {
        let cells =
            |arm: &str| METRICS.map(|metric| self.find(metric, arm, MEAN).map(estimate)).into();
        let ours = self.names.iter().map(|arm| StudyRow { name: (*arm).into(), cells: cells(arm) });
        StudyTable {
            caption: "Means over structures; HD95 in mm".into(),
            row_header: "trained on".into(),
            columns: METRICS.map(str::to_owned).into(),
            ours: ours.collect(),
            published: published(),
            settings: self.settings(),
        }
    }

    /// Dice by structure, a column for each arm.
    fn structures(&self) -> StudyTable {
        let of_first = |record: &&Record| {
            let arm = record.group.get(ARM).map(String::as_str);
            record.name == METRICS[0] && arm == self.names.first().copied()
        };
        let structures =
            self.records.iter().filter(of_first).filter_map(|r| r.group.get(STRUCTURE));
        let ours = structures.map(|structure| {
            let cell = |arm: &&str| self.find(METRICS[0], arm, structure).map(estimate);
            StudyRow { name: structure.clone(), cells: self.names.iter().map(cell).collect() }
        });
        StudyTable {
            caption: "Dice by structure, for networks trained on different scans".into(),
            row_header: STRUCTURE.into(),
            columns: self.names.iter().map(|name| (*name).to_owned()).collect(),
            ours: ours.collect(),
            ..StudyTable::default()
        }
    }

    /// What the means depend on, an arm a row.
    fn settings(&self) -> Facts {
        let fact = |arm: &&str| {
            let record = self.find(METRICS[0], arm, MEAN)?;
            Some(((*arm).to_owned(), format!("n {}, {}", record.n, record.settings)))
        };
        Facts(self.names.iter().filter_map(fact).collect())
    }
}

/// The row of a difference of two arms, which says how likely one as large is by chance.
fn difference(record: &Record) -> Option<MetricRow> {
    let group = format!("{} − {}", record.group.get(ARM)?, record.group.get(AGAINST)?);
    let p = record.settings.value("p_value").and_then(serde_json::Value::as_f64);
    let p = p.map_or_else(String::new, |p| format!(", p = {p:.4}"));
    Some(MetricRow { name: record.name.clone() + &p, group, ..row(record) })
}

fn is_mean(record: &Record) -> bool {
    record.group.get(STRUCTURE).is_some_and(|structure| structure == MEAN)
}

/// Mean Dice of the published arms; what else they measured is not quoted.
fn published() -> Vec<PublishedRow> {
    let rows = PUBLISHED.iter().flat_map(|paper| {
        let arms = [("real", paper.real), ("synthetic", paper.synthetic), ("hybrid", paper.hybrid)];
        arms.map(|(arm, value)| {
            let mut cells = vec![None; METRICS.len()];
            cells[0] = Some(Estimate { value, interval: None });
            let name = format!("{arm}: {}", paper.task);
            PublishedRow { row: StudyRow { name, cells }, source: paper.source.to_owned() }
        })
    });
    rows.collect()
}
