//! What the fuzz targets do, so that it also runs without a fuzzer.
//!
//! An input is one byte that says how to wrap the rest, and the rest: see [`Wrapping`].

#[allow(dead_code, reason = "shared with the tests of the library, which use all of it")]
#[path = "../../src/file/tests/mutation.rs"]
mod mutation;
#[allow(dead_code, reason = "shared with the tests of the library, which use all of it")]
#[path = "../../src/file/tests/sample_file.rs"]
mod sample_file;

use std::path::Path;

use mrisynth_volume::{Error, Image, LabelMap, ReadOptions, Volume};

use mutation::Mutation;
use sample_file::gzip;

/// How the bytes of an input become files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// They are a file.
    AsIs,
    /// They are what a compressed file holds.
    Gzip,
    /// They are what a compressed file of two members holds.
    TwoMembers,
    /// Two bytes say how long the header is; the voxels follow it.
    Pair,
    /// The same, compressed.
    GzipPair,
}

impl Wrapping {
    const ALL: [Self; 5] = [Self::AsIs, Self::Gzip, Self::TwoMembers, Self::Pair, Self::GzipPair];
}

/// What reading an input came to, when it came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An image.
    Read,
    /// An error.
    Refused,
}

/// Reads an input as an image, intensities or labels, whichever its first byte says.
///
/// # Panics
/// When reading breaks one of its promises.
pub fn read(input: &[u8]) -> Outcome {
    let Some((&first, bytes)) = input.split_first() else { return Outcome::Refused };
    let wrapping = Wrapping::ALL[usize::from(first) % Wrapping::ALL.len()];
    let options = ReadOptions { max_decompressed_bytes: 4 << 20, refuse_trailing_bytes: false };
    let name = Path::new("input");
    let packed;
    let file = match wrapping {
        Wrapping::AsIs => bytes,
        Wrapping::Gzip => {
            packed = gzip(bytes);
            &packed
        }
        Wrapping::TwoMembers => {
            let (a, b) = bytes.split_at(bytes.len() / 2);
            packed = [gzip(a), gzip(b)].concat();
            &packed
        }
        Wrapping::Pair | Wrapping::GzipPair => {
            let Some((length, bytes)) = bytes.split_first_chunk() else { return Outcome::Refused };
            let length = usize::from(u16::from_le_bytes(*length)).min(bytes.len());
            let (header, voxels) = bytes.split_at(length);
            let image = if wrapping == Wrapping::Pair {
                Image::from_pair_bytes(name, header, voxels, &options)
            } else {
                Image::from_pair_bytes(name, &gzip(header), &gzip(voxels), &options)
            };
            return check(image.map(|image| image.stored().len()), input.len());
        }
    };
    let n_voxels = match first / 5 % 3 {
        0 => Image::from_bytes(name, file, &options).map(|image| image.stored().len()),
        1 => Volume::<f32>::from_bytes(name, file, &options).map(|volume| volume.voxels().len()),
        _ => LabelMap::from_bytes(name, file, &options).map(|labels| labels.voxels().len()),
    };
    check(n_voxels, file.len())
}

/// An image is no larger than its file can fill, and an error names it.
fn check(n_voxels: Result<usize, Error>, file_bytes: usize) -> Outcome {
    match n_voxels {
        Ok(n) => {
            assert!(n <= 1032 * file_bytes, "{n} voxels from {file_bytes} bytes");
            Outcome::Read
        }
        Err(error) => {
            assert!(error.to_string().starts_with("input: "), "{error}");
            Outcome::Refused
        }
    }
}

/// A valid input and the name of its format.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The format, the byte order, the datatype, and whether it is compressed.
    pub name: String,
    /// The bytes, without the first.
    pub bytes: Vec<u8>,
    /// How they are wrapped.
    pub wrapping: Wrapping,
}

impl Seed {
    /// The input: the bytes after one that asks for this wrapping and for an image, intensities or
    /// labels by turns.
    #[must_use]
    pub fn input(&self, turn: u8) -> Vec<u8> {
        let first = self.wrapping as u8 + 5 * (turn % 3);
        [&[first], &self.bytes[..]].concat()
    }
}

/// A valid input for every format, and every compressed format twice: to be spoiled before it is
/// compressed, and after.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for sample in sample_file::seeds() {
        let name = sample.name;
        match (&sample.voxels, sample.compressed) {
            (None, false) => {
                let (name, bytes) = (name.to_owned(), sample.file);
                seeds.push(Seed { name, bytes, wrapping: Wrapping::AsIs });
            }
            (None, true) => {
                let bytes = gzip(&sample.file);
                let name = format!("{name}, gzip stream");
                seeds.push(Seed { name, bytes, wrapping: Wrapping::AsIs });
                for (wrapping, how) in
                    [(Wrapping::Gzip, "gzip"), (Wrapping::TwoMembers, "two gzip members")]
                {
                    let name = format!("{}, {how}", sample.name);
                    seeds.push(Seed { name, bytes: sample.file.clone(), wrapping });
                }
            }
            (Some(voxels), compressed) => {
                let length = (sample.file.len() as u16).to_le_bytes();
                let bytes = [&length, &sample.file[..], voxels].concat();
                let (wrapping, how) =
                    if compressed { (Wrapping::GzipPair, ", gzip") } else { (Wrapping::Pair, "") };
                seeds.push(Seed { name: format!("{name}{how}"), bytes, wrapping });
            }
        }
    }
    seeds
}

/// The header of a real NIfTI-1 file, little-endian, over 2 × 3 × 4 voxels of our own.
///
/// # Errors
/// When the file cannot be read.
pub fn seed_from_file(path: &Path) -> std::io::Result<Seed> {
    use std::io::Read;
    let mut header = [0; 352];
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path)?).read_exact(&mut header)?;
    for (i, n) in [3_u16, 2, 3, 4].into_iter().enumerate() {
        header[40 + 2 * i..][..2].copy_from_slice(&n.to_le_bytes());
    }
    header[108..112].copy_from_slice(&352_f32.to_le_bytes());
    let name = format!("NIfTI-1, header of {}", path.file_name().unwrap_or_default().display());
    let bytes = [&header[..], &[7; 24 * 8]].concat();
    Ok(Seed { name, bytes, wrapping: Wrapping::AsIs })
}

/// Spoils an input in one to five places, decided by `key`; its first byte stays.
pub fn spoil(input: &mut Vec<u8>, key: u64) {
    let mut numbers = Numbers(key);
    let mut bytes = input.split_off(1);
    for _ in 0..=numbers.next() % 5 {
        let (kind, at) = (numbers.next() as u8, numbers.next() as u32);
        Mutation { kind, at, value: numbers.next() }.apply(&mut bytes);
    }
    input.append(&mut bytes);
}

/// The SplitMix64 sequence: enough to choose mutations, and the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
