use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::affine::Affine;
use crate::image::StoredVoxels;

fn geometry(shape: [usize; 3]) -> Geometry {
    let affine = Affine::from_spacing_mm([-1.0, 1.5, 2.0], [90.0, -126.0, -72.0]).unwrap();
    Geometry::new(shape, affine).unwrap()
}

fn volume() -> Volume {
    Volume::from_fn(geometry([3, 4, 5]), |[x, y, z]| x as f32 - 10.0 * y as f32 + 0.5 * z as f32)
}

fn labels(voxels: [i32; 2]) -> LabelMap {
    LabelMap::new(voxels.to_vec(), geometry([2, 1, 1])).unwrap()
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::bufread::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn exactly_the_given_file_name_is_written() {
    // Replacing what stands after the last dot turned this name into `sub-1.nii` elsewhere.
    let folder = tempfile::tempdir().unwrap();
    for name in ["sub-1.5mm.nii", "sub-1.5mm.nii.gz", "SUB.01.NII", "a.b.Mgz", "a b.mgh"] {
        volume().write(folder.path().join(name), &WriteOptions::default()).unwrap();
        assert_eq!(names(folder.path()), [name]);
        fs::remove_file(folder.path().join(name)).unwrap();
    }
}

#[test]
fn other_endings_are_refused_by_name() {
    for name in ["a", "a.img", "a.hdr", "a.nii.bz2", "nii", "a.nii.gz.tmp", ""] {
        let message = volume().write(name, &WriteOptions::default()).unwrap_err().to_string();
        assert!(message.contains(".nii, .nii.gz, .mgh or .mgz"), "{name}: {message}");
    }
}

#[test]
fn the_file_is_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::from(volume());
    let formats = [
        ("a.nii", FileFormat::Nifti),
        ("a.nii.gz", FileFormat::NiftiGz),
        ("a.mgh", FileFormat::Mgh),
        ("a.mgz", FileFormat::Mgz),
    ];
    for (name, format) in formats {
        let path = folder.path().join(name);
        image.write(&path, &WriteOptions::default()).unwrap();
        let bytes = image.to_bytes(format, &WriteOptions::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        volume().write(&path, &WriteOptions::default()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name} from a volume");
    }
}

#[test]
fn voxels_follow_the_header_x_fastest() {
    let image = Image::from(volume());
    let options = WriteOptions::default();
    let little: Vec<u8> = volume().voxels().iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = volume().voxels().iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(image.to_bytes(FileFormat::Nifti, &options).unwrap()[352..], little);
    assert_eq!(image.to_bytes(FileFormat::Mgh, &options).unwrap()[284..], big);
    assert_eq!(unzipped(&image.to_bytes(FileFormat::NiftiGz, &options).unwrap())[352..], little);
    assert_eq!(unzipped(&image.to_bytes(FileFormat::Mgz, &options).unwrap())[284..], big);
}

#[test]
fn every_datatype_is_written_as_stored() {
    fn image(stored: StoredVoxels) -> Image {
        let scaling = Scaling { slope: 0.5, inter: 2.0 };
        Image::new(geometry([1, 2, 1]), 2, stored, scaling).unwrap()
    }
    macro_rules! check {
        ($($variant:ident $t:ty),*) => {$({
            let numbers: Vec<$t> = [1, 2, 3, 127].map(|n: u8| n as $t).to_vec();
            let image = image(StoredVoxels::$variant(numbers.clone()));
            let bytes = image.to_bytes(FileFormat::Nifti, &WriteOptions::default()).unwrap();
            let expected: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            assert_eq!(bytes[352..], expected);
            assert_eq!(bytes[112..116], 0.5_f32.to_le_bytes());
        })*};
    }
    check!(U8 u8, I8 i8, U16 u16, I16 i16, U32 u32, I32 i32, U64 u64, I64 i64, F32 f32, F64 f64);
}

#[test]
fn labels_take_little_room_and_say_that_they_are_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.nii");
    for (values, voxel_size) in [([0, 53], 1), ([2, 2035], 2), ([0, 70_000], 4)] {
        labels(values).write(&path, &WriteOptions::default()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 352 + 2 * voxel_size);
        assert_eq!(bytes[68..70], 1002_i16.to_le_bytes());
    }
    let options = WriteOptions { datatype: Some(Datatype::U8), ..WriteOptions::default() };
    let message = labels([2, 2035]).write(&path, &options).unwrap_err().to_string();
    assert!(message.contains("2035 of voxel [1, 0, 0]"), "{message}");
    assert_eq!(fs::read(&path).unwrap().len(), 352 + 8, "the previous file is gone");
}

