use super::*;
use crate::{Affine, Geometry};

fn grid(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::identity()).unwrap()
}

fn line(voxels: &[f32]) -> Volume {
    Volume::new(voxels.to_vec(), grid([voxels.len(), 1, 1])).unwrap()
}

/// `(i² mod 101) · 0.37 − 5` in `f32`, shape 3×4×5.
fn sample() -> Volume {
    let voxels = (0..60_u32).map(|i| (i * i % 101) as f32 * 0.37 - 5.0).collect();
    Volume::new(voxels, grid([3, 4, 5])).unwrap()
}

fn percentiles(config: PercentileRescale) -> Rescale {
    Rescale::Percentiles(config)
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let largest = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest <= tolerance, "differ by {largest}: {found:?} {expected:?}");
}

#[test]
fn percentiles_are_those_of_numpy() {
    // numpy.percentile(v, [0, 0.5, 12.5, 50, 99.5, 100]) of the values as float64, numpy 2.4.6.
    let found = sample().percentiles(&[0.0, 0.5, 12.5, 50.0, 99.5, 100.0]).unwrap();
    let expected = [
        -5.0,
        -4.890850033760071,
        -0.051249921321868896,
        13.6850004196167,
        31.672549819946287,
        32.0,
    ];
    assert_close(&found, &expected, 1e-13);
}

#[test]
fn percentiles_skip_what_is_not_finite() {
    let volume = line(&[f32::NAN, 4.0, f32::INFINITY, 2.0, f32::NEG_INFINITY]);
    assert_eq!(volume.percentiles(&[0.0, 50.0, 100.0]).unwrap(), [2.0, 3.0, 4.0]);
    assert!(matches!(line(&[f32::NAN]).percentiles(&[50.0]), Err(Error::NoVoxels { .. })));
    assert!(volume.percentiles(&[101.0]).unwrap_err().to_string().contains("percentile is 101"));
}

#[test]
fn clipping_is_a_choice() {
    let config = PercentileRescale { lower: 25.0, upper: 75.0, ..Default::default() };
    let five = [0.0, 1.0, 2.0, 3.0, f32::INFINITY, 4.0];
    let mut clipped = line(&five);
    percentiles(config.clone()).apply_in_place(&mut clipped, None).unwrap();
    assert_eq!(clipped.voxels(), [0.0, 0.0, 0.5, 1.0, 1.0, 1.0]);
    let mut open = line(&five);
    percentiles(PercentileRescale { clip: false, ..config })
        .apply_in_place(&mut open, None)
        .unwrap();
    assert_eq!(open.voxels(), [-0.5, 0.0, 0.5, 1.0, f32::INFINITY, 1.5]);
}

#[test]
fn a_selection_decides_the_percentiles_but_every_voxel_is_mapped() {
    let voxels = [0.0, 0.0, 0.0, 10.0, 20.0, 30.0];
    let config = PercentileRescale { upper: 100.0, to: [-1.0, 1.0], ..Default::default() };
    let mut above = line(&voxels);
    let over = VoxelSelection::Above(0.0);
    percentiles(PercentileRescale { over, ..config.clone() })
        .apply_in_place(&mut above, None)
        .unwrap();
    assert_eq!(above.voxels(), [-1.0, -1.0, -1.0, -1.0, 0.0, 1.0]);
    let mut masked = line(&voxels);
    let mask = masked.map(|&v| v >= 20.0);
    let over = VoxelSelection::InMask;
    percentiles(PercentileRescale { over, clip: false, ..config })
        .apply_in_place(&mut masked, Some(&mask))
        .unwrap();
    assert_eq!(masked.voxels(), [-5.0, -5.0, -5.0, -3.0, -1.0, 1.0]);
}

#[test]
fn a_constant_volume_goes_to_the_lower_end_and_back() {
    let mut volume = line(&[7.0, 7.0, f32::NAN]);
    let config = PercentileRescale { to: [-1.0, 1.0], ..Default::default() };
    let map = percentiles(config).apply_in_place(&mut volume, None).unwrap();
    assert_eq!(volume.voxels()[..2], [-1.0, -1.0]);
    assert!(volume.voxels()[2].is_nan());
    map.invert_in_place(&mut volume).unwrap();
    assert_eq!(volume.voxels()[..2], [7.0, 7.0]);
}

