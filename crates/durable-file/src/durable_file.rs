//! The file under its real name, once all of it is there.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use crate::digest::{RunningDigest, Sha256Digest};
use crate::disk::OperatingSystem;
use crate::error::{Error, Operation, Result};
use crate::replacement::Replacement;
use crate::target::Target;

/// A file being written under a hidden name beside its target, which it replaces on
/// [`commit`](Self::commit); dropped before that, it leaves no trace.
///
/// Writing is buffered. The crate's documentation says what survives which accident.
#[must_use = "dropped without `commit`, nothing is written"]
pub struct DurableFile {
    replacement: Replacement<OperatingSystem>,
}

/// What a commit has put on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The digest of its content, if it was asked for.
    pub sha256: Option<Sha256Digest>,
}

impl DurableFile {
    /// Begins a file that will be at `path`, exactly that name, in place of what is there now.
    ///
    /// # Errors
    /// [`Error::NotAFile`] if a folder, device, socket or pipe is there; [`Error::NoFileName`] if
    /// the path is empty or ends in `/`; [`Error::Io`] if the folder is missing or not writable.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::begin(path.as_ref(), None)
    }

    /// Like [`create`](Self::create), with the SHA-256 digest of what is written in the receipt.
    ///
    /// This saves reading the file again, not the hashing: about 1 ms per MB where the processor has
    /// instructions for it, several times as much elsewhere.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub fn create_hashed(path: impl AsRef<Path>) -> Result<Self> {
        Self::begin(path.as_ref(), Some(RunningDigest::default()))
    }

    fn begin(path: &Path, digest: Option<RunningDigest>) -> Result<Self> {
        let target = Target::resolve(path)?;
        Ok(Self { replacement: Replacement::begin(OperatingSystem, target, digest)? })
    }

    /// Puts the file in place and returns once it would survive a power failure.
    ///
    /// # Errors
    /// [`Error::Io`] with the step that failed, also if an earlier write failed and the caller
    /// went on. The old file is intact, unless the step is [`Operation::FsyncFolder`]: then the new
    /// one is in place, but might not survive a power failure.
    pub fn commit(self) -> Result<Receipt> {
        self.replacement.commit()
    }
}

impl Write for DurableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replacement.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.replacement.write_all(bytes)
    }

    /// Hands the buffer to the operating system; only [`commit`](Self::commit) makes it durable.
    fn flush(&mut self) -> io::Result<()> {
        self.replacement.flush()
    }
}

impl fmt::Debug for DurableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableFile").field("target", self.replacement.target()).finish()
    }
}

/// Makes `bytes` the content of the file at `path`.
///
/// # Errors
/// As for [`DurableFile::create`] and [`DurableFile::commit`].
///
/// # Examples
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("manifest.json");
/// assert_eq!(durable_file::write(&path, b"{}")?.bytes, 2);
/// assert_eq!(std::fs::read(&path).unwrap(), b"{}");
/// # Ok::<(), durable_file::Error>(())
/// ```
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Receipt> {
    write_with(path, |file| file.write_all(bytes))
}

/// Makes what `produce` writes the content of the file at `path`, or leaves the old content if it
/// fails.
///
/// # Errors
/// [`Error::Content`] with the error `produce` returned, [`Error::Io`] with [`Operation::Write`]
/// if the disk had failed it; otherwise as for [`DurableFile::create`] and [`DurableFile::commit`].
///
/// # Examples
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("loss.csv");
/// let receipt = durable_file::write_with(&path, |file| writeln!(file, "step,loss\n1,0.5"))?;
/// assert_eq!(receipt.bytes, 16);
/// # Ok::<(), durable_file::Error>(())
/// ```
pub fn write_with(
    path: impl AsRef<Path>,
    produce: impl FnOnce(&mut DurableFile) -> io::Result<()>,
) -> Result<Receipt> {
    let mut file = DurableFile::create(path)?;
    if let Err(source) = produce(&mut file) {
        let target = file.replacement.target();
        return Err(if file.replacement.has_failed() {
            target.fault(Operation::Write, source)
        } else {
            Error::Content { path: target.given.clone(), source }
        });
    }
    file.commit()
}
