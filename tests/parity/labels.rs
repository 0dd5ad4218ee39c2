//! Resampled labels and connected components beside SciPy's.

use mrisynth_volume::{Connectivity, Geometry, LabelInterpolation, LabelMap, Regrid, Volume};
use serde::Deserialize;

use crate::affine::Reorientation;
use crate::golden::{self, Mask};
use crate::resampling;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Votes {
    labels: Vec<i32>,
    cases: Vec<Vote>,
}

/// The labels on another grid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    target: String,
    /// The winner of the vote; none where two labels have the same share.
    vote: Vec<Option<i32>>,
    nearest: Vec<i32>,
}

#[test]
fn resampled_labels_equal_the_largest_share_of_scipys_one_hot_channels() {
    let golden: Votes = golden::read("label_votes.json");
    let grids: resampling::Golden = golden::read("resampling.json");
    let labels = grids.source().labels(golden.labels);
    assert_eq!(golden.cases.len(), grids.targets.len());
    for case in &golden.cases {
        let target = grids.targets[&case.target].geometry();
        let regrid = Regrid::new(*labels.geometry(), target).unwrap();
        let voted = regrid.apply_labels(&labels, LabelInterpolation::Vote).unwrap();
        assert_eq!(voted.voxels().len(), case.vote.len());
        for (i, (&ours, &scipys)) in voted.voxels().iter().zip(&case.vote).enumerate() {
            assert!(
                scipys.is_none_or(|label| ours == label),
                "{}: voxel {i} is {ours}, SciPy's is {scipys:?}",
                case.target
            );
        }
        let nearest = regrid.apply_labels(&labels, LabelInterpolation::Nearest).unwrap();
        assert_eq!(nearest.voxels(), case.nearest, "{}", case.target);
    }
}

#[test]
fn reoriented_labels_equal_nibabels() {
    let golden: Reorientation = golden::read("reorientation.json");
    let stored = Geometry::new(golden.shape, golden.affine).unwrap();
    let indices = LabelMap::new((0..stored.n_voxels() as i32).collect(), stored).unwrap();
    for case in &golden.cases {
        let regrid = Regrid::new(stored, stored.reoriented(case.orientation)).unwrap();
        for interpolation in [LabelInterpolation::Nearest, LabelInterpolation::Vote] {
            let turned = regrid.apply_labels(&indices, interpolation).unwrap();
            assert_eq!(turned.voxels(), case.voxels, "{} {interpolation:?}", case.orientation);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Partitions {
    shape: [usize; 3],
    cases: Vec<Partition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Partition {
    neighbours: u32,
    mask: Mask,
    count: usize,
    components: Vec<i32>,
}

#[test]
fn connected_components_equal_scipys() {
    let golden: Partitions = golden::read("components.json");
    let geometry = Geometry::new(golden.shape, mrisynth_volume::Affine::identity()).unwrap();
    assert!(!golden.cases.is_empty());
    for case in golden.cases {
        let connectivity = match case.neighbours {
            6 => Connectivity::Faces,
            18 => Connectivity::Edges,
            26 => Connectivity::Corners,
            n => panic!("{n} neighbours"),
        };
        let what = format!("{} components, {} neighbours", case.count, case.neighbours);
        let mask = Volume::new(case.mask.0, geometry).unwrap();
        let found = mask.connected_components(connectivity).unwrap();
        assert_eq!(found.components.len(), case.count, "{what}");
        assert_eq!(found.numbers.voxels(), case.components, "{what}");
        for (number, component) in (1..).zip(&found.components) {
            let n = case.components.iter().filter(|&&c| c == number).count();
            assert_eq!(component.n_voxels, n as u64, "{what}: component {number}");
        }
    }
}
