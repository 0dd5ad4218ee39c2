//! Pairs of a header and a voxel file: `.hdr` and `.img`, each perhaps with `.gz`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `.hdr`, `.hdr.gz`: the header of a pair.
    Header,
    /// `.img`, `.img.gz`: its voxels.
    Voxels,
    /// Any other name.
    Single,
}

impl Role {
    /// What this file is; upper and lower case mean the same.
    pub(super) fn of(path: &Path) -> Self {
        let (path, _) = without_gz(path);
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("hdr") => Self::Header,
            Some(extension) if extension.eq_ignore_ascii_case("img") => Self::Voxels,
            _ => Self::Single,
        }
    }
}

/// The other file of a pair: the first that exists of the names it may have, else the likeliest
/// name, as an error.
pub(super) fn partner(path: &Path, role: Role) -> Result<PathBuf, PathBuf> {
    let (plain, gz) = without_gz(path);
    let extensions = if role == Role::Header { ["img", "IMG"] } else { ["hdr", "HDR"] };
    let is_upper = |text: &OsStr| text.to_str().is_some_and(|t| t.chars().any(char::is_uppercase));
    let [lower, upper] = extensions.map(|extension| plain.with_extension(extension));
    let cased =
        if plain.extension().is_some_and(is_upper) { [upper, lower] } else { [lower, upper] };
    let zipped = |path: &PathBuf, suffix: &str| {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    // Compressed as its partner first.
    let suffixes = match gz {
        None => ["", ".gz", ".GZ"],
        Some(gz) if is_upper(gz) => [".GZ", ".gz", ""],
        Some(_) => [".gz", ".GZ", ""],
    };
    let candidates: Vec<PathBuf> =
        cased.iter().flat_map(|path| suffixes.map(|suffix| zipped(path, suffix))).collect();
    match candidates.iter().find(|path| path.exists()) {
        Some(found) => Ok(found.clone()),
        None => Err(candidates[0].clone()),
    }
}

/// The path without a last `.gz`, and that.
fn without_gz(path: &Path) -> (PathBuf, Option<&OsStr>) {
    match path.extension() {
        Some(gz) if gz.eq_ignore_ascii_case("gz") => (path.with_extension(""), Some(gz)),
        _ => (path.to_owned(), None),
    }
}
