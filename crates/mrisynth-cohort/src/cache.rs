//! Prepared samples on disk, addressed by what they were made of.
//!
//! The name of an entry is a digest of the sources' digests and of the settings, so an entry never
//! goes stale: other sources or other settings are another entry, and several runs can share a
//! folder. Entries are whole or absent, whatever interrupts their writing. Their length and header
//! are checked when a run begins, their content when a run first reads it; a damaged one is made
//! anew from its sources.

mod entry;
mod source_digests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use durable_file::sha256_of_bytes;
use serde::Serialize;

pub(crate) use entry::Entry;
pub(crate) use source_digests::SourceDigests;

use crate::error::{Error, Result};
use crate::format::Format;
use crate::preparation::{Preparation, Prepared};

pub(crate) const FORMAT: Format = Format { name: "mrisynth-cohort-cache", version: 1 };
const ENDING: &str = "sample";
/// A temporary file older than this was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A folder of prepared samples.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// What an entry is made of.
#[derive(Serialize)]
struct Recipe<'a> {
    format: &'a str,
    version: u64,
    /// Another release may resample or rescale differently in the last bit.
    made_by: &'a str,
    preparation: &'a Preparation,
    sources: &'a [String],
}

impl Cache {
    /// Opens a folder, which is made where there is none, and removes what dead processes left.
    ///
    /// # Errors
    /// [`Error::Write`] when the folder cannot be made; [`Error::Io`] when it cannot be listed.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        durable_file::create_folder(&folder)?;
        let cache = Self { folder };
        for place in cache.places()? {
            for path in files_in(&place)? {
                if is_abandoned(&path) {
                    // Another process may have been quicker.
                    let _ = std::fs::remove_file(path);
                }
            }
        }
        Ok(cache)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads every entry and returns those that are damaged, each with the reason.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn damaged(&self) -> Result<Vec<(PathBuf, Error)>> {
        let mut damaged = Vec::new();
        for place in self.places()? {
            for path in files_in(&place)?.into_iter().filter(|path| is_entry(path)) {
                if let Err(error) =
                    Entry::open(&path, key_of(&path)).and_then(|entry| entry.check())
                {
                    damaged.push((path, error));
                }
            }
        }
        Ok(damaged)
    }

    /// The name of the entry of these sources, given by their digests, under these settings.
    pub(crate) fn key(preparation: &Preparation, sources: &[String]) -> Result<String> {
        let recipe = Recipe {
            format: FORMAT.name,
            version: FORMAT.version,
            made_by: env!("CARGO_PKG_VERSION"),
            preparation,
            sources,
        };
        let json = |source| Error::Json { path: "the preparation".into(), source };
        Ok(sha256_of_bytes(&serde_json::to_vec(&recipe).map_err(json)?).to_string())
    }

    /// Where an entry lies, in one of 256 folders.
    pub(crate) fn path_of(&self, key: &str) -> PathBuf {
        self.folder.join(key.get(..2).unwrap_or("00")).join(format!("{key}.{ENDING}"))
    }

    pub(crate) fn store(&self, key: &str, prepared: &Prepared) -> Result<()> {
        let path = self.path_of(key);
        if let Some(place) = path.parent() {
            durable_file::create_folder(place)?;
        }
        entry::write(&path, key, prepared)
    }

    fn places(&self) -> Result<Vec<PathBuf>> {
        let below = files_in(&self.folder)?.into_iter().filter(|path| path.is_dir());
        Ok(std::iter::once(self.folder.clone()).chain(below).collect())
    }
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = list().map_err(|source| Error::io(folder, "list", source))?;
    paths.sort();
    Ok(paths)
}

/// The key that the name of an entry says.
fn key_of(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn is_entry(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ENDING)
}

fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let age = || std::fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
    let is_temporary = name.starts_with(".durable-") && name.ends_with(".tmp");
    is_temporary && age().is_some_and(|age| age > ABANDONED)
}

#[cfg(test)]
mod tests;
