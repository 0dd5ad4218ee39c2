//! Whether an image holds labels or intensities, told from its voxels.
//!
//! Few files say so: `intent_code` 1002 is rare, segmentations are stored as floats and scans as
//! `u8`, and file names are not to be trusted. But a label map is piecewise constant and a scan is
//! not. Of neighbouring voxels that are not both background, 84 to 96 % agree in segmentations
//! (tissue classes, FreeSurfer's aseg, AAL, brain masks; still 45 to 50 % when every sixth voxel is
//! kept), and 0.3 to 21 % in T1-, T2- and PD-weighted scans and tissue probabilities, whole-numbered
//! and `u8` ones among them.

use crate::datatype::Sample;
use crate::image::{INTENT_LABEL, Image, with_stored};

/// More different values than any atlas of the brain in use has labels (Schaefer's finest: 1000 to
/// a brain; FreeSurfer's `wmparc`: about 180).
const MAX_LABELS: usize = 2048;
/// Neighbours agree at least this often in label maps: between the 0.21 of scans and the 0.45 of
/// label maps on 6 mm voxels.
const AGREEMENT: f64 = 0.4;
/// Integers with so few values, each this often, are labels even where neighbours differ: a scan
/// has hundreds.
const FEW_LABELS: usize = 16;
const VOXELS_PER_LABEL: usize = 8;

impl Image {
    /// True when the voxels look like labels, which must not be interpolated as intensities are.
    ///
    /// All values are whole numbers in the range of `i32`, and one of these holds:
    /// 1. the header says so (`intent_code` 1002);
    /// 2. there are at most 2048 different values, and 40 % or more of the neighbours in memory
    ///    that are not both background (the commonest value) are equal;
    /// 3. the datatype is an integer with at most 16 different values, and eight times as many
    ///    voxels.
    ///
    /// A scan enlarged by repeating voxels is taken for labels when its values are whole numbers;
    /// so is a phantom of a few constant regions. Whoever knows better should say so.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Image, LabelMap, Volume};
    /// let geometry = Geometry::new([8, 8, 8], Affine::identity())?;
    /// let halves = LabelMap::from_fn(geometry, |[x, ..]| if x < 4 { 2 } else { 41 });
    /// assert!(Image::from(halves).is_label_like());
    /// let ramp = Volume::from_fn(geometry, |[x, y, z]| (x + 2 * y + 3 * z) as f32);
    /// assert!(!Image::from(ramp).is_label_like());
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn is_label_like(&self) -> bool {
        if self.notes().intent_code == INTENT_LABEL {
            return (0..self.n_frames()).all(|frame| self.label_map(frame).is_ok());
        }
        let Some(counts) = self.label_counts(MAX_LABELS) else { return false };
        let in_range =
            |label: Option<&i64>| label.is_some_and(|&label| i32::try_from(label).is_ok());
        if !in_range(counts.keys().next()) || !in_range(counts.keys().next_back()) {
            return false;
        }
        let few = counts.len() <= FEW_LABELS
            && self.datatype().is_integer()
            && self.stored().len() >= VOXELS_PER_LABEL * counts.len();
        let commonest = counts.iter().max_by_key(|&(_, count)| count);
        few || commonest.is_some_and(|(&background, _)| {
            self.agreement_of_neighbours(background as f64) >= AGREEMENT
        })
    }

