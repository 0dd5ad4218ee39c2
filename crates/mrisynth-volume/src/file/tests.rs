//! What is read from good files, from bad ones, and from anything at all.

mod bad_input;
mod good_input;
mod gzip_streams;
mod malformed;
mod mutation;
mod nifti_crate_defects;
mod pairs;
mod sample_file;

use std::path::Path;

use sample_file::{Format, SampleHeader};

use super::ReadOptions;
use crate::error::{Error, FileFault, Result};
use crate::image::Image;

/// Reads a file in memory under the name `scan.nii`.
fn read(bytes: &[u8]) -> Result<Image> {
    Image::from_bytes(Path::new("scan.nii"), bytes, &ReadOptions::default())
}

/// The fault of a file that must not be read, after checking that the message names the file and
/// these words.
fn fault_of(result: Result<Image>, words: &[&str]) -> FileFault {
    let error = result.expect_err("must be refused");
    let message = error.to_string();
    assert!(message.starts_with("scan.nii: "), "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
    match error {
        Error::File { fault, .. } => fault,
        other => panic!("not a fault of the file: {other}"),
    }
}

/// A sample header changed by `change`, followed by the 24 voxels 0, 1, 2, ….
fn sample(format: Format, change: impl FnOnce(&mut SampleHeader)) -> Vec<u8> {
    let mut header = SampleHeader::new(format);
    change(&mut header);
    header.file(&ramp())
}

/// 0, 1, 2, … as 24 little-endian int16.
fn ramp() -> Vec<u8> {
    (0..24_i16).flat_map(i16::to_le_bytes).collect()
}
