//! Masks to make volumes of: where they lie, whose they are, what they are known by.

use std::path::{Path, PathBuf};

use durable_file::{Sha256Digest, sha256_of_bytes};
use mrisynth_cohort::{BidsName, Manifest, ScanOptions, Visit, scan};
use mrisynth_volume::{Affine, FileFormat, Geometry, LabelMap};

use crate::error::{Error, Result};

/// A file with a mask, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskFile {
    /// The file.
    pub path: PathBuf,
    /// The subject with its prefix, such as `sub-01`.
    pub subject: String,
    /// The session with its prefix, if there are sessions.
    pub session: Option<String>,
}

impl MaskFile {
    /// The masks at a path, in the order of their subjects: one file, all that a manifest or a BIDS
    /// tree names, or, in a folder without BIDS names, every image.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is none; [`Error::Cohort`] for a manifest or a tree that cannot
    /// be read.
    pub fn find(path: impl AsRef<Path>) -> Result<Vec<Self>> {
        let path = path.as_ref();
        let masks = if path.is_dir() {
            let manifest = path.join("cohort.tsv");
            let manifest = match manifest.is_file() {
                true => Manifest::read(manifest)?,
                false => scan(path, &ScanOptions::default())?.manifest,
            };
            match Self::of_manifest(&manifest) {
                found if found.is_empty() => Self::of_folder(path)?,
                found => found,
            }
        } else if path.extension().is_some_and(|ending| ending == "tsv") {
            Self::of_manifest(&Manifest::read(path)?)
        } else {
            vec![Self::of_file(path)]
        };
        if masks.is_empty() {
            return Err(Error::argument("masks", path.display(), "at least one mask"));
        }
        Ok(masks)
    }

    /// The masks of visits whose paths are whole.
    pub(crate) fn of_visits(visits: &[Visit]) -> Vec<Self> {
        Self::of_manifest(&Manifest::new("", visits.to_vec()))
    }

    fn of_manifest(manifest: &Manifest) -> Vec<Self> {
        let of = |visit: &Visit| {
            let path = manifest.resolve(visit.mask.as_ref()?);
            let (subject, session) = (visit.subject.clone(), visit.session.clone());
            Some(Self { path, subject, session })
        };
        manifest.visits.iter().filter_map(of).collect()
    }

    fn of_folder(folder: &Path) -> Result<Vec<Self>> {
        Ok(image_files(folder)?.iter().map(|path| Self::of_file(path)).collect())
    }

    /// By its BIDS name, or else by the letters and digits of its name.
    fn of_file(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (subject, session) = match BidsName::parse(&name) {
            Ok(bids) => (bids.subject(), bids.session()),
            Err(_) => {
                let stem = name.split('.').next().unwrap_or_default();
                let label: String = stem.chars().filter(char::is_ascii_alphanumeric).collect();
                (format!("sub-{}", if label.is_empty() { "unnamed" } else { &label }), None)
            }
        };
        Self { path: path.to_owned(), subject, session }
    }

    /// The mask, its affine as NIfTI holds it: what is made of it is then also what is made of its
    /// copy beside the volume, to the bit.
    ///
    /// # Errors
    /// [`Error::Volume`] naming the file.
    pub fn read(&self) -> Result<LabelMap> {
        let mask = LabelMap::read(&self.path)?;
        let geometry = as_stored(mask.geometry())?;
        Ok(mask.with_geometry(geometry)?)
    }
}

/// The image files of a folder by their names' endings, in order; not those of folders in it.
pub(crate) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let fault = |e| Error::io(folder, "list", e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_file() && FileFormat::of_name(&path).is_ok() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A grid as NIfTI-1 holds it, with an affine of `f32` numbers.
pub(crate) fn as_stored(geometry: &Geometry) -> Result<Geometry> {
    let mut rows = geometry.voxel_to_world().rows();
    rows.iter_mut().flatten().for_each(|entry| *entry = f64::from(*entry as f32));
    let affine = Affine::from_rows(rows).map_err(mrisynth_volume::Error::from)?;
    Ok(Geometry::new(geometry.shape(), affine)?)
}

/// What a mask is known by, wherever it lies: the SHA-256 digest of its shape, its affine and its labels.
/// (A copy in MGH, which rounds affines in its own way, may be another mask by an ulp.)
///
/// The digest is over little-endian numbers: three `u64`, the affine by rows as sixteen `f32`, as NIfTI
/// holds it, and the labels as `i32`, x fastest.
#[must_use]
pub fn mask_identity(mask: &LabelMap) -> Sha256Digest {
    let geometry = mask.geometry();
    let mut bytes = Vec::with_capacity(4 * mask.voxels().len() + 88);
    for size in geometry.shape() {
        bytes.extend((size as u64).to_le_bytes());
    }
    for entry in geometry.voxel_to_world().rows().into_iter().flatten() {
        // Adding 0 makes −0 and 0 one.
        bytes.extend((entry as f32 + 0.0).to_le_bytes());
    }
    for label in mask.voxels() {
        bytes.extend(label.to_le_bytes());
    }
    sha256_of_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use mrisynth_volume::WriteOptions;

    use super::*;

    fn mask(label: i32, origin: f64) -> LabelMap {
        // Not all of it is a number of f32.
        let affine = Affine::from_spacing_mm([1.1, 2.0, 1.5], [origin, 0.3, 0.0]).unwrap();
        LabelMap::from_fn(Geometry::new([3, 2, 2], affine).unwrap(), |[x, ..]| label * x as i32)
    }

    #[test]
    fn a_mask_is_known_by_what_it_is_and_not_by_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let own = mask(1, 4.0);
        for name in ["a.nii", "b.nii.gz"] {
            let path = folder.path().join(name);
            own.write(&path, &WriteOptions::default()).unwrap();
            let read = MaskFile::of_file(&path).read().unwrap();
            assert_eq!(mask_identity(&read), mask_identity(&own), "{name}");
            assert_eq!(*read.geometry(), as_stored(own.geometry()).unwrap(), "{name}");
        }
        assert_ne!(mask_identity(&mask(2, 4.0)), mask_identity(&own));
        assert_ne!(mask_identity(&mask(1, 4.5)), mask_identity(&own));
    }

    #[test]
    fn masks_are_found_in_files_folders_and_trees() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            mask(1, 0.0).write(&path, &WriteOptions::default()).unwrap();
            path
        };
        let one = MaskFile::find(write("flat/tumour 3.nii.gz")).unwrap();
        assert_eq!((one[0].subject.as_str(), one.len()), ("sub-tumour3", 1));
        write("flat/another.nii");
        let flat = MaskFile::find(folder.path().join("flat")).unwrap();
        assert_eq!(
            flat.iter().map(|m| m.subject.as_str()).collect::<Vec<_>>(),
            ["sub-another", "sub-tumour3"]
        );
        write("tree/sub-01/ses-2/anat/sub-01_ses-2_dseg.nii.gz");
        let tree = MaskFile::find(folder.path().join("tree")).unwrap();
        assert_eq!(
            (tree[0].subject.as_str(), tree[0].session.as_deref()),
            ("sub-01", Some("ses-2"))
        );
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(MaskFile::find(folder.path().join("empty")).is_err());
    }
}