#[test]
fn z_scores_have_mean_0_and_deviation_1_inside() {
    for (outside, kept) in [(OutsideMask::Zero, false), (OutsideMask::Keep, true)] {
        let mut volume = sample();
        let original = volume.clone();
        let mask = volume.map(|&v| v > 5.0);
        let config = ZScore { over: VoxelSelection::InMask, outside };
        let map = Rescale::ZScore(config).apply_in_place(&mut volume, Some(&mask)).unwrap();
        let inside = volume.statistics_inside(&mask).unwrap();
        assert!(inside.mean.abs() < 1e-7 && (inside.std - 1.0).abs() < 1e-7, "{inside:?}");
        let outside = mask.map(|&m| !m);
        let rest = volume.statistics_inside(&outside).unwrap();
        assert_eq!((rest.min, rest.max) != (0.0, 0.0), kept);
        map.invert_in_place(&mut volume).unwrap();
        for ((v, o), m) in volume.voxels().iter().zip(original.voxels()).zip(mask.voxels()) {
            assert!(!(*m || kept) || (v - o).abs() < 1e-5);
        }
    }
}

#[test]
fn a_threshold_looks_at_intensities_before_they_are_mapped() {
    let mut volume = line(&[0.0, f32::NAN, 1.0, 2.0, 3.0]);
    let config = ZScore { over: VoxelSelection::Above(0.0), outside: OutsideMask::Zero };
    Rescale::ZScore(config).apply_in_place(&mut volume, None).unwrap();
    let z = 1.5_f64.sqrt() as f32;
    assert_eq!(volume.voxels(), [0.0, 0.0, -z, 0.0, z]);
}

#[test]
fn z_scores_of_nothing_or_of_a_constant_are_refused() {
    let z_score = Rescale::ZScore(ZScore::default());
    // A third of 0.1 is not exact, so the rounded mean differs from the voxels.
    let mut volume = line(&[0.1, 0.1, 0.1, f32::NAN]);
    let before = volume.clone();
    let all = volume.map(|_| true);
    let error = z_score.apply_in_place(&mut volume, Some(&all)).unwrap_err();
    assert!(matches!(error, Error::Constant { value, .. } if value == f64::from(0.1_f32)));
    let nothing = volume.map(|v| v.is_nan());
    let error = z_score.apply_in_place(&mut volume, Some(&nothing)).unwrap_err();
    assert!(error.to_string().contains("inside the mask"), "{error}");
    let error = z_score.apply_in_place(&mut volume, None).unwrap_err();
    assert!(error.to_string().contains("in_mask"), "{error}");
    assert_eq!(volume.voxels()[..3], before.voxels()[..3]);
}

