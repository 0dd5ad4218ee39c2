use super::*;
use crate::image::Warning;
use crate::volume::{LabelMap, Volume};
use sample_file::gzip;

/// A NIfTI file large enough for two threads: 128³ int16 that do not compress to nothing.
fn large() -> (Vec<u8>, Vec<i16>) {
    let mut header = SampleHeader::new(Format::Nifti1);
    header.dim = [3, 128, 128, 128, 1, 1, 1, 1];
    let voxels: Vec<i16> =
        (0..128 * 128 * 128_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 22) as i16).collect();
    (header.file(&voxels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()), voxels)
}

#[test]
fn two_threads_read_what_one_does() {
    let (file, voxels) = large();
    let members: Vec<u8> = file.chunks(1_000_003).flat_map(gzip).collect();
    for bytes in [gzip(&file), members, file] {
        let volume: Volume =
            Volume::from_bytes(Path::new("a"), &bytes, &ReadOptions::default()).unwrap();
        assert!(volume.voxels().iter().zip(&voxels).all(|(a, b)| *a == f32::from(*b)));
        assert_eq!(volume.voxels().len(), voxels.len());
    }
}

#[test]
fn an_error_on_either_thread_ends_both() {
    let whole = gzip(&large().0);
    let cut = &whole[..whole.len() / 2];
    let message = Volume::<f32>::from_bytes(Path::new("a"), cut, &ReadOptions::default());
    assert!(message.unwrap_err().to_string().contains("gzip stream is damaged"));
    // NaN is no label, and stands in the first chunk.
    let mut header = SampleHeader::new(Format::Nifti1);
    header.dim = [3, 128, 128, 64, 1, 1, 1, 1];
    (header.datatype, header.bitpix) = (16, 32);
    let mut voxels = vec![0; 128 * 128 * 64 * 4];
    voxels[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    let file = header.file(&voxels);
    let error = LabelMap::from_bytes(Path::new("a"), &gzip(&file), &ReadOptions::default());
    assert!(error.unwrap_err().to_string().contains("label is NaN at voxel [2, 0, 0]"));
}

#[test]
fn damage_is_noticed_everywhere() {
    let packed = gzip(&sample(Format::Nifti1, |_| ()));
    let end = packed.len();
    let with = |at: usize, byte: u8| {
        let mut damaged = packed.clone();
        damaged[at] ^= byte;
        damaged
    };
    for (damaged, word) in [
        (with(end - 8, 1), "checksum"),
        (with(end - 4, 1), "modulo 2^32"),
        (with(10, 0xff), "damaged"),
        (packed[..end - 3].to_vec(), "ends within it"),
        (packed[..end / 2].to_vec(), "ends within it"),
        (packed[..5].to_vec(), "ends within it"),
    ] {
        let fault = fault_of(read(&damaged), &[word]);
        assert!(matches!(fault, FileFault::Gzip { .. }), "{fault}");
    }
}

#[test]
fn every_optional_part_of_a_member_header_is_skipped() {
    let packed = gzip(&sample(Format::Nifti1, |_| ()));
    let mut decorated = vec![0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3];
    decorated.extend_from_slice(&[3, 0, b'x', b'y', b'z']);
    decorated.extend_from_slice(b"scan.nii\0a comment\0\x12\x34");
    decorated.extend_from_slice(&packed[10..]);
    assert_eq!(read(&decorated).unwrap(), read(&packed).unwrap());
}

#[test]
fn zeros_after_the_last_member_are_padding_and_the_rest_is_counted() {
    let mut packed = gzip(&sample(Format::Nifti1, |_| ()));
    packed.extend_from_slice(&[0; 100]);
    assert_eq!(read(&packed).unwrap().warnings(), []);
    packed.extend_from_slice(b"\x1f\x8bunk");
    assert_eq!(read(&packed).unwrap().warnings(), [Warning::TrailingBytes { count: 5 }]);
}

#[test]
fn a_stream_may_not_grow_beyond_the_limit() {
    let options = ReadOptions { max_decompressed_bytes: 399, ..ReadOptions::default() };
    let packed = gzip(&sample(Format::Nifti1, |_| ()));
    let refused = Image::from_bytes(Path::new("scan.nii"), &packed, &options);
    let fault = fault_of(refused, &["max_decompressed_bytes", "399"]);
    assert!(matches!(fault, FileFault::TooLarge { found: 400, limit: 399, .. }));
    // What follows the voxels counts too, so that a bomb behind a small image goes off early.
    let mut file = sample(Format::Nifti1, |_| ());
    file.resize(1 << 20, 0);
    let options = ReadOptions { max_decompressed_bytes: 1 << 16, ..options };
    let refused = Image::from_bytes(Path::new("scan.nii"), &gzip(&file), &options);
    assert!(matches!(fault_of(refused, &["the gzip stream"]), FileFault::TooLarge { .. }));
}
