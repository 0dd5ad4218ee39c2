//! Files on which the reader of the crate `nifti` 0.18.0 fails, so that ours never does when it
//! leans on that crate.

use super::*;
use sample_file::gzip;

#[test]
fn a_bitpix_that_contradicts_the_datatype_is_an_error() {
    // There: a panic.
    let file = sample(Format::Nifti1, |h| (h.datatype, h.bitpix) = (16, 16));
    let fault = fault_of(read(&file), &["bitpix is 16", "expected 32", "f32"]);
    assert!(matches!(fault, FileFault::Field { field: "bitpix", .. }));
}

#[test]
fn padding_before_the_voxels_is_skipped() {
    // There: the padding is read as voxels.
    let file = sample(Format::Nifti1, |h| h.vox_offset = 416.0);
    for file in [gzip(&file), file] {
        let image = read(&file).unwrap();
        assert_eq!(image.volume(0).unwrap().voxels()[..3], [0.0, 1.0, 2.0]);
    }
}

#[test]
fn all_members_of_a_gzip_file_are_read() {
    // There: the first.
    let file = sample(Format::Nifti1, |_| ());
    let (a, b) = file.split_at(357);
    let expected = read(&file).unwrap();
    assert_eq!(read(&[gzip(a), gzip(b)].concat()).unwrap(), expected);
    assert_eq!(read(&[gzip(&[]), gzip(a), gzip(&[]), gzip(b)].concat()).unwrap(), expected);
}

#[test]
fn a_slope_that_is_not_a_number_means_none() {
    // There: every voxel is NaN.
    let file = sample(Format::Nifti1, |h| h.scl_slope = f64::NAN);
    assert_eq!(read(&file).unwrap().volume(0).unwrap().voxels()[5], 5.0);
}

#[test]
fn the_name_does_not_say_whether_a_file_is_compressed() {
    // There: an error.
    let folder = tempfile::tempdir().unwrap();
    let plain = sample(Format::Nifti1, |_| ());
    let expected = read(&plain).unwrap();
    for (name, bytes) in [("a.nii", gzip(&plain)), ("a.nii.gz", plain.clone()), ("a", plain)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Image::read(&path).unwrap(), expected);
    }
}

#[test]
fn a_negative_spacing_is_an_error_where_the_qform_decides() {
    // There: a panic.
    let file = sample(Format::Nifti1, |h| (h.sform_code, h.qform_code, h.pixdim[2]) = (0, 1, -3.0));
    let fault = fault_of(read(&file), &["pixdim[2] is -3", "positive"]);
    assert!(matches!(fault, FileFault::Field { field: "pixdim[2]", .. }));
}

#[test]
fn a_qfac_that_is_neither_1_nor_minus_1_counts_as_1() {
    // There: a panic.
    let set =
        |qfac| sample(Format::Nifti1, |h| (h.sform_code, h.qform_code, h.pixdim[0]) = (0, 1, qfac));
    let affine = |file: &[u8]| *read(file).unwrap().geometry().voxel_to_world();
    for qfac in [0.0, 2.0, f64::NAN] {
        assert_eq!(affine(&set(qfac)), affine(&set(1.0)));
    }
}

#[test]
fn dimensions_beyond_the_file_are_an_error() {
    // There too; without an allocation here.
    let file = sample(Format::Nifti1, |h| h.dim = [3, 30_000, 30_000, 30, 1, 1, 1, 1]);
    let fault = fault_of(read(&file), &["truncated", "54000000352", "400"]);
    assert!(matches!(fault, FileFault::Truncated { field: "voxels", .. }));
    let fault = fault_of(read(&gzip(&file)), &["the image asks for 54000000352 bytes"]);
    assert!(matches!(fault, FileFault::TooLarge { .. }));
}
