use super::*;
use sample_file::{SampleMgh, gzip};

/// Asserts that a changed sample is refused for a field.
#[track_caller]
fn refused_for(field: &str, found: &str, change: impl FnOnce(&mut SampleHeader)) {
    let fault = fault_of(read(&sample(Format::Nifti1, change)), &[field, found]);
    assert!(matches!(fault, FileFault::Field { field: f, .. } if f == field), "{fault}");
}

#[test]
fn what_is_not_an_image_is_called_by_its_name() {
    let mut dicom = vec![0; 300];
    dicom[128..132].copy_from_slice(b"DICM");
    for (bytes, word) in [
        (&b"hello, world"[..], "hello, w"),
        (&dicom, "DICOM"),
        (b"NRRD0004\n", "NRRD"),
        (b"\x89HDF\r\n\x1a\n", "MINC"),
        (b"ObjectType = Image\n", "MetaImage"),
        (&gzip(&gzip(b"x")), "gzip inside gzip"),
        (&gzip(b""), "0 bytes"),
        (&[0], "1 bytes"),
    ] {
        let fault = fault_of(read(bytes), &["is not a NIfTI or MGH image", word]);
        assert!(matches!(fault, FileFault::NotAnImage { .. }));
    }
    let nothing = fault_of(read(&[]), &["is empty"]);
    assert!(matches!(nothing, FileFault::Empty));
}

#[test]
fn truncated_files_say_what_is_missing() {
    let file = sample(Format::Nifti1, |_| ());
    let fault = fault_of(read(&file[..399]), &["voxels needs 400 bytes, the file has 399"]);
    assert!(matches!(fault, FileFault::Truncated { field: "voxels", .. }));
    let fault = fault_of(read(&gzip(&file[..399])), &["needs 400 bytes, the file has 399"]);
    assert!(matches!(fault, FileFault::Truncated { field: "voxels", .. }));
    let file = sample(Format::Nifti2, |_| ());
    let fault = fault_of(read(&file[..539]), &["header needs 540 bytes, the file has 539"]);
    assert!(matches!(fault, FileFault::Truncated { field: "header", .. }));
    let file = SampleMgh::new().file(&[0; 24]);
    let fault = fault_of(read(&file[..283]), &["header needs 284 bytes"]);
    assert!(matches!(fault, FileFault::Truncated { field: "header", .. }));
    let fault = fault_of(read(&file[..300]), &["voxels needs 308 bytes"]);
    assert!(matches!(fault, FileFault::Truncated { field: "voxels", .. }));
    // Without its magic, what is left of NIfTI-1 is not one.
    assert!(read(&sample(Format::Nifti1, |_| ())[..347]).is_err());
}

#[test]
fn dimensions_must_make_sense() {
    refused_for("dim[0]", "0", |h| h.dim[0] = 0);
    refused_for("dim[0]", "expected a number of axes", |h| h.dim[0] = 8);
    refused_for("dim[2]", "is 0", |h| h.dim[2] = 0);
    refused_for("dim[1]", "is -5", |h| h.dim[1] = -5);
    refused_for("dim[4]", "is 0", |h| (h.dim[0], h.dim[4]) = (4, 0));
    refused_for("dim[5]", "is 3", |h| (h.dim[0], h.dim[5]) = (5, 3));
    let huge = sample(Format::Nifti2, |h| h.dim = [4, i64::MAX, i64::MAX, 4, 4, 1, 1, 1]);
    let fault = fault_of(read(&huge), &["dim is [9223372036854775807", "fewer than 2^63"]);
    assert!(matches!(fault, FileFault::Field { field: "dim", .. }));
    let large = sample(Format::Nifti2, |h| h.dim = [3, 1 << 50, 1, 1, 1, 1, 1, 1]);
    assert!(matches!(fault_of(read(&large), &[]), FileFault::Truncated { .. }));
    assert!(matches!(fault_of(read(&gzip(&large)), &["1032"]), FileFault::TooLarge { .. }));
}

#[test]
fn datatypes_without_a_real_number_are_named() {
    for (code, name) in [
        (0, "unknown"),
        (1, "binary"),
        (32, "complex64"),
        (128, "RGB24"),
        (1536, "float128"),
        (1792, "complex128"),
        (2048, "complex256"),
        (2304, "RGBA32"),
        (-4, "unknown"),
        (77, "unknown"),
    ] {
        let file = sample(Format::Nifti1, |h| h.datatype = code);
        let fault = fault_of(read(&file), &["datatype is", name, &code.to_string()]);
        assert!(matches!(fault, FileFault::UnsupportedDatatype { .. }));
    }
    for code in [2, 5, 9, -1] {
        let file = SampleMgh { datatype: code, ..SampleMgh::new() }.file(&[0; 24]);
        assert!(matches!(fault_of(read(&file), &[]), FileFault::UnsupportedDatatype { .. }));
    }
    refused_for("bitpix", "is 8, expected 16", |h| h.bitpix = 8);
}