#[test]
fn slices_are_scaled_as_scikit_learn_does() {
    // img[:, :, 3] = 7; MinMaxScaler().fit_transform(img.reshape(-1, 5)).reshape(3, 4, 5),
    // [1, 2, :] and [0, 3, 4] of it, scikit-learn 1.9.1.
    let mut volume = sample();
    volume.array_mut().slice_mut(ndarray::s![.., .., 3]).fill(7.0);
    let original = volume.clone();
    let map =
        Rescale::SliceMinMax(SliceMinMax::default()).apply_in_place(&mut volume, None).unwrap();
    let array = volume.array();
    let found: Vec<f64> = (0..5).map(|z| f64::from(array[[1, 2, z]])).collect();
    let expected = [0.49000002886797933, 0.48684215144928394, 0.49367086377425157, 0.0, 1.0];
    assert_close(&found, &expected, 1e-7);
    assert_close(&[f64::from(array[[0, 3, 4]])], &[0.1318681314012502], 1e-7);
    map.invert_in_place(&mut volume).unwrap();
    assert!(volume.voxels().iter().zip(original.voxels()).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn every_stored_axis_can_count_the_slices() {
    for axis in 0..3 {
        let mut volume = sample();
        let config = SliceMinMax { axis, to: [-1.0, 1.0] };
        Rescale::SliceMinMax(config).apply_in_place(&mut volume, None).unwrap();
        for slice in volume.array().axis_iter(ndarray::Axis(axis)) {
            let (low, high) =
                slice.iter().fold((9.0_f32, -9.0_f32), |(l, h), &v| (l.min(v), h.max(v)));
            assert!((low + 1.0).abs() < 1e-6 && (high - 1.0).abs() < 1e-6, "{axis} {low} {high}");
        }
    }
}

#[test]
fn a_slice_without_finite_voxels_is_left_alone() {
    let mut volume = Volume::new(vec![f32::NAN, 1.0, f32::NAN, 3.0], grid([2, 2, 1])).unwrap();
    let config = SliceMinMax { axis: 0, to: [0.0, 1.0] };
    Rescale::SliceMinMax(config).apply_in_place(&mut volume, None).unwrap();
    let [a, b, c, d] = volume.voxels().try_into().unwrap();
    assert!(f32::is_nan(a) && f32::is_nan(c));
    assert_eq!([b, d], [0.0, 1.0]);
}

#[test]
fn background_is_cleared_by_mask_or_threshold() {
    let mut volume = line(&[-1.0, f32::NAN, 2.0, 3.0]);
    volume.clear_at_or_below(2.0);
    assert_eq!(volume.voxels(), [0.0, 0.0, 0.0, 3.0]);
    let mut volume = line(&[-1.0, 5.0, 2.0]);
    let mask = volume.map(|&v| v < 3.0);
    volume.clear_outside(&mask).unwrap();
    assert_eq!(volume.voxels(), [-1.0, 0.0, 2.0]);
}

#[test]
fn refused_settings_are_named() {
    let mut volume = sample();
    let default = PercentileRescale::default;
    for (rescale, field) in [
        (percentiles(PercentileRescale { lower: -1.0, ..default() }), "percentile is -1"),
        (percentiles(PercentileRescale { upper: f64::NAN, ..default() }), "percentile is NaN"),
        (percentiles(PercentileRescale { lower: 60.0, upper: 40.0, ..default() }), "lower is 60"),
        (percentiles(PercentileRescale { to: [1.0, 0.0], ..default() }), "to is [1.0, 0.0]"),
        (Rescale::SliceMinMax(SliceMinMax { axis: 3, to: [0.0, 1.0] }), "axis is 3"),
        (Rescale::SliceMinMax(SliceMinMax { axis: 0, to: [0.0; 2] }), "to is [0.0, 0.0]"),
    ] {
        let message = rescale.apply_in_place(&mut volume, None).unwrap_err().to_string();
        assert!(message.contains(field), "{message}");
    }
    let slices = vec![LinearMap { slope: 1.0, offset: 0.0, clip: None }; 4];
    let map = IntensityMap::PerSlice { axis: 2, slices };
    assert!(matches!(map.apply_in_place(&mut volume), Err(Error::Shape { .. })));
    let flat = IntensityMap::Linear(LinearMap { slope: 0.0, offset: 0.0, clip: None });
    assert!(flat.invert_in_place(&mut volume).unwrap_err().to_string().contains("slope is 0"));
    assert_eq!(volume, sample());
}

#[test]
fn settings_and_maps_are_written_and_read() {
    let text = r#"{"percentiles":{"upper":99.0,"over":{"above":0.0}}}"#;
    let over = VoxelSelection::Above(0.0);
    let expected = percentiles(PercentileRescale { upper: 99.0, over, ..Default::default() });
    assert_eq!(serde_json::from_str::<Rescale>(text).unwrap(), expected);
    let unknown = r#"{"percentiles":{"uper":99.0}}"#;
    assert!(serde_json::from_str::<Rescale>(unknown).unwrap_err().to_string().contains("uper"));
    for rescale in [expected, Rescale::SliceMinMax(SliceMinMax::default())] {
        let map = rescale.fit(&sample(), None).unwrap();
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(serde_json::from_str::<IntensityMap>(&text).unwrap(), map, "{text}");
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let volume = Volume::from_fn(grid([50, 40, 30]), |[x, y, z]| {
        ((x * 31 + y * 17 + z * 7) as f32).sin() * 1e3 + 0.1
    });
    let mask = volume.map(|&v| v > -200.0);
    for rescale in [
        percentiles(PercentileRescale { lower: 1.0, ..Default::default() }),
        Rescale::ZScore(ZScore::default()),
        Rescale::SliceMinMax(SliceMinMax { axis: 1, ..Default::default() }),
    ] {
        let with = |n| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let mut volume = volume.clone();
            let map = pool.install(|| rescale.apply_in_place(&mut volume, Some(&mask)).unwrap());
            (map, volume)
        };
        assert_eq!(with(1), with(4));
    }
}
