//! The scans of a folder or a manifest, read when they are needed.

use std::path::{Path, PathBuf};

use mrisynth_cohort::{Manifest, ScanOptions, Visit, scan};
use mrisynth_metrics::Settings;
use mrisynth_metrics::diversity::VolumeSource;
use mrisynth_metrics::groups::Grouping;
use mrisynth_volume::{PercentileRescale, Rescale, Volume};

use crate::error::{Error, Result};
use crate::mask_file::image_files;

/// The edges of the age bands, in years.
const AGES: [f64; 3] = [40.0, 60.0, 75.0];

/// Files of scans, and what is known of them. Their order is that of subjects, sessions and names,
/// whatever the order of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanSet {
    scans: Vec<Scan>,
}

/// One scan of a set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scan {
    /// Its image.
    pub(super) image: PathBuf,
    /// What kind of image that is, where a manifest or a name says it.
    pub(super) modality: Option<String>,
    /// Its label map, if it has one.
    pub(super) mask: Option<PathBuf>,
    /// Who it is of; without a name where nothing says so.
    pub(super) visit: Visit,
    /// Its place in the manifest, or among the names of a folder.
    pub(super) row: usize,
}

/// What is done to intensities before anything else.
pub(super) fn rescale() -> Rescale {
    Rescale::Percentiles(PercentileRescale::default())
}

/// The same, for records.
pub(super) fn intensity_settings() -> Settings {
    let rescale = serde_json::to_value(PercentileRescale::default());
    Settings::new().with("intensities", rescale.unwrap_or_default())
}

impl ScanSet {
    /// The first image of every row of a manifest, or of the manifest in a folder; of a folder without
    /// one what its BIDS names say, or else every image file.
    ///
    /// # Errors
    /// [`Error::Argument`] for a path where there is nothing, or no image; [`Error::Cohort`] for a
    /// manifest or a tree that cannot be read; [`Error::Io`].
    pub fn find(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            return Err(Error::argument("scans", path.display(), "a manifest or a folder"));
        }
        let scans = if Manifest::path_in(path).exists() {
            Self::visits(&Manifest::open(path)?, None)
        } else {
            let tree = scan(path, &ScanOptions::default())?;
            match Self::visits(&tree.manifest, None) {
                none if none.is_empty() => Self::files(path)?,
                scans => scans,
            }
        };
        let nothing = || Error::argument("scans", format!("none in {}", path.display()), "images");
        Self::new(scans).ok_or_else(nothing)
    }

    /// The images of one modality in a manifest, such as `T1w`, or else the first one of every row.
    ///
    /// # Errors
    /// [`Error::Argument`] where there is no such image.
    pub fn of_manifest(manifest: &Manifest, modality: Option<&str>) -> Result<Self> {
        let expected = || format!("images {}", modality.unwrap_or("of any modality"));
        Self::new(Self::visits(manifest, modality))
            .ok_or_else(|| Error::argument("scans", "none in the manifest", expected()))
    }

    /// How many scans there are, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no set is empty")]
    pub fn len(&self) -> usize {
        self.scans.len()
    }

    /// The files, in the order in which scans are measured.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.scans.iter().map(|scan| scan.image.as_path())
    }

    fn new(mut scans: Vec<Scan>) -> Option<Self> {
        // What is drawn of a set must not depend on how somebody sorted a table.
        scans.sort_by(|a, b| a.order().cmp(&b.order()));
        (!scans.is_empty()).then_some(Self { scans })
    }

    fn files(folder: &Path) -> Result<Vec<Scan>> {
        let scan = |(row, image)| {
            let (modality, mask, visit) = (None, None, Visit::default());
            Scan { image, modality, mask, visit, row }
        };
        Ok(image_files(folder)?.into_iter().enumerate().map(scan).collect())
    }

    fn visits(manifest: &Manifest, modality: Option<&str>) -> Vec<Scan> {
        let scan = |visit: &Visit| {
            let (modality, image) = match modality {
                Some(modality) => visit.images.get_key_value(modality)?,
                None => visit.images.iter().next()?,
            };
            let (image, modality) = (manifest.resolve(image), Some(modality.clone()));
            let mask = visit.mask.as_deref().map(|mask| manifest.resolve(mask));
            Some(Scan { image, modality, mask, visit: visit.clone(), row: 0 })
        };
        let scans = manifest.visits.iter().filter_map(scan).enumerate();
        scans.map(|(row, scan)| Scan { row, ..scan }).collect()
    }

    /// The scans.
    pub(super) fn scans(&self) -> &[Scan] {
        &self.scans
    }

    /// The file of a scan.
    pub(super) fn path(&self, index: usize) -> &Path {
        &self.scans[index].image
    }

    /// By site, sex, diagnosis and age band, in this order.
    pub(super) fn groupings(&self) -> Result<[Grouping; 4]> {
        let names = |key, name: fn(&Visit) -> Option<String>| {
            let of_scans = self.scans.iter().map(|scan| name(&scan.visit));
            Grouping::new(key, &of_scans.collect::<Vec<_>>())
        };
        let ages: Vec<Option<f64>> = self.scans.iter().map(|scan| scan.visit.age).collect();
        Ok([
            names("site", |visit| visit.site.clone()),
            names("sex", |visit| visit.sex.map(|sex| sex.to_string())),
            names("diagnosis", |visit| visit.diagnosis.clone()),
            Grouping::bands("age", &ages, &AGES)?,
        ])
    }
}

impl Scan {
    fn order(&self) -> (&str, Option<&str>, &Path) {
        (self.visit.subject.as_str(), self.visit.session.as_deref(), &self.image)
    }
}

impl VolumeSource for ScanSet {
    fn count(&self) -> usize {
        self.scans.len()
    }

    fn volume(&self, index: usize) -> mrisynth_metrics::Result<Volume> {
        let mut volume = Volume::read(self.path(index))?;
        rescale().apply_in_place(&mut volume, None)?;
        Ok(volume)
    }
}
