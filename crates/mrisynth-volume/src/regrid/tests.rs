mod exact;
mod interpolated;
mod labels;
mod stored;

use super::*;
use crate::orientation::Orientation;

/// Reproducible values without structure, whole numbers in 0..1000.
fn noise(i: usize) -> u32 {
    let mixed = (i as u32).wrapping_add(1).wrapping_mul(2_654_435_761);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b) % 1000
}

fn noise_volume(geometry: Geometry) -> Volume {
    let [nx, ny, _] = geometry.shape();
    Volume::from_fn(geometry, |[x, y, z]| noise(x + nx * (y + ny * z)) as f32)
}

fn straight(shape: [usize; 3]) -> Geometry {
    Geometry::new(shape, Affine::identity()).unwrap()
}

/// An oblique, sheared, anisotropic grid.
fn oblique(shape: [usize; 3]) -> Geometry {
    let affine = Affine::from_rows([
        [-0.92, 0.11, 0.35, 88.5],
        [0.05, 1.04, -0.62, -101.25],
        [0.21, 0.33, 2.05, -60.0],
        [0.0, 0.0, 0.0, 1.0],
    ]);
    Geometry::new(shape, affine.unwrap()).unwrap()
}

/// The grid turned by 30° about its centre and its third axis, then by 30° about the first.
fn turned(grid: &Geometry) -> Geometry {
    let (c, s) = (0.75_f64.sqrt(), 0.5);
    let rotation =
        Affine::from_columns([[c, s * c, s * s], [-s, c * c, c * s], [0.0, -s, c]], [0.0; 3])
            .unwrap();
    let linear = rotation.compose(grid.voxel_to_world());
    let columns = [0, 1, 2].map(|axis| linear.column(axis));
    let about = Affine::from_columns(columns, [0.0; 3]).unwrap();
    let middle = grid.shape().map(|n| (n as f64 - 1.0) / 2.0);
    let (centre, arm) = (grid.centre_mm(), about.apply(middle));
    let origin = std::array::from_fn(|a| centre[a] - arm[a]);
    Geometry::new(grid.shape(), Affine::from_columns(columns, origin).unwrap()).unwrap()
}

fn all_orientations() -> Vec<Orientation> {
    let mut codes = Vec::new();
    for a in "RLAPSI".chars() {
        for b in "RLAPSI".chars() {
            codes.extend(
                "RLAPSI".chars().filter_map(|c| format!("{a}{b}{c}").parse::<Orientation>().ok()),
            );
        }
    }
    codes
}

const INTERPOLATIONS: [Interpolation; 3] =
    [Interpolation::Nearest, Interpolation::Linear, Interpolation::CubicBSpline];

fn regridded(volume: &Volume, target: Geometry, resampling: impl Into<Resampling>) -> Volume {
    let regrid = Regrid::new(*volume.geometry(), target).unwrap();
    regrid.apply(volume, &resampling.into()).unwrap()
}

fn bits(volume: &Volume) -> Vec<u32> {
    volume.voxels().iter().map(|v| v.to_bits()).collect()
}

/// The largest difference between two volumes of one shape.
fn max_difference(a: &Volume, b: &Volume) -> f32 {
    assert_eq!(a.geometry().shape(), b.geometry().shape());
    a.voxels().iter().zip(b.voxels()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let volume = noise_volume(oblique([37, 41, 29]));
    let labels = volume.map(|&v| (v / 200.0) as i32);
    let coarse = volume.geometry().with_spacing_mm([1.7, 0.8, 2.5]).unwrap();
    let targets = [
        coarse,
        coarse.reoriented("SRP".parse().unwrap()),
        volume.geometry().reoriented("ILA".parse().unwrap()),
        turned(volume.geometry()),
    ];
    for target in targets {
        let regrid = Regrid::new(*volume.geometry(), target).unwrap();
        let all = || {
            let mut results: Vec<Vec<u32>> = Vec::new();
            for interpolation in INTERPOLATIONS {
                for antialias in [false, true] {
                    let how = Resampling { interpolation, antialias, outside: -1.0 };
                    results.push(bits(&regrid.apply(&volume, &how).unwrap()));
                }
            }
            let vote = regrid.apply_labels(&labels, LabelInterpolation::Vote).unwrap();
            results.push(vote.voxels().iter().map(|&v| v as u32).collect());
            results
        };
        let with = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
        };
        let one = with(1);
        assert!([2, 3, 8].into_iter().all(|threads| with(threads) == one));
    }
}

