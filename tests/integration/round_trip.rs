//! Files written and read again: every bit of every voxel, and where it lies.

use std::path::{Path, PathBuf};

use mrisynth_volume::{
    Datatype, Error, FileFault, FileFormat, Image, LabelMap, ReadOptions, Scaling, StoredVoxels,
    Volume, WriteOptions,
};

const FORMATS: [&str; 4] = [".nii", ".nii.gz", ".mgh", ".mgz"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/volume").join(name)
}

/// An image whose voxels span the datatype: extremes, infinities and NaN among them.
fn image_of(datatype: Datatype) -> Image {
    Image::read(fixture(&format!("nifti1/{datatype}-le.nii"))).unwrap()
}

/// MGH has no 8-bit signed, 32-bit unsigned, 64-bit integer or double voxels, and no scaling.
fn holds(format: &str, image: &Image) -> bool {
    use Datatype::{F32, I16, I32, U8};
    format.starts_with(".nii")
        || (matches!(image.datatype(), U8 | I16 | I32 | F32) && image.scaling().is_identity())
}

fn bytes(stored: &StoredVoxels) -> Vec<u8> {
    macro_rules! bytes {
        ($($variant:ident),*) => {
            match stored {
                $(StoredVoxels::$variant(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),)*
            }
        };
    }
    bytes!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64)
}

/// Both hold the same, up to the rounding of affines to the `f32` of the file formats.
fn assert_same(what: &str, read: &Image, written: &Image) {
    assert_eq!(read.datatype(), written.datatype(), "{what}");
    assert!(bytes(read.stored()) == bytes(written.stored()), "{what}: voxels");
    assert_eq!(read.n_frames(), written.n_frames(), "{what}");
    assert_eq!(read.geometry().orientation(), written.geometry().orientation(), "{what}");
    assert!(read.geometry().matches(written.geometry(), 1e-4), "{what}: {:?}", read.geometry());
    let (read, written) = (read.scaling(), written.scaling());
    for (r, w) in [(read.slope, written.slope), (read.inter, written.inter)] {
        assert!((r - w).abs() <= 1e-7 * w.abs(), "{what}: {r} for {w}");
    }
}

/// Through memory: many files, each flushed to the disk, take seconds.
fn round_trip(image: &Image, format: &str) -> Result<Image, Error> {
    let name = format!("image{format}");
    let bytes = image.to_bytes(FileFormat::of_name(&name)?, &WriteOptions::default())?;
    Image::from_bytes(Path::new(&name), &bytes, &ReadOptions::default())
}

#[test]
fn every_datatype_survives_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut held = 0;
    for datatype in Datatype::ALL {
        let image = image_of(datatype);
        for format in FORMATS.into_iter().filter(|format| holds(format, &image)) {
            let path = folder.path().join(format!("image{format}"));
            image.write(&path, &WriteOptions::default()).unwrap();
            let read = Image::read(&path).unwrap();
            assert_same(&format!("{datatype} in {format}"), &read, &image);
            held += 1;
        }
    }
    assert_eq!(held, 2 * 10 + 2 * 4);
}

#[test]
fn scaling_survives_nifti() {
    for datatype in Datatype::ALL {
        let image = image_of(datatype);
        for scaling in [
            Scaling { slope: 2.5, inter: -7.0 },
            Scaling { slope: -0.125, inter: 1024.0 },
            Scaling { slope: 1.0, inter: 3.0 },
        ] {
            let stored = image.stored().clone();
            let scaled = Image::new(*image.geometry(), 1, stored, scaling).unwrap();
            for format in [".nii", ".nii.gz"] {
                let read = round_trip(&scaled, format).unwrap();
                assert_same(&format!("{datatype} {scaling:?} in {format}"), &read, &scaled);
            }
        }
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    for datatype in Datatype::ALL {
        let image = image_of(datatype);
        let scaling = Scaling { slope: 0.5, inter: 0.25 };
        let scaled = Image::new(*image.geometry(), 1, image.stored().clone(), scaling).unwrap();
        // Integers come out of this scaling as fractions, floats may be rescaled freely.
        let cases = if datatype.is_integer() { vec![image, scaled] } else { vec![image] };
        for image in cases.into_iter().filter(|image| !holds(".mgh", image)) {
            let refused = round_trip(&image, ".mgh");
            // A type that MGH lacks may be stored as another only where no value changes.
            match refused {
                Err(Error::File { fault: FileFault::Unstorable { .. }, .. }) => {}
                Ok(read) => {
                    let (a, b) = (read.volume(0).unwrap(), image.volume(0).unwrap());
                    let same = a
                        .voxels()
                        .iter()
                        .zip(b.voxels())
                        .all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()));
                    assert!(same, "{datatype}: values were changed");
                }
                Err(other) => panic!("{datatype}: {other}"),
            }
        }
    }
}

#[test]
fn every_readable_fixture_survives_being_written() {
    let mut n = 0;
    for family in ["container", "affine", "scaling", "mgh", "nifti2"] {
        for entry in std::fs::read_dir(fixture(family)).unwrap() {
            let path = entry.unwrap().path();
            let image = Image::read(&path).unwrap();
            for format in FORMATS.into_iter().filter(|format| holds(format, &image)) {
                let read = round_trip(&image, format).unwrap();
                assert_same(&format!("{} in {format}", path.display()), &read, &image);
                n += 1;
            }
        }
    }
    assert!(n > 200, "only {n} round trips");
}

#[test]
fn notes_survive_nifti() {
    let mut image = image_of(Datatype::I16);
    let mut notes = image.notes().clone();
    notes.description = "T1w, defaced".into();
    notes.intent_code = 1002;
    image = image.with_notes(notes.clone());
    for format in [".nii", ".nii.gz"] {
        let read = round_trip(&image, format).unwrap();
        assert_eq!(read.notes().description, notes.description);
        assert_eq!(read.notes().intent_code, notes.intent_code);
    }
}

#[test]
fn volumes_and_labels_survive_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = *image_of(Datatype::U8).geometry();
    let volume: Volume = Volume::from_fn(geometry, |[x, y, z]| (x as f32).sin() + (y * z) as f32);
    for largest in [255, 32_767, 100_000] {
        let labels: LabelMap = Volume::from_fn(geometry, |[x, y, z]| match x + 5 * y + 20 * z {
            0 => largest,
            i => (i % 7) as i32,
        });
        for format in FORMATS {
            let path = folder.path().join(format!("volume{format}"));
            volume.write(&path, &WriteOptions::default()).unwrap();
            let read: Volume = Volume::read(&path).unwrap();
            assert_eq!(read.voxels(), volume.voxels(), "{format}");
            assert!(read.geometry().matches(&geometry, 1e-4), "{format}");

            labels.write(&path, &WriteOptions::default()).unwrap();
            let read = LabelMap::read(&path).unwrap();
            assert_eq!(read.voxels(), labels.voxels(), "{format}");
            assert!(read.geometry().matches(&geometry, 1e-4), "{format}");
        }
    }
}

#[test]
fn a_written_file_has_exactly_the_name_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let image = image_of(Datatype::U8);
    for name in ["sub-1.5mm.nii", "sub-1.5mm.nii.gz", "a.b.c.mgz", "scan.hdr.nii"] {
        let sub = folder.path().join(name.replace('.', "_"));
        std::fs::create_dir(&sub).unwrap();
        image.write(sub.join(name), &WriteOptions::default()).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(&sub).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name]);
    }
}
