//! What can go wrong, and which field or file is at fault.

use std::path::PathBuf;

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration holds a value that no network can be made from.
    #[error("{field} is {found}, expected {expected}")]
    Config {
        /// The field, under the name it has in the configuration.
        field: &'static str,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// A configuration cannot be read.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The file, or what else the text came from.
        origin: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A tensor given to a network does not fit it.
    #[error("{argument} has the shape {found:?}, expected {expected}")]
    Input {
        /// The argument.
        argument: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// What the network takes.
        expected: String,
    },
    /// A file holds other weights than the network has; all differences at once.
    #[error("{}: {problem}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Every missing, unexpected and wrongly shaped tensor.
        problem: String,
    },
    /// A tensor operation refuses.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A layer or a weights file refuses.
    #[error(transparent)]
    Layer(#[from] candle_nn3d::Error),
}
