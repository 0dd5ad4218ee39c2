use super::*;

fn grid(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::from_spacing_mm([1.5; 3], [-30.0, 10.0, 5.0]).unwrap()).unwrap()
}

/// A grid turned about two axes, with three voxel sizes and a flip.
fn oblique() -> Geometry {
    let (c, s) = (0.8, 0.6);
    let columns =
        [[-c, -s, 0.0], [-s * 1.5 * 0.6, c * 1.5 * 0.6, 1.5 * 0.8], [-s * 0.8, c * 0.8, -0.6]];
    let columns = columns.map(|column| column.map(|v| 1.25 * v));
    Geometry::new([36, 28, 40], Affine::from_columns(columns, [12.0, -7.0, 30.0]).unwrap()).unwrap()
}

fn random(geometry: &Geometry, amplitude_mm: f64, smoothness_mm: f64) -> Deformation {
    let key = Key::new(11).with("deformation");
    Deformation::random(geometry, &key, amplitude_mm, smoothness_mm).unwrap()
}

/// Intensities that change slowly in world space.
fn waves(geometry: Geometry) -> Volume {
    let to_world = *geometry.voxel_to_world();
    Volume::from_fn(geometry, |voxel| {
        let [x, y, z] = to_world.apply(voxel.map(|v| v as f64));
        ((x / 9.0).sin() + (y / 11.0).cos() + (z / 7.0).sin()) as f32
    })
}

fn ball(geometry: Geometry, centre_mm: [f64; 3], radius_mm: f64) -> LabelMap {
    let to_world = *geometry.voxel_to_world();
    LabelMap::from_fn(geometry, |voxel| {
        let point = to_world.apply(voxel.map(|v| v as f64));
        let squared: f64 = (0..3).map(|a| (point[a] - centre_mm[a]).powi(2)).sum();
        i32::from(squared < radius_mm * radius_mm)
    })
}

fn is_inside([x, y, z]: [usize; 3], shape: [usize; 3], margin: usize) -> bool {
    [x, y, z].iter().zip(shape).all(|(&i, n)| i >= margin && i + margin < n)
}

#[test]
fn no_velocity_is_the_identity_to_the_bit() {
    for geometry in [grid([20, 17, 9]), oblique(), grid([1, 1, 5])] {
        let still = Deformation::from_velocity(&Volume::from_fn(geometry, |_| [0.0; 3])).unwrap();
        let scan = waves(geometry);
        let labels = ball(geometry, geometry.centre_mm(), 9.0);
        assert_eq!(still.apply(&scan), scan);
        assert_eq!(still.apply_to_labels(&labels), labels);
        assert!(still.jacobian_determinant().voxels().iter().all(|&j| j == 1.0));
        assert_eq!(random(&geometry, 0.0, 8.0).apply(&scan), scan);
    }
}

#[test]
fn a_constant_velocity_shifts_by_millimetres_whatever_the_axes() {
    for geometry in [grid([24, 24, 24]), oblique()] {
        // Two voxels along the second axis: a shift by whole voxels copies them.
        let step = geometry.voxel_to_world().column(1).map(|c| (2.0 * c) as f32);
        let shift = Deformation::from_velocity(&Volume::from_fn(geometry, |_| step)).unwrap();
        let scan = waves(geometry);
        let moved = shift.apply(&scan);
        let (scan, moved) = (scan.array(), moved.array());
        for ((x, y, z), value) in moved.indexed_iter().filter(|((_, y, _), _)| *y >= 2) {
            assert!((value - scan[[x, y - 2, z]]).abs() < 1e-5);
        }
        let moved = shift.apply_to_point([1.0, 2.0, 3.0]);
        assert!((0..3).all(|a| (moved[a] - [1.0, 2.0, 3.0][a] - f64::from(step[a])).abs() < 1e-5));
    }
}

