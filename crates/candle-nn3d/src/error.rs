//! What can go wrong, and which argument is at fault.

use std::path::PathBuf;

/// The result of everything fallible in this crate that is not a tensor operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
///
/// Tensor operations return [`candle_core::Result`], so that they compose with candle's; their
/// errors are these, wrapped, with the same message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two tensors, or a tensor and the setting of an operation, do not fit together.
    #[error("{op}: {argument} has the shape {found:?}, expected {expected}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// The argument with the wrong shape.
        argument: &'static str,
        /// The shape it has.
        found: Vec<usize>,
        /// The shape it should have, and which other shape says so.
        expected: String,
    },
    /// A setting is outside its domain.
    #[error("{op}: {argument} is {found}, expected {expected}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// The setting.
        argument: &'static str,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// An argument has a dtype or device that the operation does not know, or not the other's.
    #[error("{op}: {argument} is {found}, expected {expected}")]
    DType {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// Its dtype.
        found: String,
        /// The dtypes accepted.
        expected: String,
    },
    /// A file cannot be read, or does not hold what it should.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the name of the tensor or field.
        problem: String,
    },
    /// A file cannot be written; what was there before is intact.
    #[error(transparent)]
    Disk(#[from] durable_file::Error),
    /// A named tensor (a parameter, a weight, a state) is not what it should be.
    #[error("{name:?}: {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Work on a GPU cannot be done.
    #[error("{op} on the GPU: {problem}; {remedy}")]
    Gpu {
        /// The operation or kernel.
        op: String,
        /// What is wrong, with the compiler's log if it refuses a kernel.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// candle refuses.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

#[cfg(feature = "cuda")]
impl Error {
    pub(crate) fn gpu(op: &str, problem: String, remedy: &'static str) -> Self {
        Self::Gpu { op: op.to_owned(), problem, remedy }
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => Self::wrap(other),
        }
    }
}
