//! Who is learnt from, who chooses the recipe, and who is tested: fixed before anything is trained.

use std::collections::BTreeSet;

use keyed_random::Key;
use mrisynth_cohort::{Manifest, Visit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a cohort is divided by subject.
///
/// Numbers are drawn in the order of a shuffle by the seed: training subjects from its beginning, tested
/// ones from its end, validation subjects from before those. So of two studies that differ in the number of
/// training subjects alone, the larger one's contain the smaller one's, and the others stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// Whom networks learn from.
    pub training: Members,
    /// By whom the recipe is chosen.
    #[serde(default)]
    pub validation: Members,
    /// Who is tested; by default everybody else.
    #[serde(default)]
    pub test: Option<Members>,
    /// The seed of the shuffle.
    #[serde(default)]
    pub seed: u64,
}

/// Subjects, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Members {
    /// So many, drawn.
    Count(usize),
    /// These.
    Named(Vec<String>),
}

impl Default for Members {
    fn default() -> Self {
        Self::Count(0)
    }
}

/// A cohort divided by subject; nobody is in two parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudySplit {
    /// Whom networks learn from.
    pub training: BTreeSet<String>,
    /// By whom the recipe is chosen.
    pub validation: BTreeSet<String>,
    /// Who is tested.
    pub test: BTreeSet<String>,
    /// Everybody else.
    pub unused: BTreeSet<String>,
}

impl StudySplit {
    /// Divides the subjects of a cohort.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that the cohort does not have or that stands in two parts, more
    /// subjects than there are, and no subject to learn from or to test.
    pub fn new(cohort: &Manifest, config: &SplitConfig) -> Result<Self> {
        let everybody: BTreeSet<String> =
            cohort.subjects().into_keys().map(str::to_owned).collect();
        let mut free = everybody.clone();
        let training = named("split.training", &config.training, &mut free, &everybody)?;
        let validation = named("split.validation", &config.validation, &mut free, &everybody)?;
        let test = config.test.as_ref();
        let test = test.map(|of| named("split.test", of, &mut free, &everybody)).transpose()?;

        let mut shuffled: Vec<String> = free.into_iter().collect();
        Key::new(config.seed).with("study split").stream().shuffle(&mut shuffled);
        let take = |field, members: &Members, from: &mut Vec<String>| -> Result<Vec<String>> {
            let Members::Count(count) = members else { return Ok(Vec::new()) };
            let rest = from.len().checked_sub(*count).ok_or_else(|| {
                Error::argument(field, count, format!("at most {}, who are left", from.len()))
            })?;
            Ok(from.split_off(rest))
        };
        let mut split = Self {
            training: training.into_iter().collect(),
            validation: validation.into_iter().collect(),
            test: test.into_iter().flatten().collect(),
            unused: BTreeSet::new(),
        };
        if let Some(members) = &config.test {
            split.test.extend(take("split.test", members, &mut shuffled)?);
        }
        split.validation.extend(take("split.validation", &config.validation, &mut shuffled)?);
        shuffled.reverse();
        split.training.extend(take("split.training", &config.training, &mut shuffled)?);
        let rest = if config.test.is_some() { &mut split.unused } else { &mut split.test };
        rest.extend(shuffled);
        for (field, part) in [("split.training", &split.training), ("split.test", &split.test)] {
            if part.is_empty() {
                return Err(Error::argument(field, "empty", "at least one subject"));
            }
        }
        Ok(split)
    }

    /// The visits of some subjects, without splits, all of which have a mask and these images; paths are
    /// whole.
    pub(crate) fn visits(
        cohort: &Manifest,
        subjects: &BTreeSet<&str>,
        images: &[String],
    ) -> Vec<Visit> {
        let is_wanted = |visit: &&Visit| {
            subjects.contains(visit.subject.as_str())
                && visit.mask.is_some()
                && images.iter().all(|suffix| visit.images.contains_key(suffix))
        };
        let whole = |visit: &Visit| {
            let mut visit = Visit { split: None, ..visit.clone() };
            for path in visit.images.values_mut().chain(visit.mask.as_mut()) {
                *path = cohort.resolve(path);
            }
            visit
        };
        cohort.visits.iter().filter(is_wanted).map(whole).collect()
    }
}

