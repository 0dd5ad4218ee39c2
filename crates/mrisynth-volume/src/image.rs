//! What an image file holds, unchanged: voxels in their stored datatype, scaling, frames, notes.

use crate::datatype::Datatype;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::volume::{LabelMap, Volume};
use crate::voxel_value::VoxelValue;

/// The voxels of a file in their stored datatype, x fastest, frames one after another.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is named after its element type")]
pub enum StoredVoxels {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs one generic expression on whichever vector a [`StoredVoxels`] holds.
macro_rules! with_stored {
    ($stored:expr, $voxels:ident => $body:expr) => {
        match $stored {
            $crate::image::StoredVoxels::U8($voxels) => $body,
            $crate::image::StoredVoxels::I8($voxels) => $body,
            $crate::image::StoredVoxels::U16($voxels) => $body,
            $crate::image::StoredVoxels::I16($voxels) => $body,
            $crate::image::StoredVoxels::U32($voxels) => $body,
            $crate::image::StoredVoxels::I32($voxels) => $body,
            $crate::image::StoredVoxels::U64($voxels) => $body,
            $crate::image::StoredVoxels::I64($voxels) => $body,
            $crate::image::StoredVoxels::F32($voxels) => $body,
            $crate::image::StoredVoxels::F64($voxels) => $body,
        }
    };
}
#[allow(unused_imports, reason = "for the modules that move stored voxels")]
pub(crate) use with_stored;

impl StoredVoxels {
    /// The datatype.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        fn of<T: crate::datatype::Sample>(_: &[T]) -> Datatype {
            T::DATATYPE
        }
        with_stored!(self, voxels => of(voxels))
    }

    /// The number of voxels over all frames.
    #[must_use]
    pub fn len(&self) -> usize {
        with_stored!(self, voxels => voxels.len())
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A datatype that knows which of the [`StoredVoxels`] it is.
pub(crate) trait IntoStored: crate::datatype::Sample {
    /// The vector as one of the ten.
    fn into_stored(voxels: Vec<Self>) -> StoredVoxels;
}

macro_rules! into_stored {
    ($($rust:ident $variant:ident),*) => {$(
        impl IntoStored for $rust {
            fn into_stored(voxels: Vec<Self>) -> StoredVoxels {
                StoredVoxels::$variant(voxels)
            }
        }
    )*};
}
into_stored!(u8 U8, i8 I8, u16 U16, i16 I16, u32 U32, i32 I32, u64 U64, i64 I64, f32 F32, f64 F64);

/// `value = slope · stored + inter`, computed in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// The factor, never 0 and always finite.
    pub slope: f64,
    /// The offset, always finite.
    pub inter: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl Scaling {
    /// Values are as stored.
    pub const IDENTITY: Self = Self { slope: 1.0, inter: 0.0 };

    /// True when values are as stored.
    #[must_use]
    pub fn is_identity(self) -> bool {
        self == Self::IDENTITY
    }

    /// The value of a stored sample.
    #[must_use]
    pub fn apply(self, stored: f64) -> f64 {
        stored * self.slope + self.inter
    }
}

/// NIfTI's `intent_code` for labels.
pub(crate) const INTENT_LABEL: i32 = 1002;

/// What a header says beyond voxels and geometry; carried along so that a conversion keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderNotes {
    /// Free text, at most 79 bytes in NIfTI.
    pub description: String,
    /// What the values mean (NIfTI `intent_code`; 0 none, 1002 labels).
    pub intent_code: i32,
    /// The step between frames (NIfTI `pixdim[4]`), in the time unit of `units`.
    pub frame_step: f64,
    /// NIfTI `xyzt_units`, as stored.
    pub units: u8,
}

