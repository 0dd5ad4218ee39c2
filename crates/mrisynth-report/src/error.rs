//! What can go wrong, and whose fault it is.

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: in the caller's arguments, or on the way to a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
    /// The PNG encoder refuses a picture.
    #[error("cannot encode a picture of {width} x {height} pixels as PNG: {source}")]
    Encode {
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// The encoder's reason.
        source: png::EncodingError,
    },
    /// A file cannot be written; the message names it.
    #[error(transparent)]
    Write(#[from] durable_file::Error),
}

impl Error {
    pub(crate) fn argument(
        field: &'static str,
        found: impl std::fmt::Debug,
        expected: impl Into<String>,
    ) -> Self {
        Self::Argument { field, found: format!("{found:?}"), expected: expected.into() }
    }
}
