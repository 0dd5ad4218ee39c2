//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests folder has a parent").into()
}

/// Every file below `folder` that a commit could hold, as paths relative to the root.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folder can be read") {
        let path = entry.expect("entry can be read").path();
        let name = path.file_name().expect("has a name").to_string_lossy().into_owned();
        let built =
            ["target", "runs", ".git", ".venv", "corpus", "artifacts", "__pycache__", "coverage"];
        if built.contains(&name.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path.strip_prefix(root()).expect("below the root").into());
        }
    }
}

pub(crate) fn all_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found.sort();
    found
}

pub(crate) fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).expect("file can be read")).ok()
}

pub(crate) fn member_manifests() -> Vec<(String, toml::Table)> {
    let is_member = |path: &&PathBuf| {
        // Fuzzing and peers have workspaces of their own.
        path.ends_with("Cargo.toml")
            && path.components().count() > 1
            && !path.iter().any(|p| p == "fuzz" || p == "peers")
    };
    let paths = all_files();
    let read = |path: &PathBuf| {
        let table = text_of(path).expect("a manifest is text").parse().expect("a manifest is TOML");
        (path.to_string_lossy().into_owned(), table)
    };
    paths.iter().filter(is_member).map(read).collect()
}
