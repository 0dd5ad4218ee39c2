//! Image files as nibabel reads them: every bit of every voxel, and where it lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mrisynth_volume::{Affine, Geometry, Image, StoredVoxels};
use serde::Deserialize;

use crate::golden::{self, Bits};

/// Affines are computed from `f32` fields, by nibabel partly in `f32`.
const AFFINE_TOLERANCE: f64 = 1e-6;
/// nibabel rounds the affines of MGH files to `f32`; these have places up to 126 mm.
const MGH_AFFINE_TOLERANCE: f64 = 4e-6;
/// Without `goodRASFlag` nibabel's axes are the transpose of FreeSurfer's, so its affine is wrong.
const WITHOUT_DIRECTIONS: &str = "mgh/no-good-ras.mgh";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    #[expect(dead_code, reason = "for the reader of the file")]
    made_with: String,
    images: Vec<Case>,
    values: BTreeMap<String, Bits>,
}

/// What nibabel reads from one file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    files: Vec<String>,
    shape: Vec<usize>,
    datatype: String,
    /// Slope and offset.
    scaling: Bits,
    affine: Affine,
    spacing_mm: [f64; 3],
    orientation: String,
    stored: String,
    scaled: String,
}

impl Case {
    /// What our image differs in, if anything.
    fn check(&self, image: &Image, values: &BTreeMap<String, Bits>) -> Result<(), String> {
        let geometry = image.geometry();
        let axis = |a: usize| self.shape.get(a).copied().unwrap_or(1);
        let shape = [axis(0), axis(1), axis(2)];
        same("shape", geometry.shape(), shape)?;
        same("frames", image.n_frames(), self.shape[3..].iter().product())?;
        same("datatype", image.datatype().name(), &self.datatype)?;
        let scaling = [image.scaling().slope, image.scaling().inter];
        same("scaling", &scaling[..], &self.scaling.f64s())?;
        if self.file != WITHOUT_DIRECTIONS {
            self.check_place(geometry)?;
        }
        same("stored bytes", &stored_bytes(image.stored()), &values[&self.stored].0)?;
        let scaled = values[&self.scaled].f64s();
        let n = geometry.n_voxels();
        for (frame, want) in scaled.chunks(n).enumerate() {
            let volume = image.volume(frame).map_err(|e| e.to_string())?;
            for (i, (&got, &want)) in volume.voxels().iter().zip(want).enumerate() {
                let want = want as f32;
                if got.to_bits() != want.to_bits() && !(got.is_nan() && want.is_nan()) {
                    return Err(format!("frame {frame}, voxel {i}: {got} where {want} is wanted"));
                }
            }
        }
        same("number of frames with goldens", scaled.len() / n, image.n_frames())
    }
}

impl Case {
    fn check_place(&self, geometry: &Geometry) -> Result<(), String> {
        same("orientation", geometry.orientation().to_string(), self.orientation.clone())?;
        let mgh = self.file.starts_with("mgh/");
        let tolerance = if mgh { MGH_AFFINE_TOLERANCE } else { AFFINE_TOLERANCE };
        let off = geometry.voxel_to_world().max_abs_difference(&self.affine);
        if off > tolerance {
            return Err(format!("affine {:?}, off by {off:e}", geometry.voxel_to_world().rows()));
        }
        for (got, want) in geometry.spacing_mm().into_iter().zip(self.spacing_mm) {
            if (got - want).abs() > AFFINE_TOLERANCE {
                return Err(format!("spacing {got} where {want} is wanted"));
            }
        }
        Ok(())
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what} {got:?} where {want:?} is wanted")) }
}

fn stored_bytes(stored: &StoredVoxels) -> Vec<u8> {
    macro_rules! bytes {
        ($($variant:ident),*) => {
            match stored {
                $(StoredVoxels::$variant(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),)*
            }
        };
    }
    bytes!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64)
}

/// All files below the fixture folder that are not goldens.
fn image_files() -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension() != Some("json".as_ref()) {
                let names = path.strip_prefix(root).unwrap().iter().map(|n| n.to_str().unwrap());
                found.insert(names.collect::<Vec<_>>().join("/"));
            }
        }
    }
    let (root, mut found) = (golden::folder(), BTreeSet::new());
    walk(&root, &root, &mut found);
    found
}

#[test]
fn every_image_reads_as_nibabel_reads_it() {
    let golden: Golden = golden::read("images.json");
    let on_disk = image_files();
    assert!(!on_disk.is_empty(), "no image in {}", golden::folder().display());
    let described: BTreeSet<String> =
        golden.images.iter().flat_map(|case| case.files.clone()).collect();
    let odd: Vec<_> = on_disk.symmetric_difference(&described).collect();
    assert!(odd.is_empty(), "files without a golden, or goldens without a file: {odd:?}");

    let failures: Vec<String> = golden
        .images
        .iter()
        .filter_map(|case| {
            let read = Image::read(golden::folder().join(&case.file)).map_err(|e| e.to_string());
            let fault = read.and_then(|image| case.check(&image, &golden.values)).err()?;
            Some(format!("{}: {fault}", case.file))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} differ from nibabel:\n{}",
        failures.len(),
        golden.images.len(),
        failures.join("\n")
    );
}

#[test]
fn mgh_without_directions_is_the_coronal_scan_that_freesurfer_takes_it_for() {
    let image = Image::read(golden::folder().join(WITHOUT_DIRECTIONS)).unwrap();
    // FreeSurfer: x to the left, y to the bottom, z to the front, 1 mm, the middle at the origin,
    // where the middle is index n / 2.
    let rows = image.geometry().voxel_to_world().rows();
    let [nx, ny, nz] = image.geometry().shape().map(|n| n as f64 / 2.0);
    let freesurfers =
        [[-1.0, 0.0, 0.0, nx], [0.0, 0.0, 1.0, -nz], [0.0, -1.0, 0.0, ny], [0.0, 0.0, 0.0, 1.0]];
    assert_eq!(rows, freesurfers);
}

#[test]
fn either_file_of_a_pair_reads_as_the_same_image() {
    let golden: Golden = golden::read("images.json");
    let pairs: Vec<&Case> = golden.images.iter().filter(|case| case.files.len() == 2).collect();
    assert!(!pairs.is_empty());
    for case in pairs {
        let [a, b] = [0, 1].map(|i| Image::read(golden::folder().join(&case.files[i])).unwrap());
        // Compared as bytes: a NaN voxel equals no other.
        assert_eq!(stored_bytes(a.stored()), stored_bytes(b.stored()), "{}", case.file);
        assert_eq!(a.geometry(), b.geometry(), "{}", case.file);
    }
}

#[test]
fn sound_files_give_no_warnings() {
    let golden: Golden = golden::read("images.json");
    for case in golden.images.iter().filter(|case| case.file != WITHOUT_DIRECTIONS) {
        if ["nifti1/", "nifti2/", "mgh/"].iter().any(|folder| case.file.starts_with(folder)) {
            let image = Image::read(golden::folder().join(&case.file)).unwrap();
            assert!(image.warnings().is_empty(), "{}: {:?}", case.file, image.warnings());
        }
    }
}
