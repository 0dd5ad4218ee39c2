//! Values between voxels.

use super::*;
use crate::regrid::sampler::Sampler;
use crate::regrid::voxel_map::VoxelMap;

const LINEAR: Interpolation = Interpolation::Linear;
const CUBIC: Interpolation = Interpolation::CubicBSpline;

/// A volume's value at a continuous voxel index, through a grid of one voxel.
fn value_at(volume: &Volume, index: [f64; 3], interpolation: Interpolation) -> f32 {
    let moved = volume.geometry().voxel_to_world().with_origin_at_voxel(index);
    let point = Geometry::new([1, 1, 1], moved).unwrap();
    let how = Resampling { interpolation, outside: f32::NAN, ..Resampling::default() };
    regridded(volume, point, how).voxels()[0]
}

#[test]
fn values_are_those_of_scipy() {
    // scipy 1.17.1 ndimage.map_coordinates(…, order=3, mode='mirror') and order=1.
    let line = Volume::new(vec![4.0, 1.0, 7.0, 2.0, 9.0], straight([5, 1, 1])).unwrap();
    let golden = [(0.25, 3.423_27), (1.5, 4.314_732), (2.9, 2.012_232), (3.75, 7.979_074)];
    for (x, expected) in golden {
        assert!((value_at(&line, [x, 0.0, 0.0], CUBIC) - expected).abs() < 1e-6, "{x}");
    }
    let block =
        Volume::from_fn(straight([2, 3, 4]), |[i, j, k]| ((12 * i + 4 * j + k).pow(2) % 23) as f32);
    for (point, linear, cubic) in
        [([0.3, 1.2, 2.6], 7.392, 6.954_861), ([0.7, 0.4, 1.1], 7.466, 8.103_819)]
    {
        assert!((value_at(&block, point, LINEAR) - linear).abs() < 5e-6);
        assert!((value_at(&block, point, CUBIC) - cubic).abs() < 5e-6);
    }
}

#[test]
fn the_field_of_view_ends_at_the_outer_edges_of_the_outer_voxels() {
    let line = Volume::new(vec![4.0, 1.0, 7.0], straight([3, 1, 1])).unwrap();
    for interpolation in INTERPOLATIONS {
        for outside in [-0.501, 2.501, 1e300] {
            assert!(value_at(&line, [outside, 0.0, 0.0], interpolation).is_nan());
        }
        assert!(!value_at(&line, [-0.5 - 1e-9, 0.5, -0.5], interpolation).is_nan());
        assert!(!value_at(&line, [2.5 + 1e-9, 0.5, -0.5], interpolation).is_nan());
    }
    for interpolation in [Interpolation::Nearest, LINEAR] {
        assert_eq!(value_at(&line, [-0.4, 0.0, 0.0], interpolation), 4.0);
        assert_eq!(value_at(&line, [2.4, 0.0, 0.0], interpolation), 7.0);
    }
    // The mirrored spline is symmetric about the outer voxel centre.
    let (rim, mirror) =
        (value_at(&line, [-0.3, 0.0, 0.0], CUBIC), value_at(&line, [0.3, 0.0, 0.0], CUBIC));
    assert!((rim - mirror).abs() < 1e-6);
}

#[test]
fn a_ramp_is_reproduced_in_the_interior() {
    let ramp = |[x, y, z]: [f64; 3]| 3.0 * x - 2.0 * y + 0.5 * z + 100.0;
    let grid = oblique([40, 38, 36]);
    let volume = Volume::from_fn(grid, |voxel| ramp(voxel.map(|v| v as f64)) as f32);
    let target_grids = [grid.with_spacing_mm([1.5, 0.7, 1.9]).unwrap(), turned(&grid)];
    for target in target_grids {
        let to_source = Regrid::new(grid, target).unwrap().target_to_source();
        // The mirror bends the spline near the ends; the bend fades by 0.27 a voxel.
        for (interpolation, margin, tolerance) in [(LINEAR, 0.0, 5e-5), (CUBIC, 12.0, 1e-4)] {
            let result = regridded(&volume, target, interpolation);
            let mut checked = 0;
            for ((x, y, z), &value) in result.array().indexed_iter() {
                let point = to_source.apply([x as f64, y as f64, z as f64]);
                let inside = |s: usize| {
                    point[s] >= margin && point[s] <= grid.shape()[s] as f64 - 1.0 - margin
                };
                if (0..3).all(inside) {
                    assert!((f64::from(value) - ramp(point)).abs() < tolerance, "{point:?}");
                    checked += 1;
                }
            }
            assert!(checked > 1000);
        }
    }
}