/// v = a·x along one axis moves x to x·eᵃ: the exponential in closed form, about the grid's centre.
#[test]
fn a_linear_velocity_grows_space_exponentially() {
    let geometry = grid([41, 41, 41]);
    let (centre, rate) = (geometry.centre_mm(), 0.3);
    let to_world = *geometry.voxel_to_world();
    let velocity = Volume::from_fn(geometry, |voxel| {
        let point = to_world.apply(voxel.map(|v| v as f64));
        [0, 1, 2].map(|a| (rate * (point[a] - centre[a])) as f32)
    });
    let growth = Deformation::from_velocity(&velocity).unwrap();
    for offset in [[3.0, -5.0, 8.0], [10.0, 0.0, -10.0]] {
        let moved = growth.apply_to_point([0, 1, 2].map(|a| centre[a] + offset[a]));
        for a in 0..3 {
            let expected = offset[a] * rate.exp();
            assert!((moved[a] - centre[a] - expected).abs() < 5e-3 * expected.abs() + 1e-6);
        }
    }
    let jacobian = growth.jacobian_determinant();
    assert!((f64::from(jacobian.array()[[20, 20, 20]]) / (3.0 * rate).exp() - 1.0).abs() < 0.01);
    assert_eq!(growth.scaled(0.0).unwrap().apply_to_point([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
}

#[test]
fn the_inverse_brings_points_and_images_back() {
    for geometry in [grid([48, 40, 44]), oblique()] {
        let deformation = random(&geometry, 3.0, 9.0);
        let inverse = deformation.inverse();
        assert_eq!(inverse.inverse(), deformation);
        let to_world = *geometry.voxel_to_world();
        let (mut worst, mut longest) = (0.0_f64, 0.0_f64);
        let distance =
            |a: [f64; 3], b: [f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
        for index in 0..2000 {
            let voxel = [index * 7 % 48, index * 13 % 40, index * 29 % 44];
            let voxel = [0, 1, 2].map(|a| voxel[a].clamp(6, geometry.shape()[a] - 7) as f64);
            let point = to_world.apply(voxel);
            let moved = deformation.apply_to_point(point);
            longest = longest.max(distance(moved, point));
            worst = worst.max(distance(inverse.apply_to_point(moved), point));
        }
        assert!(longest > 3.0, "{longest}");
        assert!(worst < 0.03 * longest, "{worst} of {longest}");
        let scan = waves(geometry);
        let back = inverse.apply(&deformation.apply(&scan));
        let shape = geometry.shape();
        for ((x, y, z), value) in back.array().indexed_iter() {
            if is_inside([x, y, z], shape, 8) {
                assert!((value - scan.array()[[x, y, z]]).abs() < 0.06);
            }
        }
    }
}

#[test]
fn the_jacobian_is_positive_and_its_integral_is_the_change_of_volume() {
    let geometry = grid([64, 64, 64]);
    let deformation = random(&geometry, 4.0, 10.0);
    let jacobian = deformation.jacobian_determinant();
    let (least, most) =
        jacobian.voxels().iter().fold((f32::MAX, 0.0_f32), |(a, b), &j| (a.min(j), b.max(j)));
    assert!(least > 0.0 && least < 0.7 && most > 1.4, "{least} {most}");
    let on_image = crate::Regrid::new(*jacobian.geometry(), geometry).unwrap();
    let on_image = on_image.apply(&jacobian, &crate::Resampling::default()).unwrap();
    for offset in [[-12.0, 0.0, 9.0], [0.0, 0.0, 0.0], [10.0, -9.0, -8.0]] {
        let centre = geometry.centre_mm();
        let before = ball(geometry, [0, 1, 2].map(|a| centre[a] + offset[a]), 14.0);
        let after = deformation.apply_to_labels(&before);
        let n = after.voxels().iter().filter(|&&l| l == 1).count() as f64;
        let inside = before.voxels().iter().zip(on_image.voxels()).filter(|(l, _)| **l == 1);
        let integral: f64 = inside.map(|(_, &j)| f64::from(j)).sum();
        assert!((n / integral - 1.0).abs() < 0.015, "{n} voxels, integral {integral}");
    }
}

#[test]
fn a_field_has_the_amplitude_and_smoothness_asked_for() {
    let geometry = Geometry::new([96, 96, 96], Affine::identity()).unwrap();
    let velocity = random(&geometry, 2.0, 6.0).velocity_mm();
    let n = velocity.voxels().len() as f64;
    for axis in 0..3 {
        let value = |v: &[f32; 3]| f64::from(v[axis]);
        let variance: f64 = velocity.voxels().iter().map(|v| value(v).powi(2)).sum::<f64>() / n;
        // About (96 / (6 · √(4π)))³ ≈ 100 independent values: a standard error of 7 %.
        assert!((variance.sqrt() / 2.0 - 1.0).abs() < 0.2, "{variance}");
        // The grid has 1.5 mm voxels: four of them are 6 mm, where the correlation is e^(−1/4).
        let array = velocity.array();
        let [nx, ny, nz] = velocity.geometry().shape();
        let pairs = array.indexed_iter().filter(|((x, ..), _)| x + 4 < nx);
        let covariance: f64 =
            pairs.map(|((x, y, z), v)| value(v) * value(&array[[x + 4, y, z]])).sum::<f64>()
                / ((nx - 4) * ny * nz) as f64;
        assert!((covariance / variance - (-0.25_f64).exp()).abs() < 0.06, "{covariance}");
    }
}

#[test]
fn a_deformation_fits_a_head_whatever_its_grid() {
    let fine = oblique();
    let turned = fine.reoriented(crate::Orientation::RAS);
    let coarse = fine.with_shape([18, 14, 20]).unwrap();
    let deformation = random(&fine, 3.0, 12.0);
    assert_eq!(deformation, random(&turned, 3.0, 12.0));
    let regrid = crate::Regrid::new(fine, turned).unwrap();
    let scan = waves(fine);
    let on_turned = regrid.apply(&scan, &crate::Resampling::default()).unwrap();
    let (a, b) = (deformation.apply(&scan), deformation.apply(&on_turned));
    let a = regrid.apply(&a, &crate::Resampling::default()).unwrap();
    assert!(a.voxels().iter().zip(b.voxels()).all(|(a, b)| (a - b).abs() < 1e-4));
    let point = fine.centre_mm();
    let (here, there) =
        (deformation.apply_to_point(point), random(&coarse, 3.0, 12.0).apply_to_point(point));
    assert!((0..3).all(|i| (here[i] - there[i]).abs() < 1e-3));
}

#[test]
fn threads_change_no_bit() {
    let geometry = oblique();
    let made = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let deformation = random(&geometry, 3.0, 9.0);
            (deformation.apply(&waves(geometry)), deformation.jacobian_determinant())
        })
    };
    let one = made(1);
    assert_eq!(one, made(2));
    assert_eq!(one, made(5));
}

#[test]
fn what_cannot_be_integrated_is_refused_by_name() {
    let geometry = grid([12, 12, 12]);
    let key = Key::new(1);
    let message = |result: Result<Deformation>| result.unwrap_err().to_string();
    let random = |a, s| message(Deformation::random(&geometry, &key, a, s));
    for amplitude in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(random(amplitude, 8.0).starts_with("amplitude_mm"));
    }
    for smoothness in [0.0, 1.0, f64::NAN, f64::INFINITY] {
        assert!(random(1.0, smoothness).starts_with("smoothness_mm"), "{smoothness}");
    }
    for wrong in [f32::NAN, f32::INFINITY, 1e4] {
        let velocity =
            Volume::from_fn(
                geometry,
                |v| if v == [3, 4, 5] { [0.0, wrong, 0.0] } else { [0.0; 3] },
            );
        let message = message(Deformation::from_velocity(&velocity));
        assert!(message.starts_with("velocity_mm") && message.contains("[3, 4, 5]"), "{message}");
    }
    // Every voxel pulled another way, by many times its distance from the next.
    let mut noise = vec![0.0_f32; 3 * geometry.n_voxels()];
    key.fill_uniform(&mut noise);
    let torn = noise.chunks_exact(3).map(|v| [0, 1, 2].map(|a| 16.0 * (v[a] - 0.5))).collect();
    let torn = Volume::new(torn, geometry).unwrap();
    assert!(message(Deformation::from_velocity(&torn)).contains("folds"));
}

#[test]
fn labels_stay_labels_of_the_map() {
    let geometry = grid([30, 30, 30]);
    let labels =
        LabelMap::from_fn(geometry, |[x, y, z]| [0, 17, 2035][(x / 4 + y / 5 + z / 6) % 3]);
    let moved = random(&geometry, 3.0, 9.0).apply_to_labels(&labels);
    assert_ne!(moved, labels);
    assert!(moved.voxels().iter().all(|l| [0, 17, 2035].contains(l)));
}
