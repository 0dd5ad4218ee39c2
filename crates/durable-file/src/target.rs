//! What is to be replaced: where the links lead, and what stands there now.

use std::fs::{self, FileType, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Operation, Result};
use crate::folder::folder_of;

/// As many links as Linux follows before it gives up.
const MAX_LINKS: usize = 40;

/// The regular file, present or to come, at the end of the path the caller gave.
#[derive(Debug)]
pub(crate) struct Target {
    /// The path as the caller gave it: errors speak of this one.
    pub(crate) given: PathBuf,
    /// The path at the end of all symbolic links: this one is replaced.
    pub(crate) path: PathBuf,
    /// The permissions of the file to be replaced, if there is one.
    pub(crate) permissions: Option<Permissions>,
}

impl Target {
    /// Follows `given` to its end and refuses whatever a rename must not or cannot replace.
    ///
    /// A rename would put a file in the place of a device as readily as in that of a file.
    pub(crate) fn resolve(given: &Path) -> Result<Self> {
        let fault = |source| io_fault(given, Operation::LookUp, source);
        let mut path = given.to_owned();
        for _ in 0..=MAX_LINKS {
            let permissions = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let leads_to = fs::read_link(&path).map_err(fault)?;
                    path = folder_of(&path).join(leads_to);
                    continue;
                }
                Ok(found) if found.is_file() => Some(found.permissions()),
                Ok(found) => {
                    let found = name_of(found.file_type());
                    return Err(Error::NotAFile { path: given.to_owned(), found });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(fault(error)),
            };
            if !ends_in_a_file_name(&path) {
                return Err(Error::NoFileName { path: given.to_owned() });
            }
            return Ok(Self { given: given.to_owned(), path, permissions });
        }
        Err(fault(io::Error::other("too many symbolic links")))
    }

    /// The folder of the file to be replaced.
    pub(crate) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// An error of this file's.
    pub(crate) fn fault(&self, operation: Operation, source: io::Error) -> Error {
        io_fault(&self.given, operation, source)
    }
}

fn io_fault(path: &Path, operation: Operation, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), operation, source }
}

fn name_of(file_type: FileType) -> &'static str {
    if file_type.is_dir() { "a folder" } else { "a device, socket or pipe" }
}

/// `Path::file_name` overlooks a trailing `/` or `/.`; the operating system does not.
fn ends_in_a_file_name(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()))
}