/// Takes the subjects that have names from those who are free.
fn named(
    field: &str,
    members: &Members,
    free: &mut BTreeSet<String>,
    everybody: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let Members::Named(names) = members else { return Ok(Vec::new()) };
    for name in names {
        if !everybody.contains(name) {
            return Err(Error::argument(field, name, "subjects of the cohort"));
        }
        if !free.remove(name) {
            return Err(Error::argument(field, name, "subjects that stand there once"));
        }
    }
    Ok(names.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort(n: usize) -> Manifest {
        let visit = |k: usize| Visit { subject: format!("sub-{:02}", k / 2), ..Visit::default() };
        Manifest::new("", (0..2 * n).map(visit).collect())
    }

    fn config(training: usize, validation: usize, test: Option<usize>) -> SplitConfig {
        let (training, validation) = (Members::Count(training), Members::Count(validation));
        SplitConfig { training, validation, test: test.map(Members::Count), seed: 3 }
    }

    fn of(n: usize, config: &SplitConfig) -> StudySplit {
        StudySplit::new(&cohort(n), config).unwrap()
    }

    #[test]
    fn nobody_is_in_two_parts_and_nobody_is_lost() {
        for (training, validation, test) in [(1, 0, None), (2, 3, Some(5)), (4, 4, None)] {
            let split = of(14, &config(training, validation, test));
            let parts = [&split.training, &split.validation, &split.test, &split.unused];
            let all: BTreeSet<_> = parts.into_iter().flatten().collect();
            assert_eq!(all.len(), 14);
            assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 14);
            let sizes = (split.training.len(), split.validation.len());
            assert_eq!(sizes, (training, validation));
            let rest = 14 - training - validation;
            assert_eq!(split.test.len(), test.unwrap_or(rest));
        }
    }

    #[test]
    fn more_training_subjects_leave_the_others_where_they_were() {
        let [one, two, four] = [1, 2, 4].map(|n| of(20, &config(n, 3, Some(8))));
        assert!(one.training.is_subset(&two.training) && two.training.is_subset(&four.training));
        assert!(one.test == four.test && one.validation == four.validation);
        let other = of(20, &SplitConfig { seed: 4, ..config(1, 3, Some(8)) });
        assert_ne!(other.test, one.test);
    }

    #[test]
    fn named_subjects_are_where_they_were_put_and_nowhere_else() {
        let names = |of: &[&str]| Members::Named(of.iter().map(|s| (*s).to_owned()).collect());
        let named = SplitConfig { training: names(&["sub-03", "sub-05"]), ..config(0, 2, None) };
        let split = of(6, &named);
        assert_eq!(split.training, ["sub-03", "sub-05"].map(str::to_owned).into());
        assert_eq!((split.validation.len(), split.test.len()), (2, 2));
        for wrong in [names(&["sub-99"]), names(&["sub-03", "sub-03"])] {
            let config = SplitConfig { training: wrong, ..named.clone() };
            assert!(StudySplit::new(&cohort(6), &config).is_err());
        }
        let twice = SplitConfig { test: Some(names(&["sub-03"])), ..named };
        let error = StudySplit::new(&cohort(6), &twice).unwrap_err().to_string();
        assert_eq!(error, "split.test is sub-03, expected subjects that stand there once");
    }

    #[test]
    fn a_part_that_must_not_be_empty_is_named() {
        for config in [config(0, 0, None), config(6, 0, None), config(2, 5, None)] {
            let error = StudySplit::new(&cohort(6), &config).unwrap_err().to_string();
            assert!(error.starts_with("split."), "{error}");
        }
    }
}