#[test]
fn a_cubic_polynomial_is_reproduced_by_the_cubic_spline() {
    let cubic = |x: f64| 0.02 * x.powi(3) - 0.9 * x.powi(2) + 4.0 * x + 7.0;
    let volume = Volume::from_fn(straight([50, 1, 1]), |[x, _, _]| cubic(x as f64) as f32);
    for x in [16.0, 18.3, 24.5, 31.9] {
        let value = f64::from(value_at(&volume, [x, 0.0, 0.0], CUBIC));
        assert!((value - cubic(x)).abs() < 1e-3, "{x}: {value} {}", cubic(x));
    }
}

#[test]
fn the_cubic_spline_passes_through_the_voxels() {
    let volume = noise_volume(oblique([9, 10, 11]));
    let fine = volume.geometry().with_shape([9, 10, 33]).unwrap();
    let result = regridded(&volume, fine, CUBIC);
    for ((x, y, z), &value) in volume.array().indexed_iter() {
        assert!((result.array()[[x, y, 3 * z + 1]] - value).abs() < 1e-5 * 1000.0);
    }
}

#[test]
fn aligned_axes_give_what_voxel_by_voxel_sampling_gives() {
    let volume = noise_volume(oblique([13, 34, 11]));
    for orientation in all_orientations() {
        for spacing_mm in [[1.7, 2.9, 1.3], [0.6, 0.7, 0.9]] {
            let target = volume.geometry().with_spacing_mm(spacing_mm).unwrap();
            let target = target.centre_cropped([11, 52, 17]).unwrap().reoriented(orientation);
            let sampler = Sampler::between(volume.geometry(), &target);
            assert!(matches!(sampler.map, VoxelMap::Aligned(_)));
            for interpolation in INTERPOLATIONS {
                let how = Resampling { interpolation, outside: -7.0, ..Resampling::default() };
                let run = |sampler: &Sampler| {
                    let mut out = vec![0.0; target.n_voxels()];
                    sampler.intensities(volume.voxels(), &how, &mut out).unwrap();
                    Volume::new(out, target).unwrap()
                };
                let mut one_by_one = Sampler::between(volume.geometry(), &target);
                one_by_one.map = VoxelMap::Oblique(sampler.map.rows());
                let difference = max_difference(&run(&sampler), &run(&one_by_one));
                let tolerance = [0.0, 3e-4, 2e-3][interpolation as usize];
                assert!(difference <= tolerance, "{orientation} {interpolation:?} {difference}");
            }
        }
    }
}

#[test]
fn flipping_the_stored_axes_does_not_change_the_image_in_the_world() {
    let volume = noise_volume(oblique([12, 13, 14]));
    let coarse = volume.geometry().with_spacing_mm([1.3, 1.9, 2.2]).unwrap();
    for target in [coarse, turned(volume.geometry())] {
        for interpolation in [LINEAR, CUBIC] {
            let expected = regridded(&volume, target, interpolation);
            for code in ["RPI", "SLA", "PIR", "IAL"] {
                let flipped = volume.reorient(code.parse().unwrap()).unwrap();
                let found = regridded(&flipped, target, interpolation);
                assert!(max_difference(&found, &expected) < 2e-3, "{code} {interpolation:?}");
            }
        }
    }
}

