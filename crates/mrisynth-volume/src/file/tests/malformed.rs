//! Whatever the bytes, reading returns; what it returns is never larger than the file can fill.

use proptest::prelude::*;

use super::mutation::Mutation;
use super::sample_file::{Seed, gzip, seeds};
use super::*;
use crate::volume::{LabelMap, Volume};

/// Small, so that a compressed file that would be huge is cheap to refuse.
const OPTIONS: ReadOptions =
    ReadOptions { max_decompressed_bytes: 1 << 20, refuse_trailing_bytes: false };

/// Reads in all three ways, and checks what came of it.
fn read_all_ways(file: &[u8]) {
    let name = Path::new("scan.nii");
    let image = Image::from_bytes(name, file, &OPTIONS);
    let volume: Result<Volume> = Volume::from_bytes(name, file, &OPTIONS);
    let labels = LabelMap::from_bytes(name, file, &OPTIONS);
    match image {
        Ok(image) => {
            assert_fits(&image, file.len());
            if image.n_frames() == 1 {
                // Bits, because NaN differs from itself.
                let bits = |v: &Volume| v.voxels().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&volume.unwrap()), bits(&image.volume(0).unwrap()));
                assert_eq!(labels.ok(), image.label_map(0).ok());
            }
        }
        Err(error) => {
            assert!(error.to_string().starts_with("scan.nii: "), "{error}");
            assert!(volume.is_err() && labels.is_err());
        }
    }
}

fn assert_fits(image: &Image, file_bytes: usize) {
    let voxel_bytes = image.stored().len() * image.datatype().size();
    assert!(
        voxel_bytes <= 1032 * file_bytes && voxel_bytes as u64 <= OPTIONS.max_decompressed_bytes
    );
}

fn read_seed(seed: Seed) {
    let pack = |bytes: &[u8]| if seed.compressed { gzip(bytes) } else { bytes.to_vec() };
    let Some(voxels) = &seed.voxels else {
        return read_all_ways(&pack(&seed.file));
    };
    let (header, voxels) = (pack(&seed.file), pack(voxels));
    if let Ok(image) = Image::from_pair_bytes(Path::new("scan.hdr"), &header, &voxels, &OPTIONS) {
        assert_fits(&image, voxels.len());
    }
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let mutation =
        any::<(u8, u32, u64)>().prop_map(|(kind, at, value)| Mutation { kind, at, value });
    prop::collection::vec(mutation, 1..6)
}

fn a_seed() -> impl Strategy<Value = Seed> {
    prop::sample::select(seeds())
}

#[test]
fn every_seed_is_valid() {
    for seed in seeds() {
        let name = Path::new(seed.name);
        let read = match &seed.voxels {
            None => Image::from_bytes(name, &seed.file, &OPTIONS),
            Some(voxels) => Image::from_pair_bytes(name, &seed.file, voxels, &OPTIONS),
        };
        assert_eq!(read.unwrap().warnings(), []);
        read_seed(seed);
    }
}

// The environment variable PROPTEST_CASES asks for more.
proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        read_all_ways(&bytes);
        read_all_ways(&gzip(&bytes));
        read_all_ways(&[&[0x1f, 0x8b, 8], &bytes[..]].concat());
    }

    #[test]
    fn a_magic_before_random_bytes_changes_nothing(
        mut bytes in prop::collection::vec(any::<u8>(), 352..1200),
        magic in prop::sample::select(vec![
            (0, &b"\0\0\0\x01"[..]), (344, b"n+1\0"), (344, b"ni1\0"),
            (0, b"\x1c\x02\0\0n+2\0\r\n\x1a\n"), (0, b"\0\0\x02\x1cni2\0\r\n\x1a\n"),
        ]),
    ) {
        bytes[magic.0..][..magic.1.len()].copy_from_slice(magic.1);
        read_all_ways(&bytes);
    }

    #[test]
    fn spoiled_files_are_read_or_refused(mut seed in a_seed(), changes in mutations()) {
        changes.iter().for_each(|change| change.apply(&mut seed.file));
        read_seed(seed);
    }

    #[test]
    fn spoiled_voxels_and_streams_are_read_or_refused(mut seed in a_seed(), changes in mutations()) {
        match &mut seed.voxels {
            Some(voxels) => changes.iter().for_each(|change| change.apply(voxels)),
            None => {
                seed.file = gzip(&seed.file);
                seed.compressed = false;
                changes.iter().for_each(|change| change.apply(&mut seed.file));
            }
        }
        read_seed(seed);
    }
}
