//! Who is learnt from, with which labels and on which grid: decided once, by looking at the scans.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keyed_random::Key;
use mrisynth_cohort::{Manifest, Visit};
use mrisynth_conditioning::{LabelScheme, LabelSchemeConfig};
use serde::{Deserialize, Serialize};

use super::config::Effort;
use crate::error::{Error, Result};

const FORMAT: &str = "mrisynth-quickstart-plan";
const VERSION: u32 = 1;
const PLAN: &str = "plan.json";
const GENERATOR: &str = "generator.toml";
const SEGMENTATION: &str = "segmentation.toml";
/// The modality that is taken where there is a choice.
const PREFERRED: &str = "T1w";
/// The part of the subjects that is held out.
const HELD_OUT: f64 = 0.4;

/// What the stages after it go by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) format: String,
    pub(super) version: u32,
    /// The modality.
    pub(super) image: String,
    /// Whom networks learn from.
    pub(super) training: BTreeSet<String>,
    /// Whom they are tested on.
    pub(super) test: BTreeSet<String>,
    /// What masks mean.
    pub(super) scheme: LabelSchemeConfig,
    /// The world's axes along which scans are no slabs, and anatomy may be moved.
    pub(super) thick: [bool; 3],
    /// What was decided, and why, in sentences.
    pub(super) notes: Vec<String>,
}

impl Plan {
    pub(super) fn file_in(folder: &Path) -> PathBuf {
        folder.join(PLAN)
    }

    /// The generator's experiment.
    pub(super) fn generator_in(folder: &Path) -> PathBuf {
        folder.join(GENERATOR)
    }

    /// The segmentation networks' experiment.
    pub(super) fn segmentation_in(folder: &Path) -> PathBuf {
        folder.join(SEGMENTATION)
    }

    /// Divides the subjects whose scans can be used; the rest is for others to fill in.
    pub(super) fn new(cohort: &Manifest, effort: &Effort, seed: u64) -> Result<Self> {
        let image = modality(cohort)?;
        let usable: BTreeSet<String> = cohort
            .visits
            .iter()
            .filter(|visit| visit.mask.is_some() && visit.images.contains_key(&image))
            .map(|visit| visit.subject.clone())
            .collect();
        let subjects = cohort.subjects().len();
        if usable.is_empty() {
            let found = format!("{subjects} subjects, none of whom has {image} and a mask");
            let expected = format!("a scan {image} and a label map of the same subject");
            return Err(Error::argument("the cohort", found, expected));
        }
        let mut notes = Vec::new();
        if usable.len() < subjects {
            let without = subjects - usable.len();
            notes.push(format!("{without} of {subjects} subjects lack {image} or a mask."));
        }
        let Division { training, test, unused } = Division::new(cohort, &usable, effort, seed);
        if unused > 0 {
            notes.push(format!("{unused} subjects were left aside."));
        }
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            image,
            training,
            test,
            scheme: LabelSchemeConfig::default(),
            thick: [true; 3],
            notes,
        })
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        let plan: Self = serde_json::from_str(&text)
            .map_err(|e| Error::format(path, "the content", e, "the plan of a quick start"))?;
        if (plan.format.as_str(), plan.version) != (FORMAT, VERSION) {
            let found = format!("{} {}", plan.format, plan.version);
            return Err(Error::format(path, "format", found, format!("{FORMAT} {VERSION}")));
        }
        Ok(plan)
    }

    /// What masks mean.
    pub(super) fn label_scheme(&self) -> Result<LabelScheme> {
        Ok(LabelScheme::new(&self.scheme)?)
    }

    /// Everybody whom it takes.
    pub(super) fn subjects(&self) -> BTreeSet<String> {
        self.training.union(&self.test).cloned().collect()
    }

    /// What lacks for something that needs so many subjects to learn from and to test on.
    pub(super) fn lacks(&self, training: usize, test: usize) -> Option<String> {
        let found = [self.training.len(), self.test.len()];
        (found[0] < training || found[1] < test).then(|| {
            format!(
                "{} subjects to learn from and {} held out; {training} and {test} are needed",
                found[0], found[1]
            )
        })
    }
}

/// The modality that most visits have, the preferred one if as many have it.
fn modality(cohort: &Manifest) -> Result<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for suffix in cohort.visits.iter().flat_map(|visit: &Visit| visit.images.keys()) {
        *counts.entry(suffix).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(suffix, count)| (**count, **suffix == PREFERRED));
    most.map(|(suffix, _)| (*suffix).to_owned())
        .ok_or_else(|| Error::argument("the cohort", "without images", "scans with masks"))
}