#[test]
fn options_out_of_their_domain_are_refused() {
    let image = Image::from(volume());
    let refused = |options: WriteOptions| {
        image.to_bytes(FileFormat::Nifti, &options).unwrap_err().to_string()
    };
    let description =
        |text: &str| WriteOptions { description: Some(text.into()), ..Default::default() };
    assert!(refused(description(&"x".repeat(80))).contains("80 bytes"));
    assert!(refused(description("a\0b")).starts_with("description"));
    assert!(
        refused(WriteOptions { compression: Some(10), ..Default::default() })
            .starts_with("compression")
    );
    let bytes = image.to_bytes(FileFormat::Nifti, &description(&"x".repeat(79))).unwrap();
    assert_eq!(bytes[148..228], *format!("{}\0", "x".repeat(79)).as_bytes());
}

#[test]
fn descriptions_are_kept_unless_replaced() {
    let descrip = |image: &Image, options: &WriteOptions| {
        let bytes = image.to_bytes(FileFormat::Nifti, options).unwrap();
        String::from_utf8(bytes[148..228].to_vec()).unwrap().trim_end_matches('\0').to_owned()
    };
    let image = Image::from(volume());
    assert_eq!(descrip(&image, &WriteOptions::default()), "mrisynth");
    let image =
        image.with_notes(HeaderNotes { description: "FSL5.0".into(), ..Default::default() });
    assert_eq!(descrip(&image, &WriteOptions::default()), "FSL5.0");
    let options = WriteOptions { description: Some(String::new()), ..Default::default() };
    assert_eq!(descrip(&image, &options), "");
}

/// A file that stands before a write that must fail.
fn previous_file(folder: &Path) -> PathBuf {
    let path = folder.join("previous.nii");
    fs::write(&path, b"previous").unwrap();
    path
}

#[test]
fn what_cannot_be_stored_leaves_the_previous_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = previous_file(folder.path());
    let nan = volume().map(|v| if *v == 1.0 { f32::NAN } else { *v });
    let options = WriteOptions { datatype: Some(Datatype::I16), ..WriteOptions::default() };
    let error = nan.write(&path, &options).unwrap_err();
    assert!(matches!(error, Error::File { fault: FileFault::Unstorable { .. }, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"previous");
    assert_eq!(names(folder.path()), ["previous.nii"]);
}

#[test]
fn places_that_hold_no_file_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = previous_file(folder.path());
    let write = |path: PathBuf| volume().write(path, &WriteOptions::default()).unwrap_err();
    for path in [path.join("under-a-file.nii"), folder.path().join("no-folder/a.nii.gz")] {
        let error = write(path.clone());
        assert!(
            matches!(&error, Error::File { path: p, fault: FileFault::Io { doing: "write", .. } } if *p == path),
            "{error}"
        );
    }
    let subfolder = folder.path().join("folder.nii");
    fs::create_dir(&subfolder).unwrap();
    let error = write(subfolder);
    assert!(matches!(error, Error::File { fault: FileFault::IsFolder, .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"previous");
    assert_eq!(names(folder.path()), ["folder.nii", "previous.nii"]);
}

/// Set in the child process that runs under a limit on the size of files.
const LIMITED_FOLDER: &str = "MRISYNTH_TEST_LIMITED_FOLDER";

#[test]
#[cfg(unix)]
fn a_write_beyond_the_file_size_limit_leaves_the_previous_file() {
    if let Some(folder) = std::env::var_os(LIMITED_FOLDER) {
        let noise =
            Volume::from_fn(geometry([64; 3]), |[x, y, z]| (x * 7919 + y * 104_729 + z) as f32);
        for name in ["previous.nii", "previous.nii.gz"] {
            let error =
                noise.write(Path::new(&folder).join(name), &WriteOptions::default()).unwrap_err();
            assert!(matches!(error, Error::File { fault: FileFault::Io { .. }, .. }), "{error}");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["previous.nii", "previous.nii.gz"] {
        fs::write(folder.path().join(name), b"previous").unwrap();
    }
    // Without the trap the system ends the process at the limit; with it the write fails.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg("file::write::tests::a_write_beyond_the_file_size_limit_leaves_the_previous_file")
        .env(LIMITED_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(names(folder.path()), ["previous.nii", "previous.nii.gz"]);
    for name in names(folder.path()) {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"previous");
    }
}

#[test]
fn options_are_read_strictly() {
    let options: WriteOptions = serde_json::from_str(r#"{"datatype": "i16"}"#).unwrap();
    assert_eq!(options, WriteOptions { datatype: Some(Datatype::I16), ..Default::default() });
    assert!(serde_json::from_str::<WriteOptions>(r#"{"dtype": "i16"}"#).is_err());
}