#[test]
fn axes_of_any_length_keep_a_constant() {
    let lengths = [1, 2, 3];
    let shapes = lengths.map(|x| lengths.map(|y| lengths.map(|z| [x, y, z])));
    for shape in shapes.into_iter().flatten().flatten() {
        let volume = Volume::from_fn(oblique(shape), |_| 5.0_f32);
        for target_shape in [[1, 1, 1], [2, 1, 5], [4, 3, 1], [5, 5, 5]] {
            let target = volume.geometry().with_shape(target_shape).unwrap();
            let back = target.reoriented("SRP".parse().unwrap());
            for interpolation in INTERPOLATIONS {
                for antialias in [false, true] {
                    let how = Resampling { interpolation, antialias, outside: -7.0 };
                    for (target, reaches_outside) in
                        [(target, false), (back, false), (turned(&target), true)]
                    {
                        let result = regridded(&volume, target, how);
                        assert_eq!(*result.geometry(), target);
                        for &value in result.voxels() {
                            let constant = (value - 5.0).abs() < 1e-5;
                            let outside = reaches_outside && value == -7.0;
                            assert!(constant || outside, "{shape:?} {target_shape:?} {value}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn antialiasing_removes_what_the_coarse_grid_cannot_hold() {
    // A checkerboard along x, seen at every fourth voxel, looks constant ±1; its mean is 0.
    let volume =
        Volume::from_fn(straight([64, 4, 4]), |[x, _, _]| if x % 2 == 0 { 1.0 } else { -1.0 });
    let target = volume.geometry().cropped(crate::VoxelBox { start: [2, 0, 0], shape: [57, 4, 4] });
    let columns = [[4.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let coarse = Affine::from_columns(columns, target.unwrap().origin_mm()).unwrap();
    let coarse = Geometry::new([15, 4, 4], coarse).unwrap();
    for interpolation in INTERPOLATIONS {
        let aliased = regridded(&volume, coarse, interpolation);
        assert!(aliased.voxels().iter().all(|v| (v - 1.0).abs() < 1e-5));
        let how = Resampling { interpolation, antialias: true, ..Resampling::default() };
        // σ = √(15 / (8 ln 2)) damps the period of two voxels by exp(−½ π² σ²) = 1.6e-6; cutting
        // the kernel off at 4σ leaves up to 4e-5.
        let smooth = regridded(&volume, coarse, how);
        assert!(smooth.voxels().iter().all(|v| v.abs() < 4e-4), "{:?}", &smooth.voxels()[..15]);
    }
}

#[test]
fn antialiasing_changes_nothing_where_nothing_shrinks() {
    let volume = noise_volume(oblique([9, 10, 11]));
    let fine = volume.geometry().with_spacing_mm([0.5, 0.6, 0.7]).unwrap();
    for interpolation in INTERPOLATIONS {
        let how = Resampling { interpolation, antialias: true, ..Resampling::default() };
        let plain = regridded(&volume, fine, interpolation);
        assert!(bits(&regridded(&volume, fine, how)) == bits(&plain));
    }
}

#[test]
fn undoing_a_resampling_returns_to_the_original_grid() {
    let smooth = |[x, y, z]: [usize; 3]| {
        ((x as f32 / 5.0).sin() + (y as f32 / 6.0).cos()) * (z as f32 / 7.0).cos()
    };
    let volume = Volume::from_fn(oblique([40, 42, 30]), smooth);
    let grid = volume.geometry().reoriented(Orientation::RAS).with_spacing_mm([1.2; 3]).unwrap();
    let regrid = Regrid::new(*volume.geometry(), grid).unwrap();
    let how = Resampling::from(CUBIC);
    let back = regrid.undo(&regrid.apply(&volume, &how).unwrap(), &how).unwrap();
    assert_eq!(back.geometry(), volume.geometry());
    for ((x, y, z), &value) in back.array().indexed_iter() {
        if (4..36).contains(&x) && (4..38).contains(&y) && (4..26).contains(&z) {
            assert!((value - volume.array()[[x, y, z]]).abs() < 5e-3, "{:?}", [x, y, z]);
        }
    }
}
