//! Whether a test set can be trusted: no subject on both sides, no image under two names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::fingerprint::Sum;
use crate::manifest::Manifest;
use crate::survey::{FileRecord, Survey};
use crate::visit::MASK;

/// What was found between the splits of a cohort.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Leakage {
    /// Subjects with visits in several splits. Visits without a split count as one of their own
    /// where others have one.
    pub subjects: Vec<LeakingSubject>,
    /// Images under several names, of several subjects or in several splits.
    pub copies: Vec<Copies>,
    /// Images under several names of one subject in one split: a waste, but no leak.
    pub repeats: Vec<Copies>,
}

/// A subject that is in several splits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeakingSubject {
    /// The subject.
    pub subject: String,
    /// Its splits; `None` for visits without one.
    pub splits: Vec<Option<String>>,
}

/// Files with the same image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// In which sense they are the same.
    pub kind: CopyKind,
    /// The files, in the order of the manifest.
    pub files: Vec<CopiedFile>,
}

/// In which sense files hold the same image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyKind {
    /// The same decoded voxels.
    Voxels,
    /// The same voxels up to what a header says: turned, mirrored, padded, moved, in another
    /// datatype, or under another scaling.
    Header,
}

/// A file that is a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiedFile {
    /// Its subject.
    pub subject: String,
    /// Its session.
    pub session: Option<String>,
    /// Its split.
    pub split: Option<String>,
    /// The path as the manifest has it.
    pub path: PathBuf,
}

impl Leakage {
    /// Looks for subjects in several splits, without reading a file.
    #[must_use]
    pub fn of_subjects(manifest: &Manifest) -> Self {
        let mut subjects = Vec::new();
        for (subject, rows) in manifest.subjects() {
            let splits = rows.iter().map(|&row| manifest.visits[row].split.clone());
            let splits: BTreeSet<Option<String>> = splits.collect();
            if splits.len() > 1 {
                let (subject, splits) = (subject.to_owned(), splits.into_iter().collect());
                subjects.push(LeakingSubject { subject, splits });
            }
        }
        Self { subjects, ..Self::default() }
    }

    /// Looks for subjects in several splits, and for images under several names.
    ///
    /// Masks are compared in place only, as two people may well have tumours of as many voxels;
    /// images and masks of one value throughout are compared with nothing.
    #[must_use]
    pub fn of(manifest: &Manifest, survey: &Survey) -> Self {
        let mut leakage = Self::of_subjects(manifest);
        let mut told = BTreeSet::new();
        for (kind, sum) in [
            (CopyKind::Voxels, (|f| Some(f.fingerprint.in_order)) as fn(&FileRecord) -> _),
            (CopyKind::Header, |f| (f.column != MASK).then_some(f.fingerprint.values)),
            (CopyKind::Header, |f| (f.column != MASK).then_some(f.fingerprint.stored)),
        ] {
            for group in groups(survey, sum) {
                // What the stricter sense has told already.
                if told.insert(group.clone()) {
                    leakage.add(kind, &group, manifest, survey);
                }
            }
        }
        leakage
    }

    fn add(&mut self, kind: CopyKind, group: &[usize], manifest: &Manifest, survey: &Survey) {
        let copied = |&index: &usize| {
            let file = &survey.files[index];
            let visit = &manifest.visits[file.row];
            CopiedFile {
                subject: visit.subject.clone(),
                session: visit.session.clone(),
                split: visit.split.clone(),
                path: file.path.clone(),
            }
        };
        let files: Vec<CopiedFile> = group.iter().map(copied).collect();
        let is_repeat =
            files.iter().all(|f| (&f.subject, &f.split) == (&files[0].subject, &files[0].split));
        let list = if is_repeat { &mut self.repeats } else { &mut self.copies };
        list.push(Copies { kind, files });
    }

    /// True when nothing leaks.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.subjects.is_empty() && self.copies.is_empty()
    }
}

/// The files that share a sum, two or more at a time, as indices.
fn groups(survey: &Survey, sum: fn(&FileRecord) -> Option<Sum>) -> Vec<Vec<usize>> {
    let mut by_sum = BTreeMap::<Sum, Vec<usize>>::new();
    let files = survey.files.iter().enumerate().filter(|(_, file)| !file.fingerprint.is_constant);
    for (index, file) in files {
        if let Some(sum) = sum(file) {
            by_sum.entry(sum).or_default().push(index);
        }
    }
    let mut groups: Vec<Vec<usize>> =
        by_sum.into_values().filter(|group| group.len() > 1).collect();
    groups.sort();
    groups
}

impl fmt::Display for Leakage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |split: &Option<String>| split.clone().unwrap_or_else(|| "no split".into());
        for LeakingSubject { subject, splits } in &self.subjects {
            let splits: Vec<String> = splits.iter().map(name).collect();
            writeln!(f, "{subject} is in several splits: {}", splits.join(", "))?;
        }
        for (what, list) in [("leak", &self.copies), ("repeat", &self.repeats)] {
            for Copies { kind, files } in list {
                let how = match kind {
                    CopyKind::Voxels => "the same voxels",
                    CopyKind::Header => "the same voxels under another header",
                };
                let file =
                    |file: &CopiedFile| format!("{} ({})", file.path.display(), name(&file.split));
                let files: Vec<String> = files.iter().map(file).collect();
                writeln!(f, "{what}, {how}: {}", files.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
