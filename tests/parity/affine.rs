//! Orientation codes and reoriented grids beside nibabel's.

use mrisynth_volume::{Affine, Geometry, Orientation};
use serde::Deserialize;

use crate::golden;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Codes {
    cases: Vec<Code>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    affine: Affine,
    orientation: String,
}

#[test]
fn orientation_codes_equal_nibabels() {
    let golden: Codes = golden::read("orientation.json");
    let mut seen = std::collections::BTreeSet::new();
    for (i, case) in golden.cases.iter().enumerate() {
        let ours = Orientation::of(&case.affine).to_string();
        assert_eq!(ours, case.orientation, "case {i}: {:?}", case.affine.rows());
        seen.insert(ours);
    }
    assert_eq!(seen.len(), 48);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reorientation {
    pub(crate) shape: [usize; 3],
    pub(crate) affine: Affine,
    pub(crate) cases: Vec<Turned>,
}

/// A grid whose voxels were their own stored indices, after it was turned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turned {
    pub(crate) orientation: Orientation,
    pub(crate) shape: [usize; 3],
    pub(crate) affine: Affine,
    pub(crate) voxels: Vec<i32>,
}

#[test]
fn reoriented_grids_equal_nibabels() {
    let golden: Reorientation = golden::read("reorientation.json");
    let stored = Geometry::new(golden.shape, golden.affine).unwrap();
    assert_eq!(golden.cases.len(), 48);
    for case in &golden.cases {
        let turned = stored.reoriented(case.orientation);
        assert_eq!(turned.shape(), case.shape, "{}", case.orientation);
        let off = turned.voxel_to_world().max_abs_difference(&case.affine);
        assert!(off < 1e-12, "{}: affine off by {off:e}", case.orientation);
    }
}
