//! Digests of source files that have not changed since they were last read.
//!
//! As git does for a work tree: a file of the same length and time of change is taken to be the
//! same. Hashing ten thousand scans at every start would take minutes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durable_file::sha256_of_file;
use serde::{Deserialize, Serialize};

use super::{Cache, FORMAT};
use crate::error::{Error, Result};
use crate::format::{pretty, read_json};

const NAME: &str = "sources.json";
/// A file that changed so recently may change again without its time telling.
const SETTLED: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    modified_ns: u64,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    format: String,
    version: u64,
    files: BTreeMap<String, Known>,
}

/// What is known of source files.
#[derive(Debug)]
pub(crate) struct SourceDigests {
    files: Mutex<BTreeMap<String, Known>>,
}

impl SourceDigests {
    /// What earlier runs noted. Notes that cannot be read are none: they only save time.
    pub(crate) fn read(cache: &Cache) -> Result<Self> {
        let path = cache.folder().join(NAME);
        let files = match read_json(&path) {
            Ok(Some(json)) => {
                FORMAT.check(&path, &json)?;
                serde_json::from_value::<Content>(json).map(|c| c.files).unwrap_or_default()
            }
            Ok(None) | Err(Error::Json { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { files: Mutex::new(files) })
    }

    /// Notes what is known now, together with what other runs noted in the meantime.
    pub(crate) fn write(&self, cache: &Cache) -> Result<()> {
        let mut files = Self::read(cache)?.files.into_inner().unwrap_or_default();
        files.extend(self.lock().clone());
        let content = Content { format: FORMAT.name.into(), version: FORMAT.version, files };
        let path = cache.folder().join(NAME);
        durable_file::write(&path, &pretty(&path, &content)?)?;
        Ok(())
    }

    /// The digest of a file, read only where it is not known.
    pub(crate) fn of(&self, path: &Path) -> Result<String> {
        let io = |source| Error::io(path, "read", source);
        let metadata = std::fs::metadata(path).map_err(io)?;
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let modified_ns = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let name = std::path::absolute(path).map_err(io)?.to_string_lossy().into_owned();
        if let Some(known) = self.lock().get(&name)
            && (known.bytes, known.modified_ns) == (metadata.len(), modified_ns)
        {
            return Ok(known.sha256.clone());
        }
        let before = SystemTime::now();
        let sha256 = sha256_of_file(path)?.to_string();
        if before.duration_since(modified).is_ok_and(|age| age > SETTLED) {
            let known = Known { bytes: metadata.len(), modified_ns, sha256: sha256.clone() };
            self.lock().insert(name, known);
        }
        Ok(sha256)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Known>> {
        // Whatever a thread did before it panicked, the notes are whole.
        self.files.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