#[test]
fn vox_offset_must_be_a_place_in_the_file() {
    for offset in [352.5, -352.0, f64::NAN, f64::INFINITY, 348.0, 1.0, 3e38] {
        refused_for("vox_offset", "a whole number of bytes", |h| h.vox_offset = offset);
    }
    let far = sample(Format::Nifti1, |h| h.vox_offset = 1e15);
    assert!(matches!(fault_of(read(&far), &["voxels"]), FileFault::Truncated { .. }));
    assert!(matches!(fault_of(read(&gzip(&far)), &[]), FileFault::TooLarge { .. }));
    let negative = sample(Format::Nifti2, |h| h.vox_offset = -1.0);
    assert!(matches!(fault_of(read(&negative), &["vox_offset"]), FileFault::Field { .. }));
    refused_for("scl_inter", "is inf", |h| h.scl_inter = f64::INFINITY);
}

#[test]
fn an_affine_must_be_finite_and_invertible() {
    for (row, word) in [([0.0; 4], "singular"), ([f64::NAN, 0.0, 0.0, 0.0], "non-finite")] {
        let file = sample(Format::Nifti1, |h| h.srow[0] = row);
        let fault = fault_of(read(&file), &["the affine from sform", word]);
        assert!(matches!(fault, FileFault::Affine { field: "sform", .. }));
    }
    let file = sample(Format::Nifti1, |h| {
        (h.sform_code, h.qform_code, h.qoffset[1]) = (0, 1, f64::NAN);
    });
    let fault = fault_of(read(&file), &["the affine from qform"]);
    assert!(matches!(fault, FileFault::Affine { field: "qform", .. }));
    for quatern in [[1.0, 0.1, 0.0], [f64::NAN, 0.0, 0.0], [f64::INFINITY, 0.0, 0.0]] {
        refused_for("quatern_b, quatern_c, quatern_d", "unit quaternion", |h| {
            (h.sform_code, h.qform_code, h.quatern) = (0, 1, quatern);
        });
    }
    let file = SampleMgh { mdc: [[1.0, 0.0, 0.0]; 3], ..SampleMgh::new() }.file(&[0; 24]);
    let fault = fault_of(read(&file), &["the affine from Mdc", "singular"]);
    assert!(matches!(fault, FileFault::Affine { field: "Mdc", .. }));
}

#[test]
fn spacing_must_be_positive_where_it_decides() {
    for spacing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for qform_code in [0, 1] {
            refused_for("pixdim[3]", "positive, finite", |h| {
                (h.sform_code, h.qform_code, h.pixdim[3]) = (0, qform_code, spacing);
            });
        }
        let header = SampleMgh { delta: [1.0, spacing as f32, 1.0], ..SampleMgh::new() };
        let fault = fault_of(read(&header.file(&[0; 24])), &["delta"]);
        assert!(matches!(fault, FileFault::Field { field: "delta", .. }));
    }
}

#[test]
fn mgh_dimensions_are_checked() {
    for (axis, field) in ["width", "height", "depth", "nframes"].into_iter().enumerate() {
        for n in [0, -1] {
            let mut header = SampleMgh::new();
            header.dims[axis] = n;
            let fault = fault_of(read(&header.file(&[0; 24])), &[field, &n.to_string()]);
            assert!(matches!(fault, FileFault::Field { .. }));
        }
    }
    let huge = SampleMgh { dims: [i32::MAX; 4], ..SampleMgh::new() };
    assert!(matches!(fault_of(read(&huge.file(&[])), &["2^63"]), FileFault::Field { .. }));
}

#[test]
fn a_transfer_as_text_is_noticed() {
    let mut file = sample(Format::Nifti2, |_| ());
    file[8..12].copy_from_slice(b"\n\x1a\n\0");
    let fault = fault_of(read(&file), &["magic", "transfer as text"]);
    assert!(matches!(fault, FileFault::Field { field: "magic", .. }));
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |path: &Path| match Image::read(path).unwrap_err() {
        Error::File { path: named, fault } => {
            assert_eq!(named, path);
            fault
        }
        other => panic!("{other}"),
    };
    assert!(matches!(fault(folder.path()), FileFault::IsFolder));
    assert!(matches!(fault(&folder.path().join("none.nii")), FileFault::Missing));
    let empty = folder.path().join("empty.nii");
    std::fs::write(&empty, []).unwrap();
    assert!(matches!(fault(&empty), FileFault::Empty));
    assert!(matches!(fault(&empty.join("below.nii")), FileFault::Io { .. }));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.nii");
    std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
    let mut paths = vec![link, "/dev/zero".into()];
    let pipe = folder.path().join("pipe.nii");
    // Opening a pipe that nobody writes to would wait for ever.
    if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|s| s.success()) {
        paths.push(pipe);
    }
    for path in paths {
        let message = Image::read(&path).unwrap_err().to_string();
        assert!(message.contains("not a regular file"), "{message}");
    }
}
