//! What can go wrong, and which field, file or structure is at fault.

use std::path::PathBuf;

use crate::mask::MaskFault;

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration or an argument is outside its domain.
    #[error("{field} is {found}, expected {expected}")]
    Argument {
        /// Its name.
        field: String,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// A label scheme cannot be read.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The file, or what else the text came from.
        origin: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A mask does not fit its scheme; all that is wrong with it at once.
    #[error("the mask does not fit the scheme {scheme}: {}", listed(faults))]
    Mask {
        /// The scheme.
        scheme: String,
        /// What is wrong.
        faults: Vec<MaskFault>,
    },
    /// A mask has no voxel of a tumour, or its scheme knows none.
    #[error("there is no tumour to edit: {reason}")]
    NoTumour {
        /// Which of the two.
        reason: String,
    },
    /// Most of the moved tumour would lie outside the brain; the edit is discarded.
    #[error(
        "discarded: {inside} of {total} tumour voxels would lie in the brain, expected at least half"
    )]
    TumourOutside {
        /// Tumour voxels inside the brain.
        inside: u64,
        /// All tumour voxels, those outside the field of view included.
        total: u64,
    },
    /// Too little would be left of the tumour; the edit is discarded.
    #[error("discarded: {found} tumour voxels would be left, expected at least {expected}")]
    TumourTooSmall {
        /// Tumour voxels left.
        found: u64,
        /// The least accepted.
        expected: u64,
    },
    /// An edit would leave nothing of structures that the scheme requires.
    #[error("the edit leaves nothing of {}", channels.join(", "))]
    StructuresLost {
        /// The channels.
        channels: Vec<String>,
    },
    /// No deformation was found that changes the volumes as requested.
    #[error(
        "{channel} cannot be changed by {requested_percent:+.1} %: {achieved_percent:+.1} % was reached{problem}"
    )]
    VolumeMissed {
        /// The channel furthest from its request.
        channel: String,
        /// The change asked for.
        requested_percent: f64,
        /// The nearest change reached.
        achieved_percent: f64,
        /// What stood in the way, if known, after a colon.
        problem: String,
    },
    /// Metadata do not fit the fields of an embedding.
    #[error("item {item}: {field} is {found}, expected {expected}")]
    Metadata {
        /// The place of the item in its batch.
        item: usize,
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// A volume, a grid or an image file is at fault.
    #[error(transparent)]
    Volume(#[from] mrisynth_volume::Error),
    /// A tensor operation refuses.
    #[cfg(feature = "embeddings")]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

fn listed(faults: &[MaskFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
