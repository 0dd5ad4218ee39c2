//! A structure stays at its place in the head through whatever is done to the file it is in.

use mrisynth_volume::{
    Affine, Geometry, Interpolation, LabelInterpolation, LabelMap, Orientation, Regrid, Resampling,
    Volume, WriteOptions,
};

/// An anisotropic, oblique, left-handed scan.
fn scan_grid() -> Geometry {
    let affine = Affine::from_rows([
        [-0.98, 0.08, -0.35, 21.5],
        [0.11, 1.09, -0.42, -30.25],
        [0.09, 0.15, 2.34, -18.0],
        [0.0, 0.0, 0.0, 1.0],
    ]);
    Geometry::new([40, 44, 20], affine.unwrap()).unwrap()
}

/// Off the centre along every axis, so that no flip or swap goes unnoticed.
const BLOB_MM: [f64; 3] = [9.0, -13.0, 4.0];

fn distance_mm(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A bright ball with a soft edge.
fn scan() -> Volume {
    let grid = scan_grid();
    Volume::from_fn(grid, |voxel| {
        let place = grid.voxel_to_world().apply(voxel.map(|v| v as f64));
        (100.0 * (-(distance_mm(place, BLOB_MM) / 4.0).powi(2) / 2.0).exp()) as f32
    })
}

fn ball() -> LabelMap {
    let grid = scan_grid();
    Volume::from_fn(grid, |voxel| {
        let place = grid.voxel_to_world().apply(voxel.map(|v| v as f64));
        if distance_mm(place, BLOB_MM) < 8.0 { 17 } else { 0 }
    })
}

/// The centre of mass in millimetres.
fn centre_mm<T: Copy>(volume: &Volume<T>, weight: impl Fn(T) -> f64) -> [f64; 3] {
    let (mut sum, mut total) = ([0.0; 3], 0.0);
    for ((x, y, z), &value) in volume.array().indexed_iter() {
        let place = volume.geometry().voxel_to_world().apply([x, y, z].map(|v| v as f64));
        let w = weight(value);
        total += w;
        (0..3).for_each(|a| sum[a] += w * place[a]);
    }
    sum.map(|s| s / total)
}

/// What a model may want of a scan.
fn model_grids() -> Vec<Geometry> {
    let scan = scan_grid();
    ["RAS", "LPS", "SAL", "PIR"]
        .into_iter()
        .map(|code| {
            let turned = scan.reoriented(code.parse().unwrap());
            turned.with_spacing_and_shape([1.5, 1.2, 1.8], [36, 40, 32]).unwrap()
        })
        .collect()
}

#[test]
fn a_blob_stays_in_place_through_regridding_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scan();
    let start = centre_mm(&scan, f64::from);
    assert!(distance_mm(start, BLOB_MM) < 0.05, "{start:?}");
    for (i, grid) in model_grids().into_iter().enumerate() {
        for interpolation in [Interpolation::Linear, Interpolation::CubicBSpline] {
            let resampling = Resampling::from(interpolation);
            let regrid = Regrid::new(*scan.geometry(), grid).unwrap();
            let model = regrid.apply(&scan, &resampling).unwrap();
            for ending in ["nii", "nii.gz", "mgz"] {
                let path = folder.path().join(format!("{i}.{ending}"));
                model.write(&path, &WriteOptions::default()).unwrap();
                let read: Volume = Volume::read(&path).unwrap();
                assert_eq!(read.geometry().orientation(), grid.orientation());
                let there = centre_mm(&read, f64::from);
                assert!(distance_mm(there, start) < 0.05, "{interpolation:?} {i} {there:?}");
                // Back on the scan's own grid, from the file.
                let back = regrid.undo(&read, &resampling).unwrap();
                assert_eq!(back.geometry(), scan.geometry());
                let back = centre_mm(&back, f64::from);
                assert!(distance_mm(back, start) < 0.05, "{interpolation:?} {i} {back:?}");
            }
        }
    }
}

#[test]
fn a_label_stays_in_place_through_regridding_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let labels = ball();
    let weight = |label| f64::from(u8::from(label == 17));
    let start = centre_mm(&labels, weight);
    for (i, grid) in model_grids().into_iter().enumerate() {
        // With the nearest voxel an edge may move by half a voxel, which is up to 1.2 mm here.
        for (interpolation, tolerance_mm) in
            [(LabelInterpolation::Nearest, 0.5), (LabelInterpolation::Vote, 0.25)]
        {
            let regrid = Regrid::new(*labels.geometry(), grid).unwrap();
            let model = regrid.apply_labels(&labels, interpolation).unwrap();
            for ending in ["nii", "nii.gz", "mgz"] {
                let path = folder.path().join(format!("{i}.{ending}"));
                model.write(&path, &WriteOptions::default()).unwrap();
                let read = LabelMap::read(&path).unwrap();
                let back = regrid.undo_labels(&read, interpolation).unwrap();
                assert_eq!(back.geometry(), labels.geometry());
                assert!(back.voxels().iter().all(|&label| label == 0 || label == 17));
                for there in [centre_mm(&read, weight), centre_mm(&back, weight)] {
                    let off = distance_mm(there, start);
                    assert!(off < tolerance_mm, "{interpolation:?} {i} {there:?}, off by {off} mm");
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (scan, labels) = (scan(), ball());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.nii.gz");
    let grid = model_grids()[2];
    let oblique = Geometry::new(
        [31, 33, 29],
        scan_grid().reoriented(Orientation::RAS).voxel_to_world().compose(
            &Affine::from_rows([
                [0.9, 0.2, 0.1, 1.3],
                [-0.2, 1.1, 0.05, -0.7],
                [0.03, -0.1, 0.6, 0.4],
                [0.0, 0.0, 0.0, 1.0],
            ])
            .unwrap(),
        ),
    )
    .unwrap();
    let all = || {
        scan.write(&path, &WriteOptions::default()).unwrap();
        let file = std::fs::read(&path).unwrap();
        let read: Volume = Volume::read(&path).unwrap();
        let mut results: Vec<Vec<u32>> = Vec::new();
        for grid in [grid, oblique] {
            let regrid = Regrid::new(*scan.geometry(), grid).unwrap();
            for interpolation in
                [Interpolation::Nearest, Interpolation::Linear, Interpolation::CubicBSpline]
            {
                for antialias in [false, true] {
                    let resampling = Resampling { interpolation, antialias, outside: -1.0 };
                    let result = regrid.apply(&read, &resampling).unwrap();
                    results.push(result.voxels().iter().map(|v| v.to_bits()).collect());
                }
            }
            let voted = regrid.apply_labels(&labels, LabelInterpolation::Vote).unwrap();
            results.push(voted.voxels().iter().map(|&v| v as u32).collect());
        }
        (file, results)
    };
    let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let one = threads(1).install(all);
    for n in [2, 3, 8] {
        assert!(threads(n).install(all) == one, "{n} threads");
    }
}
