//! What an image file is, at a glance: for people as text, for programs as one flat record.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::affine::Affine;
use crate::datatype::Datatype;
use crate::image::Image;
use crate::orientation::Orientation;

/// More different values than this are taken for intensities, and not counted.
const MAX_LABELS: usize = 256;

/// Shape, place, datatype, range of values and, where these are labels, their counts.
///
/// `Display` gives a line or a few for each field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Voxels along x, y and z of the stored array.
    pub shape: [usize; 3],
    /// The number of frames.
    pub frames: usize,
    /// Voxel sizes in millimetres.
    pub spacing_mm: [f64; 3],
    /// Which way the stored axes point.
    pub orientation: Orientation,
    /// The map from stored voxel indices to RAS+ millimetres, as the file has it.
    pub affine: Affine,
    /// How voxels are stored.
    pub datatype: Datatype,
    /// The least finite value, after scaling; `None` where no value is finite.
    pub min: Option<f64>,
    /// The greatest finite value.
    pub max: Option<f64>,
    /// The mean of the finite values.
    pub mean: Option<f64>,
    /// How many values are NaN or infinite.
    pub non_finite: u64,
    /// Voxels per value, when all values are whole numbers and at most 256 different ones.
    pub labels: Option<BTreeMap<i64, u64>>,
    /// Whether the values look like labels: [`Image::is_label_like`].
    pub label_like: bool,
    /// What was odd about the file.
    pub warnings: Vec<String>,
}

impl Image {
    /// What the image is, at a glance.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (geometry, statistics) = (self.geometry(), self.statistics());
        let finite = |value: f64| (statistics.n_finite > 0).then_some(value);
        Summary {
            shape: geometry.shape(),
            frames: self.n_frames(),
            spacing_mm: geometry.spacing_mm(),
            orientation: geometry.orientation(),
            affine: *geometry.voxel_to_world(),
            datatype: self.datatype(),
            min: finite(statistics.min),
            max: finite(statistics.max),
            mean: finite(statistics.mean),
            non_finite: statistics.n_non_finite,
            labels: self.label_counts(MAX_LABELS),
            label_like: self.is_label_like(),
            warnings: self.warnings().iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A millionth of a millimetre is the rounding of an `f32` header.
        let rounded = |value: f64| (value * 1e6).round() / 1e6;
        let joined = |values: &[f64]| {
            let values: Vec<String> = values.iter().map(|&v| rounded(v).to_string()).collect();
            values.join(" × ")
        };
        let shape: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        writeln!(f, "shape        {} voxels", shape.join(" × "))?;
        if self.frames > 1 {
            writeln!(f, "frames       {}", self.frames)?;
        }
        writeln!(f, "spacing      {} mm", joined(&self.spacing_mm))?;
        writeln!(f, "orientation  {}", self.orientation)?;
        for (row, name) in self.affine.rows().iter().zip(["affine", "", "", ""]) {
            let [a, b, c, d] = row;
            writeln!(f, "{name:12} {a:>12.6} {b:>12.6} {c:>12.6} {d:>12.4}")?;
        }
        writeln!(f, "datatype     {}", self.datatype)?;
        if let (Some(min), Some(max), Some(mean)) = (self.min, self.max, self.mean) {
            writeln!(f, "values       {min} to {max}, mean {mean}")?;
        }
        if self.non_finite > 0 {
            writeln!(f, "not finite   {} voxels", self.non_finite)?;
        }
        for (i, (label, count)) in self.labels.iter().flatten().enumerate() {
            let name = if i == 0 { "labels" } else { "" };
            writeln!(f, "{name:12} {label:>6}: {count} voxels")?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning      {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::image::{Scaling, StoredVoxels};

    fn image(stored: StoredVoxels, scaling: Scaling) -> Image {
        let affine = Affine::from_spacing_mm([-1.5, 1.0, 2.0], [1.0, 2.0, 3.0]).unwrap();
        Image::new(Geometry::new([2, 1, 2], affine).unwrap(), 1, stored, scaling).unwrap()
    }

    #[test]
    fn the_record_is_flat_and_says_everything() {
        let scaling = Scaling { slope: 0.5, inter: 10.0 };
        let summary = image(StoredVoxels::I16(vec![0, 2, 2, 5]), scaling).summary();
        let record = serde_json::to_value(&summary).unwrap();
        assert_eq!(record["shape"], serde_json::json!([2, 1, 2]));
        assert_eq!(record["spacing_mm"], serde_json::json!([1.5, 1.0, 2.0]));
        assert_eq!(record["orientation"], "LAS");
        assert_eq!(record["affine"][0], serde_json::json!([-1.5, 0.0, 0.0, 1.0]));
        assert_eq!(record["datatype"], "i16");
        assert_eq!((&record["min"], &record["max"]), (&10.0.into(), &12.5.into()));
        assert_eq!(record["mean"], 11.125);
        assert_eq!(record["labels"], serde_json::Value::Null);
        let labels = image(StoredVoxels::U8(vec![0, 17, 17, 53]), Scaling::IDENTITY).summary();
        let record = serde_json::to_value(&labels).unwrap();
        assert_eq!(record["labels"], serde_json::json!({"0": 1, "17": 2, "53": 1}));
        assert!(labels.to_string().contains("    17: 2 voxels"), "{labels}");
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out() {
        let stored = StoredVoxels::F32(vec![f32::NAN, 1.0, f32::INFINITY, 2.0]);
        let summary = image(stored, Scaling::IDENTITY).summary();
        assert_eq!((summary.min, summary.max, summary.mean), (Some(1.0), Some(2.0), Some(1.5)));
        assert_eq!((summary.non_finite, summary.labels), (2, None));
        let nothing = image(StoredVoxels::F32(vec![f32::NAN; 4]), Scaling::IDENTITY).summary();
        assert_eq!(nothing.min, None);
    }
}
