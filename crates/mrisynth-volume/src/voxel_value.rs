//! What the values of a file are read as: `f32` intensities or `i32` labels.

use crate::datatype::Sample;
use crate::error::{Error, FileFault};
use crate::image::Scaling;

/// A type that the values of a file are read as: `f32` for a [`Volume`](crate::Volume) of
/// intensities, `i32` for a [`LabelMap`](crate::LabelMap).
///
/// Sealed: each type comes with a rule for the values it cannot hold.
pub trait VoxelValue: Sample + FromStored {}

impl VoxelValue for f32 {}
impl VoxelValue for i32 {}

/// The private half of [`VoxelValue`].
pub trait FromStored: Sized {
    /// Appends the values of stored samples.
    #[doc(hidden)]
    fn extend_with<S: Sample>(
        samples: impl ExactSizeIterator<Item = S> + Clone,
        scaling: Scaling,
        values: &mut Vec<Self>,
    ) -> Result<(), NotALabel>;
}

/// A value that is not a whole number within the range of `i32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotALabel {
    /// The number of values before it.
    index: usize,
    value: f64,
}

const LABEL: &str = "a whole number between -2147483648 and 2147483647";

impl NotALabel {
    fn found(self, [nx, ny, _]: [usize; 3]) -> String {
        let i = self.index;
        format!("{} at voxel {:?}", self.value, [i % nx, i / nx % ny, i / nx / ny])
    }

    /// The error when the caller asked for labels of an image in memory.
    pub(crate) fn in_argument(self, shape: [usize; 3]) -> Error {
        Error::Argument { field: "label", found: self.found(shape), expected: LABEL.into() }
    }

    /// The error when labels are being read from a file.
    pub(crate) fn in_file(self, shape: [usize; 3]) -> FileFault {
        FileFault::Field { field: "label", found: self.found(shape), expected: LABEL.into() }
    }
}

impl FromStored for f32 {
    fn extend_with<S: Sample>(
        samples: impl ExactSizeIterator<Item = S> + Clone,
        scaling: Scaling,
        values: &mut Vec<Self>,
    ) -> Result<(), NotALabel> {
        if scaling.is_identity() {
            values.extend(samples.map(Sample::to_f32));
        } else {
            values.extend(samples.map(|s| scaling.apply(s.to_f64()) as f32));
        }
        Ok(())
    }
}

impl FromStored for i32 {
    fn extend_with<S: Sample>(
        samples: impl ExactSizeIterator<Item = S> + Clone,
        scaling: Scaling,
        values: &mut Vec<Self>,
    ) -> Result<(), NotALabel> {
        // The cast saturates and sends NaN to 0, so a round trip tells what fits.
        let fits = |value: f64| f64::from(value as i32) == value;
        let before = values.len();
        let mut all_fit = true;
        values.extend(samples.clone().map(|s| {
            let value = scaling.apply(s.to_f64());
            all_fit &= fits(value);
            value as i32
        }));
        let mut scaled = samples.map(|s| scaling.apply(s.to_f64())).enumerate();
        match if all_fit { None } else { scaled.find(|&(_, value)| !fits(value)) } {
            Some((i, value)) => Err(NotALabel { index: before + i, value }),
            None => Ok(()),
        }
    }
}
