//! A cohort of digital brains, or of label maps, written as a BIDS tree.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use keyed_random::Key;
use mrisynth_volume::LabelMap;
use serde::{Deserialize, Serialize};

use crate::bids::{Participant, Tree};
use crate::error::{Error, Result};
use crate::label_imaging::LabelImaging;
use crate::phantom::{Phantom, head_geometry};
use crate::pulse_sequence::Modality;
use crate::scanner::Scanner;
use crate::subject::{Diagnosis, Sex, Subject};

/// What to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CohortConfig {
    /// The number of subjects.
    pub subjects: usize,
    /// Voxels along right, front and top; voxels are isotropic and hold the whole head.
    pub shape: [usize; 3],
    /// The contrasts of each session.
    pub modalities: Vec<Modality>,
    /// Diagnoses, in turn. Ignored for label maps.
    pub diagnoses: Vec<Diagnosis>,
    /// The number of sites, each with its own scanner.
    pub sites: u32,
    /// The number of sessions of each subject.
    pub sessions: u32,
    /// The years between sessions.
    pub session_interval_years: f64,
    /// The range of ages at the first session.
    pub age_years: [f64; 2],
    /// Whether the cortex is divided into parcels.
    pub parcels: bool,
    /// A folder of label maps in FreeSurfer's numbers, used in turn, instead of digital anatomy.
    pub labels: Option<PathBuf>,
    /// How label maps become new heads.
    pub label_imaging: LabelImaging,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Default for CohortConfig {
    fn default() -> Self {
        Self {
            subjects: 8,
            shape: [64; 3],
            modalities: vec![Modality::T1w],
            diagnoses: Diagnosis::ALL.to_vec(),
            sites: 2,
            sessions: 1,
            session_interval_years: 1.5,
            age_years: [45.0, 85.0],
            parcels: true,
            labels: None,
            label_imaging: LabelImaging::default(),
            seed: 0,
        }
    }
}

impl CohortConfig {
    fn check(&self) -> Result<()> {
        let refuse = |field, found: String, expected: &str| {
            Err(Error::Argument { field, found, expected: expected.into() })
        };
        if !(1..=100_000).contains(&self.subjects) {
            return refuse("subjects", self.subjects.to_string(), "1 to 100000");
        }
        if !(1..=100).contains(&self.sessions) {
            return refuse("sessions", self.sessions.to_string(), "1 to 100");
        }
        if !(1..=10_000).contains(&self.sites) {
            return refuse("sites", self.sites.to_string(), "1 to 10000");
        }
        if self.modalities.is_empty() {
            return refuse("modalities", "none".into(), "at least one");
        }
        if self.diagnoses.is_empty() && self.labels.is_none() {
            return refuse("diagnoses", "none".into(), "at least one");
        }
        let [youngest, oldest] = self.age_years;
        if !(youngest >= 18.0 && youngest <= oldest && oldest <= 100.0) {
            let found = format!("{:?}", self.age_years);
            return refuse("age_years", found, "two ages from 18 to 100, the lower first");
        }
        let last = f64::from(self.sessions - 1) * self.session_interval_years;
        if !(self.session_interval_years > 0.0 && last <= 40.0) {
            let found = self.session_interval_years.to_string();
            let expected = "above 0, and at most 40 years from the first session to the last";
            return refuse("session_interval_years", found, expected);
        }
        head_geometry(self.shape).map(|_| ())
    }

    /// The subject of this number, counted from 0, at its first session. It does not depend on how
    /// many subjects there are.
    #[must_use]
    pub fn subject(&self, number: usize) -> Subject {
        let key = self.key_of(number);
        let mut chance = key.with("who").stream();
        let [youngest, oldest] = self.age_years;
        let age = youngest + (oldest - youngest) * chance.uniform_f64();
        let diagnosis = match self.diagnoses.len() {
            0 => Diagnosis::Healthy,
            n => self.diagnoses[number % n],
        };
        Subject {
            seed: seed_of(key),
            // A tenth of a year, as tables have it.
            age_years: (10.0 * age).round() / 10.0,
            years: 0.0,
            sex: if chance.bool(0.5) { Sex::Female } else { Sex::Male },
            diagnosis,
            parcels: self.parcels,
        }
    }

    /// The site of a subject. Sites hold the same mixture of diagnoses.
    #[must_use]
    pub fn site(&self, number: usize) -> u32 {
        let turn = number / self.diagnoses.len().max(1);
        (turn % self.sites.max(1) as usize) as u32
    }

    fn key_of(&self, number: usize) -> Key {
        Key::new(self.seed).with("phantom cohort").with_index(number as u64)
    }
}

fn seed_of(key: Key) -> u64 {
    key.with("seed").stream().next_u64()
}

