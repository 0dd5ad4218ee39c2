//! The image files of a folder, with what their place says of them.

use std::path::{Path, PathBuf};

use super::{BidsName, Finding, FindingKind, finding};
use crate::error::{Error, Result};

/// Folders below `derivatives` are followed so far: pipeline, subject, session, `anat`, and spare.
const MAX_DEPTH: usize = 8;

/// An image file with a BIDS name.
#[derive(Debug)]
pub(super) struct ImageFile {
    /// Relative to the root.
    pub(super) path: PathBuf,
    pub(super) name: BidsName,
    /// True below `derivatives`.
    pub(super) is_derived: bool,
}

/// Walks folders in the order of their names.
struct Walk<'a> {
    root: &'a Path,
    files: Vec<ImageFile>,
    findings: Vec<Finding>,
}

pub(super) fn files(root: &Path) -> Result<(Vec<ImageFile>, Vec<Finding>)> {
    let mut walk = Walk { root, files: Vec::new(), findings: Vec::new() };
    let top = names_in(root).map_err(|source| Error::io(root, "list", source))?;
    let is_folder = |name: &String| root.join(name).is_dir();
    let subjects: Vec<&String> =
        top.iter().filter(|name| name.starts_with("sub-") && is_folder(name)).collect();
    if subjects.is_empty() {
        walk.images(Path::new(""), &top, false);
    }
    for subject in subjects {
        walk.subject(Path::new(subject));
    }
    if is_folder(&"derivatives".to_owned()) {
        walk.derivatives(Path::new("derivatives"), 0);
    }
    Ok((walk.files, walk.findings))
}

/// The names in a folder, hidden ones aside, sorted. A name that is no text matches nothing here.
fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    Ok(names)
}

impl Walk<'_> {
    fn names(&mut self, folder: &Path) -> Vec<String> {
        names_in(&self.root.join(folder)).unwrap_or_else(|error| {
            let detail = format!("cannot be listed: {error}");
            self.findings.push(finding(FindingKind::Unreadable, folder, detail));
            Vec::new()
        })
    }

    fn subject(&mut self, subject: &Path) {
        let names = self.names(subject);
        let sessions = names.iter().filter(|name| name.starts_with("ses-"));
        let places = sessions.map(|session| subject.join(session)).chain([subject.to_owned()]);
        for place in places {
            let anat = place.join("anat");
            if self.root.join(&anat).is_dir() {
                let names = self.names(&anat);
                self.images(&anat, &names, false);
            }
        }
    }

    fn derivatives(&mut self, folder: &Path, depth: usize) {
        let names = self.names(folder);
        self.images(folder, &names, true);
        for name in names {
            let below = folder.join(name);
            // A linked folder could lead back to one above it.
            let link = self.root.join(&below);
            let is_folder = link.symlink_metadata().is_ok_and(|what| what.is_dir());
            if is_folder && depth < MAX_DEPTH {
                self.derivatives(&below, depth + 1);
            }
        }
    }

    fn images(&mut self, folder: &Path, names: &[String], is_derived: bool) {
        let is_image = |name: &&String| name.ends_with(".nii.gz") || name.ends_with(".nii");
        for file in names.iter().filter(is_image) {
            let path = folder.join(file);
            let whole = self.root.join(&path);
            if whole.is_dir() {
                continue;
            }
            if !whole.exists() {
                let detail = "a link that leads nowhere; left out";
                self.findings.push(finding(FindingKind::BrokenLink, &path, detail));
                continue;
            }
            match BidsName::parse(file) {
                Ok(name) => self.image(ImageFile { path, name, is_derived }),
                // Pipelines may name their files as they like.
                Err(_) if is_derived => {}
                Err(reason) => {
                    let detail = format!("the name {reason}; left out");
                    self.findings.push(finding(FindingKind::NotBids, &path, detail));
                }
            }
        }
    }

    fn image(&mut self, file: ImageFile) {
        let said = |prefix: &str| {
            let folders = file.path.parent().into_iter().flat_map(Path::components);
            let names = folders.filter_map(|part| part.as_os_str().to_str());
            names.rev().find(|name| name.starts_with(prefix)).map(str::to_owned)
        };
        let subject = said("sub-").is_some_and(|folder| folder != file.name.subject());
        let session = said("ses-").is_some_and(|folder| Some(folder) != file.name.session());
        if subject || session {
            let what = if subject { "subject" } else { "session" };
            let detail =
                format!("lies in the folder of another {what} than its name says; left out");
            self.findings.push(finding(FindingKind::WrongFolder, &file.path, detail));
        } else {
            self.files.push(file);
        }
    }
}
