//! Marking images as synthetic, where somebody who finds one file alone will see it.
//!
//! In two places, because either may get lost: the description in the NIfTI header begins with
//! `synthetic`, and the JSON file that BIDS puts beside an image has `"Synthetic": true`. BIDS 1.10
//! has no field of its own for it; others must be tolerated, and such names are in its style.

use std::path::{Path, PathBuf};

use mrisynth_volume::{HeaderNotes, Image, WriteOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::format::{pretty, read_json};

/// The first word of the header of a synthetic image.
const WORD: &str = "synthetic";
/// The field of the JSON file.
const FIELD: &str = "Synthetic";
/// The bytes of a description in NIfTI.
const DESCRIPTION_BYTES: usize = 79;

/// What made a synthetic image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyntheticMark {
    /// The program or model and its version, such as `mrisynth-phantom 0.1.0`.
    pub generator: String,
    /// The seed, if there was one.
    pub seed: Option<u64>,
}

impl SyntheticMark {
    /// The description for a header: `synthetic: generator, seed n`, cut to the 79 bytes of NIfTI.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_cohort::SyntheticMark;
    /// let mark = SyntheticMark { generator: "mrisynth-phantom 0.1.0".into(), seed: Some(7) };
    /// assert_eq!(mark.description(), "synthetic: mrisynth-phantom 0.1.0, seed 7");
    /// ```
    #[must_use]
    pub fn description(&self) -> String {
        let seed = self.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
        let mut text = format!("{WORD}: {}{seed}", self.generator).replace('\0', " ");
        while text.len() > DESCRIPTION_BYTES {
            text.pop();
        }
        text
    }

    /// The fields for the JSON file beside an image.
    #[must_use]
    pub fn fields(&self) -> serde_json::Map<String, Value> {
        let mut fields = serde_json::Map::new();
        fields.insert(FIELD.into(), json!(true));
        fields.insert("SyntheticGenerator".into(), json!(self.generator));
        if let Some(seed) = self.seed {
            fields.insert("SyntheticSeed".into(), json!(seed));
        }
        fields
    }

    /// The image with the mark in its header.
    #[must_use]
    pub fn mark(&self, image: Image) -> Image {
        let notes = HeaderNotes { description: self.description(), ..image.notes().clone() };
        image.with_notes(notes)
    }
}

/// Marks a NIfTI file that exists: its header and the JSON file beside it, of which other fields
/// stay. Voxels, datatype and scaling are unchanged.
///
/// The JSON file is written first, so that an interruption leaves a file that is marked once, never
/// one that is not marked although this function had begun to write.
///
/// # Errors
/// [`Error::Argument`] for a file that is not `.nii` or `.nii.gz` (an MGH header has no room);
/// [`Error::Format`] when the JSON beside it is no object; [`Error::Json`]; [`Error::Volume`];
/// [`Error::Write`].
pub fn mark_synthetic(path: impl AsRef<Path>, mark: &SyntheticMark) -> Result<()> {
    let path = path.as_ref();
    let Some(sidecar) = sidecar_of(path) else {
        let expected = "a name that ends in .nii or .nii.gz";
        return Err(Error::argument("the image", path.display(), expected));
    };
    let image = Image::read(path)?;
    let mut json = read_json(&sidecar)?.unwrap_or_else(|| json!({}));
    let Value::Object(fields) = &mut json else {
        let (field, expected) = ("the content", "a JSON object".into());
        return Err(Error::Format { path: sidecar, field, found: json.to_string(), expected });
    };
    fields.extend(mark.fields());
    durable_file::write(&sidecar, &pretty(&sidecar, &json)?)?;
    mark.mark(image).write(path, &WriteOptions::default())?;
    Ok(())
}

/// Where an image says that it is synthetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// In its header.
    pub header: bool,
    /// In the JSON file beside it.
    pub sidecar: bool,
}

impl Marks {
    /// The marks of an image that was read from this file.
    ///
    /// # Errors
    /// [`Error::Json`] or [`Error::Io`] for the JSON file.
    pub fn of(path: &Path, image: &Image) -> Result<Self> {
        let description = image.notes().description.to_ascii_lowercase();
        let json = sidecar_of(path).map_or(Ok(None), |sidecar| read_json(&sidecar))?;
        let sidecar = json.is_some_and(|json| json[FIELD] == true);
        Ok(Self { header: description.trim_start().starts_with(WORD), sidecar })
    }

    /// True when one of them is there.
    #[must_use]
    pub fn is_synthetic(self) -> bool {
        self.header || self.sidecar
    }
}

/// The JSON file beside a NIfTI file.
fn sidecar_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".nii.gz").or_else(|| name.strip_suffix(".nii"))?;
    Some(path.with_file_name(format!("{stem}.json")))
}

#[cfg(test)]
mod tests {
    use mrisynth_volume::{Affine, Geometry, Scaling, StoredVoxels};

    use super::*;

    fn written(folder: &Path) -> (PathBuf, Image) {
        let geometry = Geometry::new([3, 2, 2], Affine::identity()).unwrap();
        let stored = StoredVoxels::I16((0..12).collect());
        let scaling = Scaling { slope: 0.5, inter: 1.0 };
        let image = Image::new(geometry, 1, stored, scaling).unwrap();
        let path = folder.join("sub-01_T1w.nii.gz");
        image.write(&path, &WriteOptions::default()).unwrap();
        (path.clone(), Image::read(path).unwrap())
    }

    #[test]
    fn a_marked_file_says_so_twice_and_keeps_its_voxels_and_fields() {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = written(folder.path());
        let sidecar = folder.path().join("sub-01_T1w.json");
        std::fs::write(&sidecar, r#"{"EchoTime": 0.003}"#).unwrap();
        assert!(!Marks::of(&path, &image).unwrap().is_synthetic());
        let mark = SyntheticMark { generator: "é".repeat(60), seed: Some(1) };
        mark_synthetic(&path, &mark).unwrap();
        let marked = Image::read(&path).unwrap();
        assert_eq!((marked.stored(), marked.scaling()), (image.stored(), image.scaling()));
        let marks = Marks::of(&path, &marked).unwrap();
        assert!(marks.header && marks.sidecar);
        let json = read_json(&sidecar).unwrap().unwrap();
        assert_eq!(
            (json["EchoTime"].as_f64(), json["SyntheticSeed"].as_u64()),
            (Some(0.003), Some(1))
        );
    }

    #[test]
    fn what_cannot_be_marked_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = written(folder.path());
        let mark = SyntheticMark::default();
        assert!(matches!(mark_synthetic("a.mgz", &mark), Err(Error::Argument { .. })));
        assert!(matches!(mark_synthetic("a.nii", &mark), Err(Error::Volume(_))));
        let sidecar = folder.path().join("sub-01_T1w.json");
        for (text, is_json) in [("[]", true), ("{", false)] {
            std::fs::write(&sidecar, text).unwrap();
            let error = mark_synthetic(&path, &mark).unwrap_err();
            assert_eq!(matches!(error, Error::Format { .. }), is_json);
            assert_eq!(matches!(error, Error::Json { .. }), !is_json);
        }
        assert_eq!(Image::read(&path).unwrap(), image);
    }
}
