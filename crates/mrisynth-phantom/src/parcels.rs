//! Which parcel of the Desikan–Killiany atlas a point of the cortex belongs to.
//!
//! # Source
//! Desikan et al., *An automated labeling system for subdividing the human cerebral cortex on MRI
//! scans into gyral based regions of interest*, NeuroImage 2006, for the parcels; their borders here
//! are those of the nearest of a few sites a parcel, placed by us.

use crate::signed_distance::{Point, dot, minus};

/// Parcel number and a site of it on the left, in millimetres of MNI space.
const SITES: [(i32, [f32; 3]); 55] = [
    (1, [-53.0, -44.0, 5.0]),
    (2, [-5.0, 19.0, 28.0]),
    (3, [-36.0, 12.0, 47.0]),
    (5, [-8.0, -82.0, 21.0]),
    (6, [-23.0, -7.0, -33.0]),
    (6, [-20.0, -14.0, -27.0]),
    (7, [-35.0, -43.0, -22.0]),
    (7, [-36.0, -22.0, -30.0]),
    (8, [-41.0, -67.0, 28.0]),
    (8, [-47.0, -58.0, 38.0]),
    (9, [-48.0, -30.0, -20.0]),
    (9, [-45.0, -8.0, -28.0]),
    (10, [-7.0, -46.0, 15.0]),
    (11, [-31.0, -88.0, 0.0]),
    (11, [-44.0, -74.0, -6.0]),
    (12, [-24.0, 29.0, -17.0]),
    (13, [-14.0, -67.0, -6.0]),
    (14, [-6.0, 38.0, -17.0]),
    (14, [-5.0, 20.0, -18.0]),
    (15, [-58.0, -26.0, -10.0]),
    (15, [-55.0, -4.0, -18.0]),
    (16, [-24.0, -32.0, -18.0]),
    (17, [-7.0, -29.0, 58.0]),
    (18, [-47.0, 14.0, 15.0]),
    (19, [-38.0, 42.0, -5.0]),
    (20, [-44.0, 30.0, 3.0]),
    (21, [-10.0, -82.0, 6.0]),
    (22, [-22.0, -36.0, 66.0]),
    (22, [-42.0, -25.0, 50.0]),
    (22, [-56.0, -15.0, 27.0]),
    (23, [-6.0, -18.0, 38.0]),
    (24, [-20.0, -18.0, 68.0]),
    (24, [-38.0, -7.0, 48.0]),
    (24, [-54.0, 3.0, 22.0]),
    (25, [-9.0, -57.0, 37.0]),
    (25, [-9.0, -62.0, 54.0]),
    (26, [-5.0, 37.0, 3.0]),
    (27, [-32.0, 43.0, 19.0]),
    (27, [-38.0, 30.0, 32.0]),
    (28, [-9.0, 52.0, 24.0]),
    (28, [-12.0, 28.0, 50.0]),
    (28, [-9.0, 4.0, 60.0]),
    (29, [-22.0, -60.0, 56.0]),
    (29, [-32.0, -50.0, 58.0]),
    (30, [-52.0, 4.0, -12.0]),
    (30, [-60.0, -18.0, 0.0]),
    (30, [-60.0, -36.0, 13.0]),
    (30, [-54.0, -26.0, 6.0]),
    (31, [-56.0, -34.0, 32.0]),
    (31, [-46.0, -36.0, 22.0]),
    (32, [-9.0, 62.0, -6.0]),
    (33, [-31.0, 12.0, -27.0]),
    (34, [-45.0, -22.0, 9.0]),
    (35, [-37.0, -2.0, 2.0]),
    (35, [-36.0, -16.0, 8.0]),
];

/// The midpoint between the thalami in MNI space.
const THALAMI_MNI: Point = [0.0, -18.0, 8.0];

/// The parcel number at a point of the template, 1 to 35.
pub(crate) fn parcel([x, y, z]: Point) -> i32 {
    let q = [-x.abs(), y + THALAMI_MNI[1], z + THALAMI_MNI[2]];
    let mut nearest = (f32::INFINITY, 0);
    for (number, site) in SITES {
        let gap = minus(q, site);
        let squared = dot(gap, gap);
        if squared < nearest.0 {
            nearest = (squared, number);
        }
    }
    nearest.1
}

/// How much a point belongs to the entorhinal cortex, 0 to 1.
pub(crate) fn entorhinal_weight([x, y, z]: Point) -> f32 {
    let gap = [(x.abs() - 22.0) / 12.0, (y - 8.0) / 14.0, (z + 29.0) / 10.0];
    1.0 / (1.0 + dot(gap, gap).powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_parcel_of_the_atlas_has_a_site() {
        let found: BTreeSet<i32> = SITES.iter().map(|&(number, _)| number).collect();
        let expected: BTreeSet<i32> = (1..=35).filter(|&n| n != 4).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn sites_lie_in_their_own_parcels_on_both_sides() {
        for (number, [x, y, z]) in SITES {
            for side in [x, -x] {
                assert_eq!(parcel([side, y + 18.0, z - 8.0]), number);
            }
        }
    }
}
