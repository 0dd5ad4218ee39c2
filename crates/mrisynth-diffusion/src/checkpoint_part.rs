//! The files of a checkpoint.

use std::collections::BTreeMap;

use candle_nn3d::NamedTensors;
use mrisynth_training::CheckpointReader;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub(crate) const MODEL: &str = "model.safetensors";
pub(crate) const AVERAGE: &str = "ema.safetensors";
pub(crate) const OPTIMISER: &str = "optimiser.safetensors";

/// Which of cuDNN's algorithms the convolutions of a run on a GPU take.
#[cfg(feature = "cuda")]
pub(crate) const GPU: &str = "gpu.json";

/// Under which names a part says what it is, and its version.
const FORMAT: (&str, &str) = ("format", "mrisynth-diffusion");
const VERSION: (&str, &str) = ("version", "1");

/// Which of the weights in a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// The average; the parameters themselves where none was kept.
    #[default]
    Averaged,
    /// The parameters that were trained.
    Trained,
}

impl Weights {
    /// The name of the part that holds them, by which `checkpoint` knows its digest.
    #[must_use]
    pub fn part(self, checkpoint: &CheckpointReader) -> &'static str {
        match self {
            Self::Averaged if checkpoint.record().parts.contains_key(AVERAGE) => AVERAGE,
            _ => MODEL,
        }
    }

    /// Reads them, by the names of the network's parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a part of another kind or a later version; [`Error::Checkpoint`] and
    /// candle's where it cannot be read.
    pub fn read(self, checkpoint: &CheckpointReader) -> Result<NamedTensors> {
        read(checkpoint, self.part(checkpoint))
    }
}

/// A part of a checkpoint, if it is one of ours.
pub(crate) fn read(checkpoint: &CheckpointReader, part: &str) -> Result<NamedTensors> {
    checked(NamedTensors::load_safetensors(checkpoint.path_of(part)?)?)
}

/// The part, with its format and version.
pub(crate) fn marked(mut part: NamedTensors) -> NamedTensors {
    let mark = BTreeMap::from([FORMAT, VERSION].map(|(key, is)| (key.to_owned(), is.to_owned())));
    part.metadata.extend(mark);
    part
}

pub(crate) fn checked(part: NamedTensors) -> Result<NamedTensors> {
    for (key, is) in [FORMAT, VERSION] {
        let found = part.metadata.get(key).map_or("absent", String::as_str);
        if found != is {
            let problem = format!("is {found}, expected {is}");
            return Err(Error::Parameter { name: key.to_owned(), problem });
        }
    }
    Ok(part)
}
