//! Rescaled intensities beside numpy's.

use std::collections::BTreeMap;

use mrisynth_volume::{
    Affine, IntensityMap, OutsideMask, PercentileRescale, Rescale, SliceMinMax, Volume,
    VoxelSelection, ZScore,
};
use serde::Deserialize;

use crate::close::assert_close;
use crate::golden::{self, Bits, Grid, Mask};

/// Results are `f32` of order 1.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    shape: [usize; 3],
    affine: Affine,
    voxels: Bits,
    mask: Mask,
    /// By percent, in decimals.
    percentiles: BTreeMap<String, f64>,
    percentiles_in_mask: BTreeMap<String, f64>,
    rescaled_1_99: Bits,
    rescaled_2_98_in_mask: Bits,
    z_score_in_mask: Bits,
    mean_in_mask: f64,
    deviation_in_mask: f64,
    flat_slice_voxels: Bits,
    per_slice: Bits,
}

impl Golden {
    fn read() -> (Self, Volume, Volume<bool>) {
        let golden: Self = golden::read("intensity.json");
        let grid = Grid { shape: golden.shape, affine: golden.affine };
        let volume = grid.volume(&golden.voxels);
        let mask = Volume::new(golden.mask.0.clone(), grid.geometry()).unwrap();
        (golden, volume, mask)
    }
}

fn percentiles(lower: f64, upper: f64, over: VoxelSelection) -> Rescale {
    let to = [0.0, 1.0];
    Rescale::Percentiles(PercentileRescale { lower, upper, to, clip: true, over })
}

#[test]
fn percentiles_equal_numpys() {
    let (golden, volume, mask) = Golden::read();
    for (selection, wanted) in [
        (VoxelSelection::All, &golden.percentiles),
        (VoxelSelection::InMask, &golden.percentiles_in_mask),
    ] {
        for (percent, &want) in wanted {
            let lower: f64 = percent.parse().unwrap();
            let map = percentiles(lower, 100.0, selection).fit(&volume, Some(&mask)).unwrap();
            let IntensityMap::Linear(map) = map else { panic!("{map:?}") };
            // The lower percentile is the value that goes to 0.
            assert_close(format!("{selection:?} {percent}"), &[map.invert(0.0)], &[want], 1e-9);
        }
    }
}

#[test]
fn percentile_rescaling_equals_numpys() {
    let (golden, volume, mask) = Golden::read();
    for (lower, upper, over, want) in [
        (1.0, 99.0, VoxelSelection::All, &golden.rescaled_1_99),
        (2.0, 98.0, VoxelSelection::InMask, &golden.rescaled_2_98_in_mask),
    ] {
        let mut ours = volume.clone();
        percentiles(lower, upper, over).apply_in_place(&mut ours, Some(&mask)).unwrap();
        assert_close(format!("{lower} {upper}"), ours.voxels(), &want.f32s(), TOLERANCE);
    }
}

#[test]
fn z_scores_equal_numpys() {
    let (golden, volume, mask) = Golden::read();
    let rescale = |outside| Rescale::ZScore(ZScore { over: VoxelSelection::InMask, outside });
    let want = golden.z_score_in_mask.f32s();
    let mut ours = volume.clone();
    let map = rescale(OutsideMask::Keep).apply_in_place(&mut ours, Some(&mask)).unwrap();
    assert_close("kept outside", ours.voxels(), &want, TOLERANCE);
    let IntensityMap::Linear(map) = map else { panic!("{map:?}") };
    let ours = [map.invert(0.0), 1.0 / map.slope];
    assert_close("moments", &ours, &[golden.mean_in_mask, golden.deviation_in_mask], 1e-9);

    let mut ours = volume;
    rescale(OutsideMask::Zero).apply_in_place(&mut ours, Some(&mask)).unwrap();
    let inside = want.iter().zip(&golden.mask.0);
    let want: Vec<f32> = inside.map(|(&v, &inside)| if inside { v } else { 0.0 }).collect();
    assert_close("zero outside", ours.voxels(), &want, TOLERANCE);
}

#[test]
fn slices_are_rescaled_as_scikit_learn_rescales_them() {
    let (golden, volume, _) = Golden::read();
    let mut ours = Volume::new(golden.flat_slice_voxels.f32s(), *volume.geometry()).unwrap();
    let rescale = Rescale::SliceMinMax(SliceMinMax { axis: 2, to: [0.0, 1.0] });
    rescale.apply_in_place(&mut ours, None).unwrap();
    assert_close("axis 2", ours.voxels(), &golden.per_slice.f32s(), TOLERANCE);
}
