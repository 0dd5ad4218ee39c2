//! Writing images: the format from the file name, whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use durable_file::DurableFile;
use serde::{Deserialize, Serialize};

use super::byte_order::ByteOrder;
use super::gzip_blocks::{write_gzip, write_plain};
use super::mgh_encode::{MGH_CAPACITY, mgh_header};
use super::nifti_encode::{DESCRIPTION_BYTES, NiftiVersion, nifti_header};
use super::storage::{Storage, Values, Wanted};
use super::voxel_bytes::{Element, FileBytes};
use crate::datatype::Datatype;
use crate::error::{Error, FileFault, Result};
use crate::geometry::Geometry;
use crate::image::{HeaderNotes, INTENT_LABEL, Image, Scaling, with_stored};
use crate::volume::{LabelMap, Volume};

/// The formats written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// NIfTI, one file: `.nii`.
    Nifti,
    /// NIfTI, one file, gzipped: `.nii.gz`.
    NiftiGz,
    /// FreeSurfer's MGH: `.mgh`.
    Mgh,
    /// FreeSurfer's MGH, gzipped: `.mgz`.
    Mgz,
}

impl FileFormat {
    /// The format that a file name stands for, by its ending in upper or lower case.
    ///
    /// # Errors
    /// [`FileFault::Field`] for any other ending.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::FileFormat;
    /// assert_eq!(FileFormat::of_name("sub-1.5mm.nii")?, FileFormat::Nifti);
    /// assert!(FileFormat::of_name("sub-1.5mm").is_err());
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn of_name(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let endings = [
            (".nii", Self::Nifti),
            (".nii.gz", Self::NiftiGz),
            (".mgh", Self::Mgh),
            (".mgz", Self::Mgz),
        ];
        let found = endings.into_iter().find(|(ending, _)| name.ends_with(ending));
        found.map(|(_, format)| format).ok_or_else(|| {
            let fault = FileFault::Field {
                field: "the file name",
                found: format!("{name:?}"),
                expected: "a name that ends in .nii, .nii.gz, .mgh or .mgz".into(),
            };
            Error::file(path, fault)
        })
    }

    fn is_gzipped(self) -> bool {
        matches!(self, Self::NiftiGz | Self::Mgz)
    }

    fn is_mgh(self) -> bool {
        matches!(self, Self::Mgh | Self::Mgz)
    }
}

/// How to write a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WriteOptions {
    /// The datatype of the voxels. By default that of the [`Image`], `f32` for a [`Volume`], and
    /// for a [`LabelMap`] the smallest of `u8`, `i16` and `i32` that holds its labels.
    ///
    /// Asked for an integer type, values that are whole and in range are stored as they are; others
    /// are scaled onto the range of the type and are off by at most half of `scl_slope`. Labels
    /// (`intent_code` 1002) and MGH, which has no scaling, are refused instead.
    pub datatype: Option<Datatype>,
    /// NIfTI's `descrip`, at most 79 bytes. By default what the image has, or `mrisynth`.
    pub description: Option<String>,
    /// The deflate level of gzipped files, 0 (none) to 9 (slowest). By default 2, and 6 for labels,
    /// which it halves at no cost.
    ///
    /// Level 2 of the deflate used here makes files as large as level 1 of zlib, nibabel's default:
    /// 0.95 to 1.02 times on `i16` scans, 0.90 to 0.94 on `f32`.
    pub compression: Option<u32>,
}

impl WriteOptions {
    fn check(&self) -> Result<()> {
        let refuse =
            |field, found, expected: String| Err(Error::Argument { field, found, expected });
        if let Some(level) = self.compression.filter(|&level| level > 9) {
            return refuse("compression", level.to_string(), "0 to 9".into());
        }
        match &self.description {
            Some(text) if text.len() > DESCRIPTION_BYTES || text.contains('\0') => {
                let expected = format!("at most {DESCRIPTION_BYTES} bytes, none of them zero");
                refuse("description", format!("{text:?} ({} bytes)", text.len()), expected)
            }
            _ => Ok(()),
        }
    }
}

impl Image {
    /// Writes the image to exactly this file name, whose ending decides the format.
    ///
    /// The file appears whole or not at all, and the one that was there before stays until then.
    /// NIfTI is NIfTI-1, little endian; NIfTI-2 when an axis has more than 32767 voxels. NIfTI-1
    /// holds scaling and affine in `f32`.
    ///
    /// # Errors
    /// [`Error::File`] when the name has another ending or is that of a folder, the values or the
    /// affine cannot be stored ([`FileFault::Unstorable`], [`FileFault::Affine`]), or the system
    /// refuses; [`Error::Argument`] when an option is out of its domain.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Volume, WriteOptions};
    /// let geometry = Geometry::new([4, 5, 6], Affine::from_spacing_mm([1.5; 3], [0.0; 3])?)?;
    /// let volume = Volume::from_fn(geometry, |[x, _, _]| x as f32);
    /// let folder = tempfile::tempdir()?;
    /// let file = folder.path().join("sub-1.5mm.nii");
    /// volume.write(&file, &WriteOptions::default())?;
    /// assert_eq!(std::fs::metadata(&file)?.len(), 352 + 4 * 120);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, path: impl AsRef<Path>, options: &WriteOptions) -> Result<()> {
        with_stored!(self.stored(), stored => {
            Content::of_image(self, stored).write(path.as_ref(), options)
        })
    }

    /// The bytes that [`write`](Self::write) would write to a file of this format.
    ///
    /// # Errors
    /// As [`write`](Self::write), except for what concerns the file system.
    pub fn to_bytes(&self, format: FileFormat, options: &WriteOptions) -> Result<Vec<u8>> {
        with_stored!(self.stored(), stored => {
            Content::of_image(self, stored).into_bytes(format, options)
        })
    }
}

