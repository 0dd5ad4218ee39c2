//! Which scans are learnt from, and which are held out.

use std::path::Path;

use mrisynth_cohort::{Fraction, Manifest, ScanOptions, SplitConfig, Splitter, Visit, scan};

use crate::error::{Error, Result};

/// The manifest that a folder's own tools leave in it.
const MANIFEST: &str = "cohort.tsv";
const TRAIN: &str = "train";
const VALIDATION: &str = "validation";

/// The cohort at a path: a manifest, a folder with a manifest `cohort.tsv`, or a folder of images with
/// BIDS names.
///
/// # Errors
/// [`Error::Cohort`] for what is none of these.
pub fn open_cohort(path: impl AsRef<Path>) -> Result<Manifest> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(Manifest::read(path)?);
    }
    let manifest = path.join(MANIFEST);
    if manifest.is_file() {
        return Ok(Manifest::read(manifest)?);
    }
    Ok(scan(path, &ScanOptions::default())?.manifest)
}

/// The visits of a cohort with whole paths.
pub(crate) fn whole_visits(cohort: &Manifest) -> Vec<Visit> {
    let whole = |visit: &Visit| {
        let mut visit = visit.clone();
        for path in visit.images.values_mut().chain(visit.mask.as_mut()) {
            *path = cohort.resolve(path);
        }
        visit
    };
    cohort.visits.iter().map(whole).collect()
}

/// A cohort divided by subject into what is learnt from and what is held out.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    /// What is learnt from.
    pub training: Manifest,
    /// What the training is validated on, if anything.
    pub held_out: Option<Manifest>,
}

impl Division {
    /// The division that the cohort's splits say: `train`, `validation`, and `test`, which is left
    /// alone. Where there is no `validation`, the part `held_out` of the other subjects is set aside,
    /// the same subjects whenever the seed is the same.
    ///
    /// # Errors
    /// [`Error::Argument`] when nothing is left to learn from.
    pub fn new(cohort: &Manifest, held_out: f64, seed: u64) -> Result<Self> {
        let kept = |keep: &dyn Fn(Option<&str>) -> bool| {
            let visits = cohort.visits.iter().filter(|visit| keep(visit.split.as_deref()));
            Manifest::new(cohort.folder(), visits.cloned().collect())
        };
        let has_splits = cohort.visits.iter().any(|visit| visit.split.is_some());
        let mut training = kept(&|split| if has_splits { split == Some(TRAIN) } else { true });
        let validation = cohort.of_split(VALIDATION);
        if training.visits.is_empty() {
            let found = format!("{} visits, none to learn from", cohort.visits.len());
            let expected = format!("visits of the split {TRAIN}, or visits without splits");
            return Err(Error::argument("the cohort", found, expected));
        }
        if !validation.visits.is_empty() {
            return Ok(Self { training, held_out: Some(validation) });
        }
        if held_out <= 0.0 || training.subjects().len() < 2 {
            return Ok(Self { training, held_out: None });
        }
        training.visits.iter_mut().for_each(|visit| visit.split = None);
        let part = |name: &str, fraction| Fraction { name: name.to_owned(), fraction };
        let fractions = vec![part(TRAIN, 1.0 - held_out), part(VALIDATION, held_out)];
        let config = SplitConfig { fractions, seed, ..SplitConfig::default() };
        Splitter::new(&config)?.assign(&mut training)?;
        let validation = training.of_split(VALIDATION);
        let held_out = (!validation.visits.is_empty()).then_some(validation);
        Ok(Self { training: training.of_split(TRAIN), held_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort(splits: &[Option<&str>]) -> Manifest {
        let visit = |(n, split): (usize, &Option<&str>)| Visit {
            subject: format!("sub-{n:02}"),
            split: split.map(str::to_owned),
            ..Visit::default()
        };
        Manifest::new("", splits.iter().enumerate().map(visit).collect())
    }

    fn subjects(manifest: &Manifest) -> Vec<&str> {
        manifest.visits.iter().map(|visit| visit.subject.as_str()).collect()
    }

    #[test]
    fn the_test_split_is_neither_learnt_nor_looked_at() {
        let splits = [Some(TRAIN), Some("test"), Some(VALIDATION), Some(TRAIN), None];
        let division = Division::new(&cohort(&splits), 0.5, 1).unwrap();
        assert_eq!(subjects(&division.training), ["sub-00", "sub-03"]);
        assert_eq!(subjects(&division.held_out.unwrap()), ["sub-02"]);
        assert!(Division::new(&cohort(&[Some("test"); 3]), 0.5, 1).is_err());
    }

    #[test]
    fn subjects_are_set_aside_once_and_for_all() {
        let cohort = cohort(&[None; 20]);
        let division = Division::new(&cohort, 0.1, 7).unwrap();
        let held_out = division.held_out.clone().unwrap();
        assert_eq!((division.training.visits.len(), held_out.visits.len()), (18, 2));
        let both: std::collections::BTreeSet<_> =
            subjects(&division.training).into_iter().chain(subjects(&held_out)).collect();
        assert_eq!(both.len(), 20);
        assert_eq!(Division::new(&cohort, 0.1, 7).unwrap(), division);
        assert_eq!(Division::new(&cohort, 0.0, 7).unwrap().held_out, None);
    }
}
