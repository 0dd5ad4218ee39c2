//! What can go wrong, and whose fault it is.

use std::path::{Path, PathBuf};

use crate::affine::AffineFault;

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: in a file, in a matrix, or in the caller's arguments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written, or does not hold what it says.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file, or the name under which its bytes were handed over.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// A matrix given by the caller is not an invertible affine map.
    #[error("the affine {0}")]
    Affine(#[from] AffineFault),
    /// Voxels and geometry, or two grids that must agree, have different shapes.
    #[error("{what} has the shape {found:?} where {expected:?} is expected")]
    Shape {
        /// What has the wrong shape.
        what: &'static str,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// An argument is outside its domain.
    #[error("{field} is {found}, expected {expected}")]
    Argument {
        /// The argument's name.
        field: &'static str,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// No finite voxel is left to compute from.
    #[error("{what} holds no finite voxel")]
    NoVoxels {
        /// Which voxels were looked at.
        what: &'static str,
    },
    /// All voxels have one value where a spread is needed.
    #[error("{what} is constant at {value}, so its standard deviation is 0")]
    Constant {
        /// Which voxels were looked at.
        what: &'static str,
        /// Their common value.
        value: f64,
    },
    /// A label map holds labels that a table was expected to list.
    #[error("labels {:?} are not in the table (label: voxels)", counts)]
    UnlistedLabels {
        /// Those labels, each with its number of voxels.
        counts: std::collections::BTreeMap<i32, u64>,
    },
    /// There is not enough memory for a grid of this size.
    #[error("no memory for {bytes} bytes of {what}")]
    OutOfMemory {
        /// What was to be allocated.
        what: &'static str,
        /// How large it is.
        bytes: u64,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The operating system refuses.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done: "read", "write", "rename".
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// A folder stands where a file is expected.
    #[error("is a folder, not an image file")]
    IsFolder,
    /// A pipe, a socket or a device stands where a file is expected.
    #[error("is a pipe, socket or device, not a regular file")]
    NotRegular,
    /// The file has no bytes.
    #[error("is empty (0 bytes)")]
    Empty,
    /// The content is none of the formats this crate reads.
    #[error("is not a NIfTI or MGH image: {found}")]
    NotAnImage {
        /// What the file begins with, or why it was refused.
        found: String,
    },
    /// The file ends before its header or its voxels do.
    #[error("is truncated: {field} needs {expected} bytes, the file has {found}")]
    Truncated {
        /// What is cut: "header" or "voxels".
        field: &'static str,
        /// Bytes needed, from the start of the (decompressed) file.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// A header field has a value that is not allowed or contradicts another.
    #[error("{field} is {found}, expected {expected}")]
    Field {
        /// The field's name in the format's specification.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// The voxels have a type that holds no real number, or one Rust does not have.
    #[error("datatype is {name} (code {code}), expected a real integer or float of 8 to 64 bits")]
    UnsupportedDatatype {
        /// The code in the header.
        code: i64,
        /// The type's name in the specification, or "unknown".
        name: String,
    },
    /// The header asks for more memory than the file can fill or the reader allows.
    #[error("{field} asks for {found} bytes, the limit is {limit} ({why})")]
    TooLarge {
        /// The header fields that decide the size.
        field: &'static str,
        /// Bytes asked for.
        found: u64,
        /// The largest number accepted.
        limit: u64,
        /// Where the limit comes from.
        why: &'static str,
    },
    /// The affine is NaN or singular.
    #[error("the affine from {field} {fault}")]
    Affine {
        /// Which fields hold it: "sform", "qform", "pixdim" or "Mdc".
        field: &'static str,
        /// What is wrong with it.
        fault: AffineFault,
    },
    /// The header and the voxel file of a pair do not belong together.
    #[error("does not pair with {}: {found}", other.display())]
    Pair {
        /// The other file of the pair.
        other: PathBuf,
        /// What does not fit.
        found: String,
    },
    /// The compressed stream is damaged.
    #[error("the gzip stream is damaged: {found}")]
    Gzip {
        /// What the decompressor says.
        found: String,
    },
    /// Bytes follow the voxels, and the reader was told to refuse them.
    #[error("{count} bytes follow the voxels")]
    TrailingBytes {
        /// How many.
        count: u64,
    },
    /// The voxels cannot be stored as asked without being changed.
    #[error("cannot be stored as {datatype}: {found}")]
    Unstorable {
        /// The type asked for.
        datatype: &'static str,
        /// The value or property in the way.
        found: String,
    },
}

impl Error {
    /// This fault, in this file.
    pub(crate) fn file(path: &Path, fault: FileFault) -> Self {
        Self::File { path: path.to_owned(), fault }
    }

    /// What the system said while `doing` something to `path`, sorted into our own terms.
    pub(crate) fn io(path: &Path, doing: &'static str, source: std::io::Error) -> Self {
        let fault = match source.kind() {
            std::io::ErrorKind::NotFound if doing == "read" => FileFault::Missing,
            std::io::ErrorKind::IsADirectory if doing == "read" => FileFault::IsFolder,
            _ => FileFault::Io { doing, source },
        };
        Self::file(path, fault)
    }
}
