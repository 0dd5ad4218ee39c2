//! Colours for labels that have none of their own.

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