/// Who is in which part.
struct Division {
    training: BTreeSet<String>,
    test: BTreeSet<String>,
    unused: usize,
}

impl Division {
    /// By the cohort's own splits where it has `train` and `test`; else drawn.
    fn new(cohort: &Manifest, usable: &BTreeSet<String>, effort: &Effort, seed: u64) -> Self {
        let of_split = |split: &str| -> Vec<String> {
            let visits = cohort.visits.iter().filter(|v| v.split.as_deref() == Some(split));
            let subjects: BTreeSet<&String> = visits.map(|visit| &visit.subject).collect();
            subjects.into_iter().filter(|subject| usable.contains(*subject)).cloned().collect()
        };
        let (mut training, mut test) = (of_split("train"), of_split("test"));
        let shuffle = |subjects: &mut Vec<String>, what: &str| {
            Key::new(seed).with("quickstart").with(what).stream().shuffle(subjects);
        };
        let most_test = effort.most_held_out.min(effort.most_subjects.saturating_sub(1));
        if training.is_empty() || test.is_empty() {
            let mut everybody: Vec<String> = usable.iter().cloned().collect();
            shuffle(&mut everybody, "split");
            everybody.truncate(effort.most_subjects);
            let held_out = held_out_of(everybody.len()).min(most_test);
            training = everybody.split_off(held_out);
            test = everybody;
        } else {
            shuffle(&mut training, "training");
            shuffle(&mut test, "test");
            test.truncate(most_test);
            training.truncate(effort.most_subjects - test.len());
        }
        let unused = usable.len() - training.len() - test.len();
        let (training, test) = (training.into_iter().collect(), test.into_iter().collect());
        Self { training, test, unused }
    }
}

/// At least one of two, and two of four, so that something can be measured.
fn held_out_of(subjects: usize) -> usize {
    match subjects {
        0 | 1 => 0,
        2 | 3 => 1,
        n => ((n as f64 * HELD_OUT).round() as usize).max(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort(splits: &[Option<&str>]) -> Manifest {
        let visit = |(n, split): (usize, &Option<&str>)| Visit {
            subject: format!("sub-{n:02}"),
            images: [("T1w".to_owned(), "t1.nii".into()), ("T2w".to_owned(), "t2.nii".into())]
                .into(),
            mask: Some("mask.nii".into()),
            split: split.map(str::to_owned),
            ..Visit::default()
        };
        Manifest::new("", splits.iter().enumerate().map(visit).collect())
    }

    fn plan(splits: &[Option<&str>]) -> Plan {
        Plan::new(&cohort(splits), &Effort::default(), 3).unwrap()
    }

    #[test]
    fn nobody_is_in_two_parts_and_small_cohorts_hold_few_out() {
        for (subjects, held_out) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 4), (50, 8)] {
            let plan = plan(&vec![None; subjects]);
            assert_eq!(plan.test.len(), held_out, "{subjects}");
            assert_eq!(plan.training.len(), subjects.min(20) - held_out);
            assert!(plan.training.is_disjoint(&plan.test));
            assert_eq!(plan.image, "T1w");
        }
    }

    #[test]
    fn splits_of_the_cohort_are_kept() {
        let splits = [Some("test"), Some("train"), Some("train"), None, Some("validation")];
        let plan = plan(&splits);
        assert_eq!(plan.test, ["sub-00".to_owned()].into());
        assert_eq!(plan.training, ["sub-01", "sub-02"].map(str::to_owned).into());
        assert_eq!(plan.notes, ["2 subjects were left aside."]);
    }

    #[test]
    fn subjects_without_scan_or_mask_are_told() {
        let mut cohort = cohort(&[None; 3]);
        cohort.visits[1].mask = None;
        let plan = Plan::new(&cohort, &Effort::default(), 0).unwrap();
        assert_eq!(plan.notes, ["1 of 3 subjects lack T1w or a mask."]);
        cohort.visits.iter_mut().for_each(|visit| visit.mask = None);
        let error = Plan::new(&cohort, &Effort::default(), 0).unwrap_err().to_string();
        assert!(error.contains("none of whom has T1w and a mask"), "{error}");
    }

    #[test]
    fn what_lacks_is_told_with_what_there_is() {
        let plan = plan(&[None; 3]);
        assert_eq!(plan.lacks(1, 1), None);
        let expected = "2 subjects to learn from and 1 held out; 2 and 3 are needed";
        assert_eq!(plan.lacks(2, 3).unwrap(), expected);
    }
}