/// What has been done, after each session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The subject, such as `sub-001`.
    pub subject: String,
    /// The session, counted from 1.
    pub session: u32,
    /// Sessions that are written.
    pub done: usize,
    /// Sessions in all.
    pub total: usize,
}

/// What a cohort holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Subjects written.
    pub subjects: usize,
    /// Sessions written, of all subjects.
    pub sessions: usize,
    /// Images written.
    pub images: usize,
    /// Label maps written.
    pub label_maps: usize,
    /// Whether the observer ended it early. What was written by then is whole.
    pub stopped: bool,
}

/// Writes a cohort as a BIDS tree into a new or an empty folder: images with JSON beside them that
/// mark them as synthetic, label maps among the derivatives, `participants.tsv`, and a
/// `sessions.tsv` for subjects with several sessions.
///
/// The observer is told of each session once it is written, and may end the work there. The same
/// configuration gives the same voxels for any number of threads.
///
/// # Errors
/// [`Error::Argument`] when a field is out of its domain; [`Error::NotEmpty`] when the folder holds
/// something; [`Error::NoLabelMaps`] and [`Error::UnknownLabels`] for a folder of label maps;
/// [`Error::Folder`], [`Error::Volume`] and [`Error::Write`] for files.
///
/// # Examples
/// ```
/// use std::ops::ControlFlow;
/// use mrisynth_phantom::{CohortConfig, write_cohort};
/// let out = tempfile::tempdir()?;
/// let config = CohortConfig { subjects: 1, shape: [16; 3], ..CohortConfig::default() };
/// let report = write_cohort(&config, out.path(), &mut |_| ControlFlow::Continue(()))?;
/// assert_eq!((report.images, report.label_maps), (1, 1));
/// assert!(out.path().join("sub-001/anat/sub-001_T1w.nii.gz").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_cohort(
    config: &CohortConfig,
    out: &Path,
    observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Report> {
    config.check()?;
    let maps = config.labels.as_deref().map(label_maps_in).transpose()?.unwrap_or_default();
    let tree = Tree::create(out, config)?;
    let total = config.subjects * config.sessions as usize;
    let mut report = Report { subjects: 0, sessions: 0, images: 0, label_maps: 0, stopped: false };
    'subjects: for number in 0..config.subjects {
        let participant = Participant::of(config, number);
        let map = match maps.len() {
            0 => None,
            n => Some((&maps[number % n], LabelMap::read(&maps[number % n])?)),
        };
        for session in 1..=config.sessions {
            write_session(config, &tree, &participant, session, map.as_ref())?;
            report.sessions += 1;
            report.label_maps += 1;
            report.images += config.modalities.len();
            let subject = participant.name.clone();
            let progress = Progress { subject, session, done: report.sessions, total };
            if observer(&progress).is_break() && report.sessions < total {
                report.stopped = true;
                tree.finish_subject(&participant, session)?;
                report.subjects += 1;
                break 'subjects;
            }
        }
        tree.finish_subject(&participant, config.sessions)?;
        report.subjects += 1;
    }
    tree.finish(report.subjects)?;
    Ok(report)
}

fn write_session(
    config: &CohortConfig,
    tree: &Tree<'_>,
    participant: &Participant,
    session: u32,
    map: Option<&(&PathBuf, LabelMap)>,
) -> Result<()> {
    let years = f64::from(session - 1) * config.session_interval_years;
    let subject = Subject { years, ..participant.subject };
    let phantom = match map {
        None => Phantom::new(&subject, head_geometry(config.shape)?)?,
        Some((path, labels)) => {
            let seed = seed_of(config.key_of(participant.number).with_index(session.into()));
            let imaging = &config.label_imaging;
            Phantom::from_labels_of(labels, path, config.shape, imaging, seed)?
        }
    };
    let scanner = Scanner::of_site(config.seed, participant.site);
    for &modality in &config.modalities {
        let image = phantom.image(modality, &scanner)?;
        tree.write_image(participant, session, modality, &scanner, &image)?;
    }
    tree.write_labels(participant, session, phantom.labels())
}

/// The label maps of a folder, by name.
fn label_maps_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let fault = |source| Error::Folder { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_map = [".nii.gz", ".nii", ".mgz"].iter().any(|ending| name.ends_with(ending));
        if is_map && !name.starts_with('.') && path.is_file() {
            paths.push(path);
        }
    }
    // Where some are named as label maps, the others are images.
    let named = |path: &PathBuf| path.to_string_lossy().contains("_dseg.nii");
    if paths.iter().any(named) {
        paths.retain(named);
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Error::NoLabelMaps { path: folder.to_owned() });
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