/// Something odd about a file that does not stop it from being read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Bytes follow the voxels.
    #[error("{count} bytes follow the voxels and were ignored")]
    TrailingBytes {
        /// How many.
        count: u64,
    },
    /// The header says lengths are not millimetres. They are taken as millimetres all the same, as
    /// nibabel and FSL do, because most such headers are wrong.
    #[error("xyzt_units says lengths are in {unit}; taken as millimetres")]
    Units {
        /// The unit named by the header.
        unit: &'static str,
    },
    /// A header field is out of its domain and has a customary substitute.
    #[error("{field} is {found}; taken as {taken}")]
    Substituted {
        /// The field's name in the specification.
        field: &'static str,
        /// Its value.
        found: String,
        /// What was used instead.
        taken: String,
    },
}

/// An image file in memory, as stored.
///
/// [`volume`](Self::volume) gives intensities, [`label_map`](Self::label_map) labels. What stays an
/// `Image` keeps its datatype, scaling and notes, so a file can be reoriented or cropped without
/// changing a bit of a voxel.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    geometry: Geometry,
    n_frames: usize,
    stored: StoredVoxels,
    scaling: Scaling,
    notes: HeaderNotes,
    warnings: Vec<Warning>,
}

impl Image {
    /// Joins stored voxels, x fastest and frame by frame, with their geometry and scaling.
    ///
    /// # Errors
    /// [`Error::Shape`] when their number is not that of `n_frames` grids; [`Error::Argument`] when
    /// the scaling is not finite or has slope 0.
    pub fn new(
        geometry: Geometry,
        n_frames: usize,
        stored: StoredVoxels,
        scaling: Scaling,
    ) -> Result<Self> {
        if geometry.n_voxels().checked_mul(n_frames) != Some(stored.len()) || n_frames == 0 {
            let [x, y, z] = geometry.shape();
            return Err(Error::Shape {
                what: "the voxel buffer",
                expected: vec![x, y, z, n_frames],
                found: vec![stored.len()],
            });
        }
        let Scaling { slope, inter } = scaling;
        if slope == 0.0 || !slope.is_finite() || !inter.is_finite() {
            return Err(Error::Argument {
                field: "scaling",
                found: format!("slope {slope}, inter {inter}"),
                expected: "a finite slope other than 0 and a finite inter".into(),
            });
        }
        let (notes, warnings) = (HeaderNotes::default(), Vec::new());
        Ok(Self { geometry, n_frames, stored, scaling, notes, warnings })
    }

    /// The same image with these notes.
    #[must_use]
    pub fn with_notes(self, notes: HeaderNotes) -> Self {
        Self { notes, ..self }
    }

    /// The same image with these warnings of its reader.
    #[must_use]
    pub(crate) fn with_warnings(self, warnings: Vec<Warning>) -> Self {
        Self { warnings, ..self }
    }

    /// Where the voxels of each frame lie.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The number of frames: 1 for a 3-D image.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.n_frames
    }

    /// The stored voxels of all frames.
    #[must_use]
    pub fn stored(&self) -> &StoredVoxels {
        &self.stored
    }

    /// The stored datatype.
    #[must_use]
    pub fn datatype(&self) -> Datatype {
        self.stored.datatype()
    }

    /// How stored voxels become values.
    #[must_use]
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// What else the header said.
    #[must_use]
    pub fn notes(&self) -> &HeaderNotes {
        &self.notes
    }

    /// What was odd about the file.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The intensities of one frame, scaled in `f64` and rounded once to `f32`.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is no such frame.
    pub fn volume(&self, frame: usize) -> Result<Volume> {
        let voxels = self.frame_values(frame)?;
        Volume::new(voxels, self.geometry)
    }

    /// The labels of one frame.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is no such frame, or a scaled value is not a whole number
    /// that fits an `i32`; the message names the voxel and its value.
    pub fn label_map(&self, frame: usize) -> Result<LabelMap> {
        let voxels = self.frame_values(frame)?;
        LabelMap::new(voxels, self.geometry)
    }

    /// The values of one frame.
    fn frame_values<V: VoxelValue>(&self, frame: usize) -> Result<Vec<V>> {
        let range = self.frame_range(frame)?;
        let mut values = Vec::with_capacity(range.len());
        with_stored!(&self.stored, stored => {
            V::extend_with(stored[range].iter().copied(), self.scaling, &mut values)
        })
        .map_err(|fault| fault.in_argument(self.geometry.shape()))?;
        Ok(values)
    }

    /// Where the stored voxels of one frame stand.
    pub(crate) fn frame_range(&self, frame: usize) -> Result<std::ops::Range<usize>> {
        let n = self.geometry.n_voxels();
        if frame < self.n_frames {
            return Ok(frame * n..(frame + 1) * n);
        }
        Err(Error::Argument {
            field: "frame",
            found: frame.to_string(),
            expected: format!("less than the number of frames, {}", self.n_frames),
        })
    }
}

