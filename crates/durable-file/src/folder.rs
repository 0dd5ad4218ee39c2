//! Folders whose entries are on the disk.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Operation, Result};

/// An open folder, to be fsynced after its entries have changed.
#[derive(Debug)]
pub(crate) struct Folder {
    #[cfg(unix)]
    handle: fs::File,
}

impl Folder {
    #[cfg(unix)]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: fs::File::open(path)? })
    }

    /// Forces the folder's entries to the disk, where the file system knows how to.
    #[cfg(unix)]
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.handle.sync_all() {
            // EINVAL and ENOTSUP: this file system has no fsync for folders.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn open(_: &Path) -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The folder a path lies in; that of a bare name is the current one.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Creates a folder and those above it that are missing, and forces each new one to the disk.
///
/// A folder that exists already is left as it is, and so is the empty path: the current folder.
///
/// # Errors
/// [`Error::Io`], naming the folder that could not be created, or fsynced in the one above it.
///
/// # Examples
/// ```
/// let root = tempfile::tempdir().unwrap();
/// let run = root.path().join("runs/2/checkpoints");
/// durable_file::create_folder(&run)?;
/// assert!(run.is_dir());
/// # Ok::<(), durable_file::Error>(())
/// ```
pub fn create_folder(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    // The missing ones, innermost first.
    let mut missing = Vec::new();
    for folder in path.ancestors() {
        if folder.as_os_str().is_empty() || folder.is_dir() {
            break;
        }
        missing.push(folder);
    }
    missing.into_iter().rev().try_for_each(create_one)
}

fn create_one(path: &Path) -> Result<()> {
    let fault = |operation| move |source| Error::Io { path: path.to_owned(), operation, source };
    match fs::create_dir(path) {
        Ok(()) => {}
        // Another process was faster; its entry needs the fsync as much as ours would.
        Err(_) if path.is_dir() => {}
        Err(source) => return Err(fault(Operation::CreateFolder)(source)),
    }
    let parent = Folder::open(folder_of(path)).map_err(fault(Operation::OpenFolder))?;
    parent.sync().map_err(fault(Operation::FsyncFolder))
}