#[test]
fn a_volume_on_another_grid_is_refused_and_one_from_an_f32_file_is_not() {
    let grid = oblique([5, 6, 7]);
    let regrid = Regrid::new(grid, grid.with_spacing_mm([1.5; 3]).unwrap()).unwrap();
    let how = Resampling::default();
    let wrong_shape = noise_volume(oblique([5, 6, 8]));
    assert!(matches!(regrid.apply(&wrong_shape, &how), Err(Error::Shape { .. })));
    let moved = grid.voxel_to_world().with_origin_at_voxel([0.0, 0.01, 0.0]);
    let elsewhere = noise_volume(Geometry::new(grid.shape(), moved).unwrap());
    let message = regrid.apply(&elsewhere, &how).unwrap_err().to_string();
    assert!(message.contains("affine") && message.contains("88.5"), "{message}");
    let rows = grid.voxel_to_world().rows().map(|row| row.map(|v| f64::from(v as f32)));
    let rounded = Geometry::new(grid.shape(), Affine::from_rows(rows).unwrap()).unwrap();
    let result = regrid.apply(&noise_volume(rounded), &how).unwrap();
    assert_eq!(result.geometry(), regrid.target());
}

#[test]
fn a_regrid_round_trips_through_json_exactly() {
    let grid = oblique([5, 6, 7]);
    let regrid = Regrid::new(grid, grid.with_spacing_mm([1.5, 0.7, 3.1]).unwrap()).unwrap();
    let text = serde_json::to_string(&regrid).unwrap();
    assert_eq!(serde_json::from_str::<Regrid>(&text).unwrap(), regrid);
}

#[test]
fn grids_beyond_the_range_of_f64_are_refused() {
    let tiny = Geometry::new([2; 3], Affine::from_spacing_mm([1e-100; 3], [0.0; 3]).unwrap());
    let far = Geometry::new([2; 3], Affine::from_spacing_mm([1.0; 3], [1e250; 3]).unwrap());
    let message = Regrid::new(tiny.unwrap(), far.unwrap()).unwrap_err().to_string();
    assert!(message.contains("inf"), "{message}");
}

#[test]
fn a_grid_larger_than_memory_is_an_error() {
    let volume = noise_volume(straight([2, 2, 2]));
    let huge = straight([1 << 20, 1 << 20, 1 << 10]);
    let regrid = Regrid::new(*volume.geometry(), huge).unwrap();
    let refused = regrid.apply(&volume, &Resampling::default());
    assert!(matches!(refused, Err(Error::OutOfMemory { bytes: 0x10_0000_0000_0000, .. })));
}

#[test]
fn grids_of_any_size_and_distance_are_sampled_without_panicking() {
    let pick = |seed: usize, choices: &[f64]| choices[noise(seed) as usize % choices.len()];
    for case in 0..400 {
        let seed = |k: usize| 20 * case + k;
        let shape = |k| [0, 1, 2].map(|a| 1 + noise(seed(k + a)) as usize % 6);
        let spacing_mm =
            |k| [0, 1, 2].map(|a| pick(seed(k + a), &[1.0, -0.7, 3.1, 1e-9, 1e-3, 1e9, 1.0]));
        let origin = |k| [0, 1, 2].map(|a| pick(seed(k + a), &[0.0, 0.5, -2.2, 1e6, -1e18, 0.0]));
        let grid = |k: usize| {
            let affine = Affine::from_spacing_mm(spacing_mm(k + 3), origin(k + 6)).unwrap();
            Geometry::new(shape(k), affine).unwrap()
        };
        let (source, target) = (grid(0), grid(9));
        let volume = noise_volume(source);
        let labels = volume.map(|&v| v as i32);
        for target in [target, turned(&target)] {
            let regrid = Regrid::new(source, target).unwrap();
            for interpolation in INTERPOLATIONS {
                for antialias in [false, true] {
                    let how = Resampling { interpolation, antialias, outside: -1.0 };
                    let result = regrid.apply(&volume, &how).unwrap();
                    // The spline overshoots at most threefold along each axis.
                    assert!(result.voxels().iter().all(|v| v.abs() < 27_000.0), "{case}");
                }
            }
            let voted = regrid.apply_labels(&labels, LabelInterpolation::Vote).unwrap();
            assert!(voted.voxels().iter().all(|&v| v == 0 || labels.voxels().contains(&v)));
        }
    }
}
