use super::*;
use crate::{Affine, Geometry, Scaling, StoredVoxels};

fn grid(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::identity()).unwrap()
}

/// `(i² mod 101) · 0.37 − 5` in `f32`, shape 3×4×5.
fn sample() -> Volume {
    let voxels = (0..60_u32).map(|i| (i * i % 101) as f32 * 0.37 - 5.0).collect();
    Volume::new(voxels, grid([3, 4, 5])).unwrap()
}

#[test]
fn statistics_are_those_of_numpy() {
    // v.min(), v.max(), v.mean(), v.std() of the same f32 values as float64, numpy 2.4.6.
    let found = sample().statistics();
    assert_eq!((found.min, found.max, found.n_finite), (-5.0, 32.0, 60));
    assert!((found.mean - 13.777500220139821).abs() < 1e-14);
    assert!((found.std - 11.454797211102422).abs() < 1e-14);
}

#[test]
fn a_mask_limits_the_voxels() {
    // m = v > 5; m.sum(), v[m].mean(), v[m].std()
    let volume = sample();
    let found = volume.statistics_inside(&volume.map(|&v| v > 5.0)).unwrap();
    assert_eq!(found.n_finite, 41);
    assert!((found.mean - 20.1239027395481).abs() < 1e-14);
    assert!((found.std - 7.795872046139161).abs() < 1e-14);
}

#[test]
fn a_mask_on_another_grid_is_refused() {
    let volume = sample();
    let shifted = Affine::from_spacing_mm([1.0; 3], [0.0, 0.0, 0.5]).unwrap();
    for other in [grid([3, 4, 6]), Geometry::new([3, 4, 5], shifted).unwrap()] {
        let mask = Volume::from_fn(other, |_| true);
        let message = volume.statistics_inside(&mask).unwrap_err().to_string();
        assert!(message.contains("mask"), "{message}");
    }
}

#[test]
fn non_finite_voxels_are_counted_and_ignored() {
    let voxels = vec![f32::NAN, 1.0, f32::INFINITY, 3.0, f32::NEG_INFINITY];
    let found = Volume::new(voxels, grid([5, 1, 1])).unwrap().statistics();
    assert_eq!((found.min, found.max, found.mean, found.std), (1.0, 3.0, 2.0, 1.0));
    assert_eq!((found.n_finite, found.n_non_finite), (2, 3));
    let none = Volume::new(vec![f32::NAN], grid([1, 1, 1])).unwrap().statistics();
    assert!(none.min.is_nan() && none.max.is_nan() && none.mean.is_nan() && none.std.is_nan());
    assert_eq!((none.n_finite, none.n_non_finite), (0, 1));
}

#[test]
fn a_small_spread_on_a_large_mean_is_not_lost() {
    // 0 … n−1 has the variance (n² − 1)/12; shifting by 10⁹ leaves nothing of it in a sum of squares.
    let n = 100_000_u32;
    let stored = StoredVoxels::U32((0..n).collect());
    let scaling = Scaling { slope: 1e-3, inter: 1e9 };
    let image = Image::new(grid([1000, 100, 1]), 1, stored, scaling).unwrap();
    let found = image.statistics();
    let expected = 1e-3 * ((f64::from(n).powi(2) - 1.0) / 12.0).sqrt();
    assert!((found.std / expected - 1.0).abs() < 1e-8, "{} {expected}", found.std);
    assert!((found.mean - (1e9 + 49.9995)).abs() < 1e-5);
}

#[test]
fn images_are_scaled_in_double_precision_over_all_frames() {
    let scaling = Scaling { slope: 0.1, inter: 1.0 };
    let stored = StoredVoxels::I32(vec![16_777_217, -3]);
    let found = Image::new(grid([1, 1, 1]), 2, stored, scaling).unwrap().statistics();
    assert_eq!((found.min, found.max), (-3.0 * 0.1 + 1.0, 16_777_217.0 * 0.1 + 1.0));
    assert_eq!(found.n_finite, 2);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let volume = Volume::from_fn(grid([64, 40, 30]), |[x, y, z]| {
        ((x * 31 + y * 17 + z * 7) as f32).sin() * 1e3 + 0.1
    });
    let with = |n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| volume.statistics())
    };
    assert_eq!(with(1), with(2));
    assert_eq!(with(1), with(5));
}
