//! Weights to sample from or to begin at, wherever they come from.

use std::path::{Path, PathBuf};

use candle_core::Device;
use durable_file::{Sha256Digest, sha256_of_file};
use mrisynth_diffusion::Precision;
use mrisynth_training::{CheckpointReader, Checkpoints};
use mrisynth_unet::{CheckpointPart, Unet, UnetConfig, UnetWeights, read_weights};

use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::network::ConditionedUnet;

/// The configuration that lies beside weights of ours.
const CONFIG: &str = "config.toml";
/// Parts of a checkpoint that hold weights, the averaged ones first.
const WEIGHTS: [&str; 2] = ["ema.safetensors", "model.safetensors"];

/// Where weights lie, and the experiment that they come from, if it says so beside them.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    weights: PathBuf,
    experiment: Option<Experiment>,
    notes: Vec<String>,
}

impl Checkpoint {
    /// Finds the weights at a path:
    ///
    /// - a run: its last whole checkpoint, averaged weights before plain ones;
    /// - the folder of one checkpoint;
    /// - a file: safetensors of ours or of MONAI, or what `torch.save` wrote, of MONAI or Med-DDPM.
    ///
    /// # Errors
    /// [`Error::Argument`] for what is none of these; [`Error::Training`] for a run without a whole
    /// checkpoint; those of reading the experiment beside the weights.
    pub fn find(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_file() {
            let beside = path.with_file_name(CONFIG);
            let experiment = beside.is_file().then(|| Experiment::read(&beside)).transpose()?;
            return Ok(Self { weights: path.to_owned(), experiment, notes: Vec::new() });
        }
        if path.join("checkpoint.json").is_file() {
            return Self::of_reader(&CheckpointReader::open(path)?);
        }
        let latest = Checkpoints::of_run(path).latest()?.ok_or_else(|| {
            let expected = "a run with a checkpoint, a checkpoint, or a file of weights";
            Error::argument("checkpoint", path.display(), expected)
        })?;
        let mut found = Self::of_reader(&latest.checkpoint)?;
        let note = |damaged: mrisynth_training::DamagedCheckpoint| {
            format!(
                "{} is damaged and was passed over: {}",
                damaged.folder.display(),
                damaged.damage
            )
        };
        found.notes.extend(latest.damaged.into_iter().map(note));
        Ok(found)
    }

    fn of_reader(reader: &CheckpointReader) -> Result<Self> {
        let part = WEIGHTS.iter().find_map(|name| reader.path_of(name).ok());
        let weights = part.map_or_else(|| reader.path_of(WEIGHTS[1]), Ok)?;
        let experiment = Some(Experiment::read(reader.path_of(CONFIG)?)?);
        Ok(Self { weights, experiment, notes: Vec::new() })
    }

    /// The file of the weights.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.weights
    }

    /// The experiment that they come from; unknown for a file from elsewhere.
    #[must_use]
    pub fn experiment(&self) -> Option<&Experiment> {
        self.experiment.as_ref()
    }

    /// What a user should know about what was found.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The digest of the file.
    ///
    /// # Errors
    /// [`Error::Write`] when it cannot be read.
    pub fn sha256(&self) -> Result<Sha256Digest> {
        Ok(sha256_of_file(&self.weights)?)
    }

    /// The weights, which must be those of this network.
    ///
    /// # Errors
    /// [`Error::Unet`] with all names and shapes that differ.
    pub fn weights(&self, network: &UnetConfig) -> Result<UnetWeights> {
        Ok(read_weights(network, &self.weights, CheckpointPart::Ema)?)
    }

    /// The network, prepared for inference on tensors of `space` voxels.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn network(
        &self,
        network: &UnetConfig,
        precision: Precision,
        space: [usize; 3],
    ) -> Result<ConditionedUnet> {
        self.network_on(&Device::Cpu, network, precision, space)
    }

    /// The same on a device.
    ///
    /// # Errors
    /// As [`weights`](Self::weights).
    pub fn network_on(
        &self,
        device: &Device,
        network: &UnetConfig,
        precision: Precision,
        space: [usize; 3],
    ) -> Result<ConditionedUnet> {
        let weights = self.weights(network)?;
        let dtype = precision.dtype();
        let mut unet = Unet::from_weights_on(device, network, weights, dtype)?.unet;
        unet.prepare(space)?;
        Ok(unet.into())
    }
}
