//! The file-system calls of a durable write, so that tests can play them on a disk that fails.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::Path;

use crate::folder::Folder;

/// What a durable write asks of a disk.
pub(crate) trait Disk {
    type File: io::Write;
    type Folder;

    /// Creates a file that does not exist yet, readable by its owner alone if `private`.
    fn create_new(&self, path: &Path, private: bool) -> io::Result<Self::File>;
    fn open_folder(&self, path: &Path) -> io::Result<Self::Folder>;
    fn set_permissions(&self, file: &Self::File, permissions: &Permissions) -> io::Result<()>;
    fn sync_file(&self, file: &Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_folder(&self, folder: &Self::Folder) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatingSystem;

impl Disk for OperatingSystem {
    type File = File;
    type Folder = Folder;

    fn create_new(&self, path: &Path, private: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o666 });
        #[cfg(not(unix))]
        let _ = private;
        options.open(path)
    }

    fn open_folder(&self, path: &Path) -> io::Result<Folder> {
        Folder::open(path)
    }

    #[cfg(unix)]
    fn set_permissions(&self, file: &File, permissions: &Permissions) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        // Set-user-id and its like are not for data, and the new file may have another owner.
        let wanted = permissions.mode() & 0o777;
        // Mounts with one mode for all files (CIFS, exFAT) refuse to be told even that.
        if file.metadata()?.permissions().mode() & 0o777 == wanted {
            return Ok(());
        }
        file.set_permissions(Permissions::from_mode(wanted))
    }

    // The only permission std knows here is "read-only", and a read-only file cannot be replaced.
    #[cfg(not(unix))]
    fn set_permissions(&self, _: &File, _: &Permissions) -> io::Result<()> {
        Ok(())
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Folder) -> io::Result<()> {
        folder.sync()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
