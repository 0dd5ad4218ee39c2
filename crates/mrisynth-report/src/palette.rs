//! The colours of labels.

use std::collections::BTreeMap;

use mrisynth_volume::{LabelMap, freesurfer};

/// Which colour each label is drawn in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// [`distinct_colour`] for every label.
    #[default]
    Distinct,
    /// The colours of FreeSurfer's table; [`distinct_colour`] for labels that it does not list.
    FreeSurfer,
    /// These colours; [`distinct_colour`] for labels that are not listed.
    Listed(BTreeMap<i32, [u8; 3]>),
}

impl Palette {
    /// FreeSurfer's colours when its table lists at least nine in ten of the labels of a map, as in
    /// what FreeSurfer, FastSurfer and SynthSeg write; generated colours otherwise, as for other
    /// atlases, tissue classes and masks.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_report::Palette;
    /// use mrisynth_volume::{Affine, Geometry, LabelMap};
    /// let geometry = Geometry::new([4, 1, 1], Affine::identity())?;
    /// let hippocampi = LabelMap::new(vec![0, 17, 53, 0], geometry)?;
    /// assert_eq!(Palette::for_map(&hippocampi).colour(17), [220, 216, 20]);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn for_map(labels: &LabelMap) -> Self {
        let counts = labels.counts();
        let drawn = || counts.keys().filter(|&&label| label != 0);
        let listed = drawn().filter(|&&label| freesurfer::label(label).is_some()).count();
        let enough = listed > 0 && 10 * listed >= 9 * drawn().count();
        if enough { Self::FreeSurfer } else { Self::Distinct }
    }

    /// The colour of a label: red, green, blue.
    #[must_use]
    pub fn colour(&self, label: i32) -> [u8; 3] {
        let own = match self {
            Self::Distinct => None,
            Self::FreeSurfer => freesurfer::label(label).map(|listed| listed.colour),
            Self::Listed(colours) => colours.get(&label).copied(),
        };
        own.unwrap_or_else(|| distinct_colour(label))
    }
}

/// A colour for a label: neighbouring numbers get colours that are far apart, and a number always
/// gets the same one.
///
/// The hue advances by the golden ratio of a turn from one number to the next, so that any run of
/// numbers is spread evenly over the circle; lightness and saturation change every few numbers. All
/// in integers, hence the same bytes on every machine.
///
/// # Examples
/// ```
/// use mrisynth_report::distinct_colour;
/// assert_eq!(distinct_colour(17), distinct_colour(17));
/// assert_ne!(distinct_colour(17), distinct_colour(18));
/// ```
#[must_use]
pub fn distinct_colour(label: i32) -> [u8; 3] {
    /// 2³² / φ: the turn that fills a circle most evenly.
    const GOLDEN_TURN: u32 = 0x9E37_79B9;
    /// The largest and the smallest component of the colour, cycling.
    const SHADES: [(u32, u32); 3] = [(255, 40), (190, 20), (255, 130)];
    let number = label.cast_unsigned();
    let hue = (number.wrapping_mul(GOLDEN_TURN) >> 16) * 6; // in 2⁻¹⁶ sextants
    let (sextant, within) = (hue >> 16, hue & 0xFFFF);
    let (high, low) = SHADES[(number / 5 % 3) as usize];
    let rising = low + (((high - low) * within) >> 16);
    let falling = high - (rising - low);
    let [r, g, b] = match sextant {
        0 => [high, rising, low],
        1 => [falling, high, low],
        2 => [low, high, rising],
        3 => [low, falling, high],
        4 => [rising, low, high],
        _ => [high, low, falling],
    };
    [r as u8, g as u8, b as u8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mrisynth_volume::{Affine, Geometry};

    fn palette_of(labels: &[i32]) -> Palette {
        let geometry = Geometry::new([labels.len(), 1, 1], Affine::identity()).unwrap();
        Palette::for_map(&LabelMap::new(labels.to_vec(), geometry).unwrap())
    }

    #[test]
    fn freesurfer_maps_are_told_from_other_atlases() {
        let aseg = [0, 2, 3, 4, 7, 8, 10, 11, 12, 13, 16, 17, 41, 42, 43, 49, 53];
        assert_eq!(palette_of(&aseg), Palette::FreeSurfer);
        assert_eq!(palette_of(&[&aseg[..], &[31_999]].concat()), Palette::FreeSurfer);
        let aal: Vec<i32> = (0..=116).collect();
        for other in [&aal[..], &[0, 1], &[0, 1, 2, 3, 4], &[0], &[-7, 0]] {
            assert_eq!(palette_of(other), Palette::Distinct, "{other:?}");
        }
    }

    #[test]
    fn labels_without_a_colour_get_a_generated_one() {
        let listed = Palette::Listed([(1, [9, 8, 7])].into());
        assert_eq!([listed.colour(1), listed.colour(2)], [[9, 8, 7], distinct_colour(2)]);
        assert_eq!(Palette::FreeSurfer.colour(31_999), distinct_colour(31_999));
    }

    #[test]
    fn the_first_hundred_labels_have_different_colours() {
        let colours: std::collections::BTreeSet<_> = (1..=100).map(distinct_colour).collect();
        assert_eq!(colours.len(), 100);
    }

    #[test]
    fn successive_labels_are_far_apart_and_visible_on_black() {
        for label in (-50..2000).chain([i32::MAX - 1, i32::MIN]) {
            let (a, b) = (distinct_colour(label), distinct_colour(label + 1));
            let distance: u32 = a.iter().zip(b).map(|(&a, b)| u32::from(a.abs_diff(b))).sum();
            assert!(distance > 100, "{label}: {a:?} {b:?}");
            assert!(a.iter().max() > Some(&150), "{label}: {a:?}");
        }
    }
}
