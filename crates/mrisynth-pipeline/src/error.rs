//! What can go wrong, and whose fault it is.

use std::path::PathBuf;

use crate::device_choice::DeviceChoice;
use crate::memory::MemoryEstimate;

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong: in a configuration, in files, for want of memory, or in a crate below.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting or an argument is outside its domain.
    #[error("{field} is {found}, expected {expected}")]
    Argument {
        /// Its name.
        field: String,
        /// Its value.
        found: String,
        /// Its domain.
        expected: String,
    },
    /// A configuration cannot be read as one.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The file, or the name of the preset.
        origin: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A file of ours is not what its place says.
    #[error("{}: {field} is {found}, expected {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        field: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// The operating system refuses.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The device that was asked for cannot be used.
    #[error("{device} cannot be used: {problem}")]
    Device {
        /// The device.
        device: DeviceChoice,
        /// Why not, and what to do.
        problem: String,
    },
    /// There is not enough memory for what is asked; nothing was begun.
    #[error("{what} needs about {estimate}; {available_mib} MiB are available")]
    Memory {
        /// What was asked for.
        what: String,
        /// What it needs.
        estimate: MemoryEstimate,
        /// What there is, in MiB.
        available_mib: u64,
    },
    /// A mask cannot be used.
    #[error("{}: {source}", path.display())]
    Mask {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: mrisynth_conditioning::Error,
    },
    /// Masks of a cohort do not fit the label scheme: all of them, each with its reason.
    #[error("{} masks do not fit the label scheme: {}", faults.len(), listed(faults))]
    Masks {
        /// The visits' masks, and what is wrong with each.
        faults: Vec<(PathBuf, mrisynth_conditioning::Error)>,
    },
    /// Label maps and predictions that have no partner of the same subject and session.
    #[error(
        "{} label maps without a prediction ({}), {} predictions without labels ({})",
        without_prediction.len(), paths(without_prediction), without_labels.len(), paths(without_labels)
    )]
    Unpaired {
        /// The label maps.
        without_prediction: Vec<PathBuf>,
        /// The predictions.
        without_labels: Vec<PathBuf>,
    },
    /// A prediction cannot be compared with its labels.
    #[error("{}: {source}", path.display())]
    Scores {
        /// The prediction.
        path: PathBuf,
        /// Why not.
        source: mrisynth_metrics::Error,
    },
    /// A scan or its label map cannot be measured.
    #[error("{}: {source}", path.display())]
    Scan {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: mrisynth_metrics::Error,
    },
    /// A metric, an interval or a test is refused.
    #[error(transparent)]
    Metrics(#[from] mrisynth_metrics::Error),
    /// A cohort, its cache or one of its scans is at fault.
    #[error(transparent)]
    Cohort(#[from] mrisynth_cohort::Error),
    /// Digital brains cannot be made.
    #[error(transparent)]
    Phantom(#[from] mrisynth_phantom::Error),
    /// A label scheme is at fault.
    #[error(transparent)]
    Conditioning(#[from] mrisynth_conditioning::Error),
    /// A volume or an image file is at fault.
    #[error(transparent)]
    Volume(#[from] mrisynth_volume::Error),
    /// A network or its weights are at fault.
    #[error(transparent)]
    Unet(#[from] mrisynth_unet::Error),
    /// A schedule or a sampler is at fault.
    #[error(transparent)]
    Schedulers(#[from] mrisynth_schedulers::Error),
    /// Training or sampling is refused.
    #[error(transparent)]
    Diffusion(#[from] mrisynth_diffusion::Error),
    /// A segmentation network, its settings or its cases are at fault.
    #[error(transparent)]
    Segmentation(#[from] mrisynth_segmentation::Error),
    /// A run folder, a checkpoint or a run is at fault.
    #[error(transparent)]
    Training(#[from] mrisynth_training::Error),
    /// A picture cannot be drawn.
    #[error(transparent)]
    Report(#[from] mrisynth_report::Error),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] durable_file::Error),
    /// A layer refuses.
    #[error(transparent)]
    Layers(#[from] candle_nn3d::Error),
    /// A tensor operation refuses.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// The first few; the others are of the same kind, as a rule.
fn listed(faults: &[(PathBuf, mrisynth_conditioning::Error)]) -> String {
    const SHOWN: usize = 5;
    let one = |(path, fault): &(PathBuf, _)| format!("{}: {fault}", path.display());
    let mut text = faults.iter().take(SHOWN).map(one).collect::<Vec<_>>().join("; ");
    if faults.len() > SHOWN {
        text += &format!("; and {} more", faults.len() - SHOWN);
    }
    text
}

fn paths(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<_> = paths.iter().take(SHOWN).map(|p| p.display().to_string()).collect();
    if paths.len() > SHOWN {
        shown.push("…".into());
    }
    shown.join(", ")
}

impl Error {
    pub(crate) fn argument(
        field: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Argument { field: field.into(), found: found.to_string(), expected: expected.into() }
    }

    pub(crate) fn format(
        path: impl Into<PathBuf>,
        field: impl Into<String>,
        found: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Format {
            path: path.into(),
            field: field.into(),
            found: found.to_string(),
            expected: expected.into(),
        }
    }

    pub(crate) fn io(
        path: impl Into<PathBuf>,
        doing: &'static str,
        source: std::io::Error,
    ) -> Self {
        Self::Io { path: path.into(), doing, source }
    }
}