impl From<Volume> for Image {
    fn from(volume: Volume) -> Self {
        let geometry = *volume.geometry();
        Self::of_one_frame(geometry, StoredVoxels::F32(volume.into_voxels()))
    }
}

impl From<LabelMap> for Image {
    fn from(labels: LabelMap) -> Self {
        let geometry = *labels.geometry();
        Self::of_one_frame(geometry, StoredVoxels::I32(labels.into_voxels()))
    }
}

impl Image {
    fn of_one_frame(geometry: Geometry, stored: StoredVoxels) -> Self {
        let (scaling, notes) = (Scaling::IDENTITY, HeaderNotes::default());
        Self { geometry, n_frames: 1, stored, scaling, notes, warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affine::Affine;

    fn image(stored: StoredVoxels, scaling: Scaling) -> Result<Image> {
        let geometry = Geometry::new([2, 1, 1], Affine::identity()).unwrap();
        Image::new(geometry, stored.len() / 2, stored, scaling)
    }

    #[test]
    fn values_are_scaled_in_double_precision() {
        let scaling = Scaling { slope: 0.1, inter: 1.0 };
        let image = image(StoredVoxels::I32(vec![16_777_217, -3]), scaling).unwrap();
        assert_eq!(image.volume(0).unwrap().voxels(), [1_677_722.7, 0.7]);
    }

    #[test]
    fn unscaled_values_are_not_touched() {
        let image = image(StoredVoxels::F32(vec![-0.0, f32::MIN_POSITIVE]), Scaling::IDENTITY);
        let bits: Vec<u32> =
            image.unwrap().volume(0).unwrap().voxels().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [(-0.0_f32).to_bits(), f32::MIN_POSITIVE.to_bits()]);
    }

    #[test]
    fn labels_must_be_whole_numbers() {
        let floats = image(StoredVoxels::F64(vec![17.0, 53.0]), Scaling::IDENTITY).unwrap();
        assert_eq!(floats.label_map(0).unwrap().voxels(), [17, 53]);
        for bad in [0.5, f64::NAN, 1e10, f64::INFINITY] {
            let image = image(StoredVoxels::F64(vec![0.0, bad]), Scaling::IDENTITY).unwrap();
            let message = image.label_map(0).unwrap_err().to_string();
            assert!(message.contains("[1, 0, 0]"), "{message}");
        }
    }

    #[test]
    fn frames_are_counted() {
        let image = image(StoredVoxels::U8(vec![1, 2, 3, 4]), Scaling::IDENTITY).unwrap();
        assert_eq!(image.volume(1).unwrap().voxels(), [3.0, 4.0]);
        assert!(image.volume(2).is_err());
    }

    #[test]
    fn impossible_scalings_are_refused() {
        for (slope, inter) in [(0.0, 0.0), (f64::NAN, 0.0), (1.0, f64::INFINITY)] {
            assert!(image(StoredVoxels::U8(vec![1, 2]), Scaling { slope, inter }).is_err());
        }
    }
}
