//! Speed of reading, regridding and writing a whole head, in voxels of the input per second.
//!
//! `cargo bench -p mrisynth-benches --bench volume`

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use mrisynth_volume::{
    Image, Interpolation, LabelInterpolation, LabelMap, Orientation, Regrid, Resampling, Scaling,
    StoredVoxels, Volume, WriteOptions,
};

mod synthetic_head;

const GRID: &str = "181x217x181";

/// The head as a scanner's file holds it.
fn image() -> Image {
    let scan = synthetic_head::scan();
    let geometry = *scan.geometry();
    Image::new(geometry, 1, StoredVoxels::I16(scan.into_voxels()), Scaling::IDENTITY)
        .expect("as many voxels as the grid has")
}

fn files(c: &mut Criterion) {
    let image = image();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("head.nii.gz");
    let options = WriteOptions::default();
    let mut group = c.benchmark_group("volume");
    group.throughput(Throughput::Elements(image.geometry().n_voxels() as u64)).sample_size(10);
    group.bench_function(format!("write_gz/{GRID}"), |b| {
        b.iter(|| image.write(&path, &options).expect("a folder that takes files"));
    });
    group.bench_function(format!("read_gz/{GRID}"), |b| {
        b.iter(|| Volume::<f32>::read(black_box(&path)).expect("the file just written"));
    });
    group.finish();
}

fn regridding(c: &mut Criterion) {
    let scan: Volume = synthetic_head::scan().map(|&v| f32::from(v));
    // Twelve labels, with the borders of the tissues.
    let labels: LabelMap = synthetic_head::clean().map(|&v| (v / 85.0).round() as i32);
    let geometry = *scan.geometry();
    let coarser = geometry.with_spacing_mm([1.5; 3]).expect("a fixed grid");
    let turned = geometry.reoriented(Orientation::LPS);

    let mut group = c.benchmark_group("volume");
    group.throughput(Throughput::Elements(geometry.n_voxels() as u64)).sample_size(10);
    let to_coarser = Regrid::new(geometry, coarser).expect("two grids");
    for (name, interpolation) in [
        ("resample_nearest", Interpolation::Nearest),
        ("resample_linear", Interpolation::Linear),
        ("resample_cubic", Interpolation::CubicBSpline),
    ] {
        let resampling = Resampling { interpolation, ..Resampling::default() };
        group.bench_function(format!("{name}/{GRID}"), |b| {
            b.iter(|| to_coarser.apply(black_box(&scan), &resampling).expect("grids that match"));
        });
    }
    group.bench_function(format!("label_vote/{GRID}"), |b| {
        b.iter(|| {
            to_coarser
                .apply_labels(black_box(&labels), LabelInterpolation::Vote)
                .expect("grids that match")
        });
    });
    let to_turned = Regrid::new(geometry, turned).expect("two grids");
    let copy = Resampling::default();
    group.bench_function(format!("reorient/{GRID}"), |b| {
        b.iter(|| to_turned.apply(black_box(&scan), &copy).expect("grids that match"));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    files(&mut criterion);
    regridding(&mut criterion);
    criterion.final_summary();
}
