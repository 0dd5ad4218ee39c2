//! One file of the cache.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `mricache` |
//! | 8 | length of the header, little endian |
//! | that many | the header, JSON |
//! | 4 per value | images as `f32`, then the mask as `i32`, little endian |
//! | 32 | SHA-256 of all bytes before |

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use durable_file::{Sha256Digest, sha256_of_bytes};
use memmap2::Mmap;
use mrisynth_volume::{Geometry, IntensityMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FORMAT;
use crate::error::{Error, Result};
use crate::preparation::Prepared;

const MAGIC: &[u8; 8] = b"mricache";
/// Where the header begins.
const PREFIX: usize = 16;
/// The bytes of the digest at the end.
const DIGEST: usize = 32;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u64,
    key: String,
    channels: usize,
    has_mask: bool,
    geometry: Geometry,
    intensity: Vec<IntensityMap>,
}

impl Header {
    fn image_bytes(&self) -> Option<usize> {
        self.geometry.n_voxels().checked_mul(4)?.checked_mul(self.channels)
    }

    fn content_bytes(&self) -> Option<usize> {
        let mask = if self.has_mask { self.geometry.n_voxels().checked_mul(4)? } else { 0 };
        self.image_bytes()?.checked_add(mask)
    }
}

/// An entry that is mapped into memory; its header and length are right.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
    map: Mmap,
    header: Header,
    /// Where images and mask are.
    content: Range<usize>,
}

pub(super) fn write(path: &Path, key: &str, prepared: &Prepared) -> Result<()> {
    let header = Header {
        format: FORMAT.name.into(),
        version: FORMAT.version,
        key: key.into(),
        channels: prepared.intensity.len(),
        has_mask: prepared.mask.is_some(),
        geometry: prepared.geometry,
        intensity: prepared.intensity.clone(),
    };
    let json = |source| Error::Json { path: path.to_owned(), source };
    let header = serde_json::to_vec(&header).map_err(json)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    bytes.extend(prepared.images.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(prepared.mask.iter().flatten().flat_map(|label| label.to_le_bytes()));
    let digest = sha256_of_bytes(&bytes);
    durable_file::write_with(path, |file| {
        file.write_all(&bytes)?;
        file.write_all(digest.as_bytes())
    })?;
    Ok(())
}

impl Entry {
    /// Maps an entry and checks its header, its key and its length.
    pub(crate) fn open(path: &Path, key: &str) -> Result<Self> {
        let map = map(path)?;
        let fault = |field, found: String, expected: String| Error::Format {
            path: path.to_owned(),
            field,
            found,
            expected,
        };
        let length = || Some(u64::from_le_bytes(map.get(8..PREFIX)?.try_into().ok()?));
        let (Some(length), true) = (length(), map.starts_with(MAGIC)) else {
            let expected = format!("{} and a length", String::from_utf8_lossy(MAGIC));
            return Err(fault("the beginning", format!("of {} bytes", map.len()), expected));
        };
        let start = usize::try_from(length).ok().and_then(|length| length.checked_add(PREFIX));
        let Some((start, header)) = start.and_then(|start| Some((start, map.get(PREFIX..start)?)))
        else {
            let expected = format!("at most the {} bytes of the file", map.len());
            return Err(fault("the header's length", length.to_string(), expected));
        };
        let json = |source| Error::Json { path: path.to_owned(), source };
        let header: Value = serde_json::from_slice(header).map_err(json)?;
        FORMAT.check(path, &header)?;
        let header: Header = serde_json::from_value(header).map_err(json)?;
        if header.key != key {
            return Err(fault("the key", header.key, key.into()));
        }
        let found = map.len() - start;
        let expected = header.content_bytes().and_then(|bytes| bytes.checked_add(DIGEST));
        if expected != Some(found) || header.intensity.len() != header.channels {
            let expected = format!("{expected:?} for {:?}", header.geometry.shape());
            return Err(fault("the number of bytes", found.to_string(), expected));
        }
        let content = start..map.len() - DIGEST;
        Ok(Self { path: path.to_owned(), map, header, content })
    }

    /// Checks all bytes against the digest at the end.
    pub(crate) fn check(&self) -> Result<()> {
        let (bytes, digest) = self.map.split_at(self.content.end);
        let found = sha256_of_bytes(bytes);
        if found.as_bytes() == digest {
            return Ok(());
        }
        let expected = digest.try_into().map(|bytes: [u8; DIGEST]| Sha256Digest::from(bytes));
        let expected = expected.map(|digest| digest.to_string()).unwrap_or_default();
        let (path, found) = (self.path.clone(), found.to_string());
        Err(Error::Format { path, field: "the digest of the content", found, expected })
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.header.geometry
    }

    /// Copies the sample out.
    pub(crate) fn prepared(&self) -> Prepared {
        let (images, mask) = self.content().split_at(self.header.image_bytes().unwrap_or_default());
        let images = images.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let mask = mask.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
        Prepared {
            images: images.collect(),
            mask: self.header.has_mask.then(|| mask.collect()),
            geometry: self.header.geometry,
            intensity: self.header.intensity.clone(),
        }
    }

    fn content(&self) -> &[u8] {
        &self.map[self.content.clone()]
    }
}

#[expect(unsafe_code, reason = "memory maps have no safe interface")]
fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|source| Error::io(path, "open", source))?;
    // SAFETY: a map is sound while nobody changes or shortens the file under it. Entries are written
    // under another name and renamed into place; nothing in this crate opens one for writing, and
    // one that is replaced or removed lives on until it is unmapped. The name is a digest of what the
    // entry holds, so no other program has a reason to write to it; that the folder is not for
    // others to write to is the caller's part. The bytes are only ever read as bytes, and checked.
    let map = unsafe { Mmap::map(&file) };
    map.map_err(|source| Error::io(path, "map", source))
}
