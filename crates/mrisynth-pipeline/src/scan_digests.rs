//! What scans are known by, wherever they lie.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use durable_file::sha256_of_file;
use mrisynth_cohort::Visit;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::error::Result;

/// The digests of the files of visits, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScanDigests(BTreeMap<PathBuf, String>);

impl ScanDigests {
    /// Reads all files of visits whose paths are whole.
    pub(crate) fn of(visits: &[Visit]) -> Result<Self> {
        let paths: BTreeSet<&Path> =
            visits.iter().flat_map(Visit::files).map(|(_, path)| path).collect();
        let digest = |path: &Path| Ok((path.to_owned(), sha256_of_file(path)?.to_string()));
        Ok(Self(paths.into_par_iter().map(digest).collect::<Result<_>>()?))
    }

    /// Whose the visits are, and the digests of their files.
    pub(crate) fn known_by(&self, visits: &[Visit]) -> Value {
        let of = |visit: &Visit| {
            let file = |(column, path): (&str, &Path)| (column.to_owned(), json!(self.0.get(path)));
            let files: BTreeMap<String, Value> = visit.files().map(file).collect();
            json!({ "subject": visit.subject, "session": visit.session, "files": files })
        };
        visits.iter().map(of).collect()
    }
}