    /// The fraction of successive voxels that are equal, of those that are not both background; 0
    /// where there are none.
    fn agreement_of_neighbours(&self, background: f64) -> f64 {
        fn count<T: Sample>(stored: &[T], is_background: impl Fn(T) -> bool) -> (u64, u64) {
            stored.windows(2).fold((0, 0), |(equal, pairs), pair| {
                let same = pair[0] == pair[1];
                let counted = !(same && is_background(pair[0]));
                (equal + u64::from(same && counted), pairs + u64::from(counted))
            })
        }
        let scaling = self.scaling();
        let (equal, pairs) = with_stored!(self.stored(), stored => {
            count(stored, |s| scaling.apply(s.to_f64()) == background)
        });
        if pairs == 0 { 0.0 } else { equal as f64 / pairs as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Geometry, HeaderNotes, Scaling, StoredVoxels};

    const SIDE: usize = 24;

    fn image(stored: StoredVoxels) -> Image {
        let geometry = Geometry::new([SIDE; 3], Affine::identity()).unwrap();
        Image::new(geometry, 1, stored, Scaling::IDENTITY).unwrap()
    }

    fn voxels<T>(value: impl Fn([usize; 3]) -> T) -> Vec<T> {
        let index = |i: usize| [i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE];
        (0..SIDE.pow(3)).map(|i| value(index(i))).collect()
    }

    /// A ball of 27 blocks in nothing.
    fn blocks([x, y, z]: [usize; 3]) -> i16 {
        let inside = [x, y, z].iter().map(|&i| (i as i32 - 12).pow(2)).sum::<i32>() < 100;
        if inside { (x / 8 + 3 * (y / 8) + 9 * (z / 8)) as i16 * 75 + 2 } else { 0 }
    }

    /// The same ball, noisy.
    fn noisy(index: [usize; 3]) -> i16 {
        let [x, y, z] = index;
        if blocks(index) == 0 {
            0
        } else {
            (60 + (x * 7919 + y * 104_729 + z * 1_299_709) % 97) as i16
        }
    }

    #[test]
    fn piecewise_constant_whole_numbers_are_labels_in_any_datatype() {
        assert!(image(StoredVoxels::I16(voxels(blocks))).is_label_like());
        assert!(image(StoredVoxels::F32(voxels(|i| f32::from(blocks(i))))).is_label_like());
        assert!(image(StoredVoxels::U8(voxels(|i| u8::from(blocks(i) > 0)))).is_label_like());
        assert!(image(StoredVoxels::F64(voxels(|i| f64::from(blocks(i) > 0)))).is_label_like());
    }

    #[test]
    fn noisy_scans_are_intensities_in_any_datatype() {
        assert!(!image(StoredVoxels::I16(voxels(noisy))).is_label_like());
        assert!(!image(StoredVoxels::U8(voxels(|i| noisy(i) as u8))).is_label_like());
        assert!(!image(StoredVoxels::F32(voxels(|i| f32::from(noisy(i))))).is_label_like());
    }

    #[test]
    fn fractions_and_numbers_beyond_i32_are_no_labels() {
        let half = image(StoredVoxels::F32(voxels(|i| f32::from(blocks(i)) + 0.5)));
        assert!(!half.is_label_like());
        let nan = image(StoredVoxels::F32(voxels(|i| if blocks(i) > 0 { f32::NAN } else { 0.0 })));
        assert!(!nan.is_label_like());
        let huge = image(StoredVoxels::I64(voxels(|i| i64::from(blocks(i)) << 40)));
        assert!(!huge.is_label_like());
    }

    #[test]
    fn a_few_integers_in_disorder_are_labels() {
        let five = |[x, y, z]: [usize; 3]| ((x * 7 + y * 3 + z * 5) % 5) as u8;
        assert!(image(StoredVoxels::U8(voxels(five))).is_label_like());
        assert!(!image(StoredVoxels::F32(voxels(|i| f32::from(five(i))))).is_label_like());
    }

    #[test]
    fn the_header_has_the_last_word() {
        let marked = HeaderNotes { intent_code: INTENT_LABEL, ..HeaderNotes::default() };
        let scan = image(StoredVoxels::I16(voxels(noisy))).with_notes(marked.clone());
        assert!(scan.is_label_like());
        let fractions = image(StoredVoxels::F32(voxels(|_| 0.5))).with_notes(marked);
        assert!(!fractions.is_label_like());
    }

    #[test]
    fn one_voxel_is_decided_without_neighbours() {
        let geometry = Geometry::new([1; 3], Affine::identity()).unwrap();
        let one = |stored| Image::new(geometry, 1, stored, Scaling::IDENTITY).unwrap();
        assert!(!one(StoredVoxels::U8(vec![3])).is_label_like());
        assert!(!one(StoredVoxels::F32(vec![f32::NAN])).is_label_like());
    }
}
