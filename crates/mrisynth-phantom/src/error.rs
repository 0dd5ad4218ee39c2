//! What can go wrong, and whose fault it is.

use std::path::PathBuf;

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: in the caller's request, in a label map, or on the way to a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a configuration is outside its domain.
    #[error("{field} is {found}, expected {expected}")]
    Argument {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// A label map holds labels whose substance is not known.
    #[error("{path}: no substance is known for the labels {labels:?}")]
    UnknownLabels {
        /// The file, or `label map` for one in memory.
        path: PathBuf,
        /// The labels, the smallest first.
        labels: Vec<i32>,
    },
    /// A folder holds no label map.
    #[error("{path}: found no file that ends in _dseg.nii.gz, _dseg.nii, .nii.gz, .nii or .mgz")]
    NoLabelMaps {
        /// The folder.
        path: PathBuf,
    },
    /// The output folder holds something else already.
    #[error("{path}: is not empty, expected a new or an empty folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder cannot be read; the message says which.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A volume cannot be read, made or written; the message names it.
    #[error(transparent)]
    Volume(#[from] mrisynth_volume::Error),
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