impl Volume {
    /// Writes the intensities to exactly this file name, as [`Image::write`] does.
    ///
    /// # Errors
    /// As [`Image::write`].
    pub fn write(&self, path: impl AsRef<Path>, options: &WriteOptions) -> Result<()> {
        let content = Content::of(self, HeaderNotes::default(), Wanted::AsStored);
        content.write(path.as_ref(), options)
    }
}

impl LabelMap {
    /// Writes the labels to exactly this file name, as [`Image::write`] does, marked as labels.
    ///
    /// # Errors
    /// As [`Image::write`]; a datatype that does not hold every label is refused.
    pub fn write(&self, path: impl AsRef<Path>, options: &WriteOptions) -> Result<()> {
        let notes = HeaderNotes { intent_code: INTENT_LABEL, ..HeaderNotes::default() };
        let content = Content::of(self, notes, Wanted::SmallestInteger);
        content.write(path.as_ref(), options)
    }
}

/// What a file is made of, borrowed from an image, a volume or a label map.
struct Content<'a, T> {
    stored: &'a [T],
    geometry: &'a Geometry,
    n_frames: usize,
    scaling: Scaling,
    notes: HeaderNotes,
    wanted: Wanted,
}

impl<'a, T: Element> Content<'a, T> {
    fn of(volume: &'a Volume<T>, notes: HeaderNotes, wanted: Wanted) -> Self {
        let (geometry, stored) = (volume.geometry(), volume.voxels());
        Self { stored, geometry, n_frames: 1, scaling: Scaling::IDENTITY, notes, wanted }
    }

    fn of_image(image: &'a Image, stored: &'a [T]) -> Self {
        let (geometry, n_frames) = (image.geometry(), image.n_frames());
        let (scaling, notes) = (image.scaling(), image.notes().clone());
        Self { stored, geometry, n_frames, scaling, notes, wanted: Wanted::AsStored }
    }

    fn write(self, path: &Path, options: &WriteOptions) -> Result<()> {
        let format = FileFormat::of_name(path)?;
        options.check()?;
        if path.is_dir() {
            return Err(Error::file(path, FileFault::IsFolder));
        }
        let level = self.level(options);
        // All that can be wrong with the content shows here, before anything is on the disk.
        let bytes = self.into_file(format, options).map_err(|fault| Error::file(path, fault))?;
        let mut file = DurableFile::create(path).map_err(|error| refused(path, error))?;
        write_bytes(&mut file, &bytes, format, level)
            .map_err(|source| Error::io(path, "write", source))?;
        file.commit().map_err(|error| refused(path, error))?;
        Ok(())
    }

    fn into_bytes(self, format: FileFormat, options: &WriteOptions) -> Result<Vec<u8>> {
        options.check()?;
        let path = Path::new("image in memory");
        let level = self.level(options);
        let bytes = self.into_file(format, options).map_err(|fault| Error::file(path, fault))?;
        let mut out = Vec::new();
        write_bytes(&mut out, &bytes, format, level)
            .map_err(|source| Error::io(path, "write", source))?;
        Ok(out)
    }

    fn are_labels(&self) -> bool {
        self.notes.intent_code == INTENT_LABEL
    }

    fn level(&self, options: &WriteOptions) -> u32 {
        options.compression.unwrap_or(if self.are_labels() { LABEL_LEVEL } else { SCAN_LEVEL })
    }

    fn into_file(
        self,
        format: FileFormat,
        options: &WriteOptions,
    ) -> std::result::Result<FileBytes<'a>, FileFault> {
        let are_labels = self.are_labels();
        let Self { stored, geometry, n_frames, scaling, mut notes, wanted } = self;
        let values = Values { stored, scaling, shape: geometry.shape(), are_labels };
        let wanted = options.datatype.map_or(wanted, Wanted::This);
        if let Some(description) = &options.description {
            notes.description.clone_from(description);
        } else if notes.description.is_empty() {
            notes.description = "mrisynth".into();
        }
        let (storage, header, order) = if format.is_mgh() {
            let storage = Storage::choose(&values, wanted, MGH_CAPACITY)?;
            (storage, mgh_header(geometry, n_frames, &storage)?, ByteOrder::Big)
        } else {
            let capacity = NiftiVersion::for_image(geometry, n_frames).capacity();
            let storage = Storage::choose(&values, wanted, capacity)?;
            let header = nifti_header(geometry, n_frames, &notes, &storage)?;
            (storage, header, ByteOrder::Little)
        };
        Ok(FileBytes {
            header,
            n_voxels: stored.len(),
            voxel_size: storage.datatype.size(),
            encode: Box::new(move |range, out| storage.encode(&stored[range], order, out)),
        })
    }
}

/// The level at which intensities take as many bytes as nibabel gives them.
const SCAN_LEVEL: u32 = 2;
/// Labels come in runs, which a longer search finds at no cost.
const LABEL_LEVEL: u32 = 6;

/// What the system said against a durable write, in the terms of this crate.
fn refused(path: &Path, error: durable_file::Error) -> Error {
    match error {
        durable_file::Error::Io { source, .. } => Error::io(path, "write", source),
        other => Error::io(path, "write", io::Error::other(other)),
    }
}

fn write_bytes(
    out: &mut dyn Write,
    bytes: &FileBytes<'_>,
    format: FileFormat,
    level: u32,
) -> io::Result<()> {
    if format.is_gzipped() { write_gzip(out, bytes, level) } else { write_plain(out, bytes) }
}

#[cfg(test)]
mod tests;
