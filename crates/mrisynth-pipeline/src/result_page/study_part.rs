//! An augmentation study: its arms beside each other, and beside published ones.

use mrisynth_metrics::{Record, Results};
use mrisynth_report::Estimate;
use mrisynth_report::page::{Block, Facts, PublishedRow, StudyRow, StudyTable};
use mrisynth_report::plot::IntervalRow;

use super::ResultPage;
use super::measurements::{drawing, estimate, read_if_there, table, warned};
use crate::error::Result;
use crate::segmentation::{MEAN, METRICS};
use crate::study::{AugmentationStudy, GAP_SHARE, PUBLISHED};

const ARM: &str = "arm";
const STRUCTURE: &str = "structure";
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
        let rows = arms.names.iter().filter_map(|arm| arms.interval(arm)).collect();
        blocks.extend(drawing(
            "Mean Dice of networks trained on different scans",
            METRICS[0],
            rows,
        )?);
        blocks.push(Block::Study(arms.means()));
        blocks.extend(table(
            "Paired differences between arms, of the means over structures",
            results.records.iter().filter(|r| is_mean(r) && r.group.contains_key(AGAINST)),
            &[ARM],
        ));
        let shares = results.records.iter().filter(|record| record.name == GAP_SHARE);
        blocks.extend(table("How much of the gap between two arms another closes", shares, &[ARM]));
        blocks.push(Block::Study(arms.structures()));
        // Copies are told of in another part.
        blocks.extend(warned(results.warnings.iter().filter(|w| !w.contains("near copy"))));
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

    fn interval(&self, arm: &str) -> Option<IntervalRow> {
        let Estimate { value, interval } = estimate(self.find(METRICS[0], arm, MEAN)?);
        let numbers = [value].into_iter().chain(interval.into_iter().flatten());
        let label = arm.to_owned();
        numbers.into_iter().all(f64::is_finite).then_some(IntervalRow { label, value, interval })
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
