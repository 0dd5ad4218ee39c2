use super::*;
use sample_file::gzip;
use std::fs;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn message(folder: &tempfile::TempDir, name: &str) -> String {
    Image::read(folder.path().join(name)).unwrap_err().to_string()
}

#[test]
fn either_file_of_a_pair_may_be_named() {
    for format in [Format::Nifti1Pair, Format::Nifti2Pair] {
        let (header, voxels) = (SampleHeader::new(format).bytes(), ramp());
        let (header_gz, voxels_gz) = (gzip(&header), gzip(&voxels));
        for (names, header, voxels) in [
            (["a.hdr", "a.img"], &header, &voxels),
            (["a.HDR", "a.IMG"], &header, &voxels),
            (["a.hdr.gz", "a.img.gz"], &header_gz, &voxels_gz),
            (["a.HDR.GZ", "a.IMG.GZ"], &header_gz, &voxels_gz),
            (["a.hdr", "a.img.gz"], &header, &voxels_gz),
            (["sub-1.5mm.hdr.gz", "sub-1.5mm.img"], &header_gz, &voxels),
            // The content decides, not the name.
            (["a.hdr", "a.img"], &header_gz, &voxels_gz),
        ] {
            let folder = folder(&[(names[0], header), (names[1], voxels)]);
            for name in names {
                let image = Image::read(folder.path().join(name)).unwrap();
                assert_eq!(image.volume(0).unwrap().voxels()[23], 23.0, "{name}");
            }
        }
    }
}

#[test]
fn voxels_of_a_pair_begin_at_vox_offset() {
    let mut header = SampleHeader::new(Format::Nifti1Pair);
    header.vox_offset = 16.0;
    let voxels = [vec![9; 16], ramp()].concat();
    let options = ReadOptions::default();
    let image = Image::from_pair_bytes(Path::new("a"), &header.bytes(), &voxels, &options).unwrap();
    assert_eq!(image.volume(0).unwrap().voxels()[1], 1.0);
}

#[test]
fn voxels_that_look_like_gzip_at_first_are_voxels() {
    let header = SampleHeader::new(Format::Nifti1Pair).bytes();
    let voxels = [&[0x1f, 0x8b][..], &ramp()[2..]].concat();
    let options = ReadOptions::default();
    let image = Image::from_pair_bytes(Path::new("a"), &header, &voxels, &options).unwrap();
    assert_eq!(image.volume(0).unwrap().voxels()[0], f32::from(i16::from_le_bytes([0x1f, 0x8b])));
}

#[test]
fn a_missing_partner_is_named() {
    let header = SampleHeader::new(Format::Nifti1Pair).bytes();
    let lone = folder(&[("a.hdr", &header)]);
    let found = message(&lone, "a.hdr");
    assert!(
        found.contains("does not pair with") && found.contains("a.img: there is no"),
        "{found}"
    );
    let lone = folder(&[("a.img.gz", &gzip(&ramp()))]);
    let found = message(&lone, "a.img.gz");
    assert!(found.contains("a.hdr.gz: there is no such file"), "{found}");
}

#[test]
fn single_files_and_pairs_are_not_mixed() {
    let single = sample(Format::Nifti1, |_| ());
    let mixed = folder(&[("a.hdr", &single), ("a.img", &ramp())]);
    for name in ["a.hdr", "a.img"] {
        let found = message(&mixed, name);
        assert!(found.contains("a.hdr: magic is that of a single file"), "{found}");
    }
    let header = SampleHeader::new(Format::Nifti1Pair).file(&ramp());
    let found = message(&folder(&[("a.nii", &header)]), "a.nii");
    assert!(found.contains("a.nii: magic is that of a .hdr"), "{found}");
}

#[test]
fn a_voxel_file_of_another_size_is_noticed() {
    let header = SampleHeader::new(Format::Nifti1Pair).bytes();
    let short = folder(&[("a.hdr", &header), ("a.img", &ramp()[..40])]);
    let found = message(&short, "a.hdr");
    assert!(found.contains("a.img: does not pair with"), "{found}");
    assert!(found.contains("a.hdr: it holds 40 bytes, the header asks for 48"), "{found}");
    let long = folder(&[("a.hdr", &header), ("a.img", &[ramp(), vec![0; 2]].concat())]);
    let image = Image::read(long.path().join("a.hdr")).unwrap();
    assert_eq!(image.warnings().len(), 1);
}

#[test]
fn analyze_is_refused_by_name() {
    let mut header = SampleHeader::new(Format::Nifti1Pair).bytes();
    header[344..].fill(0);
    let analyze = folder(&[("a.hdr", &header), ("a.img", &ramp())]);
    assert!(message(&analyze, "a.img").contains("ANALYZE 7.5"));
}
