//! Published weights: which tensors of a file they are, and a network of them.

mod checkpoint;
mod differences;
mod generative_models;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::NamedTensors;

use crate::config::UnetConfig;
use crate::error::Result;
use crate::parameter_shapes::parameter_shapes;
use crate::unet::Unet;
use checkpoint::Checkpoint;
pub use checkpoint::CheckpointPart;

/// Names and shapes of the parameters of a network.
type Shapes = BTreeMap<String, Vec<usize>>;

/// The weights of a network, complete, in the dtypes of their file.
#[derive(Clone, Debug)]
pub struct UnetWeights {
    /// The parameters under the network's own names: MONAI's since 1.4, or guided-diffusion's.
    pub tensors: NamedTensors,
    /// What a user should know about how the file was read.
    pub notes: Vec<String>,
    /// The tables of the noise schedule that a Med-DDPM checkpoint holds, by their names there
    /// (`betas`, `alphas_cumprod` and 11 more), for comparison with the schedule in use.
    pub schedule_buffers: BTreeMap<String, Tensor>,
    /// The training step at which the file was written, where it says.
    pub step: Option<u64>,
}

/// A network with weights from a file, and what else that file said.
#[derive(Clone, Debug)]
pub struct LoadedUnet {
    /// The network.
    pub unet: Unet,
    /// As [`UnetWeights::notes`].
    pub notes: Vec<String>,
    /// As [`UnetWeights::schedule_buffers`].
    pub schedule_buffers: BTreeMap<String, Tensor>,
    /// As [`UnetWeights::step`].
    pub step: Option<u64>,
}

/// Reads the weights of this network from a safetensors file or one that `torch.save` wrote.
///
/// If any tensor of the file has a name that begins with `weights.`, only those count. Wrappers
/// (`state_dict`, `model_state_dict`, `unet_state_dict`, `unet`, `model`, `ema`) and prefixes
/// (`module.`, `_orig_mod.`, `denoise_fn.`) are taken off. For a `DiffusionModelUNet` the names of MONAI
/// since 1.4 are known, and those of the older GenerativeModels package, whose `proj_attn` was never
/// applied: it is left out, or taken as the identity where the network has a layer there.
///
/// # Errors
/// [`Error::Weights`](crate::Error::Weights) with every missing, unexpected and wrongly shaped tensor;
/// [`Error::Config`](crate::Error::Config); an error that names the file, where it cannot be read.
pub fn read_weights(
    config: &UnetConfig,
    path: impl AsRef<Path>,
    part: CheckpointPart,
) -> Result<UnetWeights> {
    let path = path.as_ref();
    let shapes: Shapes = parameter_shapes(config)?.into_iter().collect();
    let mut checkpoint = Checkpoint::new(read(path)?, part);
    if matches!(config, UnetConfig::DiffusionUnet(_)) {
        let (tensors, note) = generative_models::to_monai(checkpoint.tensors, &shapes)?;
        checkpoint.tensors = tensors;
        checkpoint.notes.extend(note);
    }
    differences::check(path, &checkpoint.tensors, &shapes)?;
    let Checkpoint { tensors, notes, schedule_buffers, step } = checkpoint;
    let tensors = NamedTensors { tensors, metadata: BTreeMap::new() };
    Ok(UnetWeights { tensors, notes, schedule_buffers, step })
}

/// Writes parameters as a safetensors file that the reference loads: MONAI ≥ 1.4, or Med-DDPM's
/// network. The file is whole or as it was before.
///
/// The parameters are those of a `ParameterStore` ([`NamedTensors::of`]) or of a file
/// ([`UnetWeights::tensors`]); so an old file comes out in the new naming.
///
/// # Errors
/// [`Error::Weights`](crate::Error::Weights) unless these are the parameters of the network;
/// [`Error::Config`](crate::Error::Config); an error that names the file, where it cannot be written.
pub fn save_weights(
    config: &UnetConfig,
    parameters: &NamedTensors,
    path: impl AsRef<Path>,
) -> Result<()> {
    let path = path.as_ref();
    let shapes: Shapes = parameter_shapes(config)?.into_iter().collect();
    differences::check(path, &parameters.tensors, &shapes)?;
    parameters.save_safetensors(path)?;
    Ok(())
}

impl Unet {
    /// The network with the weights of a file, of its averaged ones where it has them, in f32, bf16
    /// or f64; [`read_weights`] says which files it takes.
    ///
    /// # Errors
    /// As [`read_weights`].
    pub fn load(config: &UnetConfig, path: impl AsRef<Path>, dtype: DType) -> Result<LoadedUnet> {
        Self::load_on(&Device::Cpu, config, path, dtype)
    }

    /// The same on a device.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_on(
        device: &Device,
        config: &UnetConfig,
        path: impl AsRef<Path>,
        dtype: DType,
    ) -> Result<LoadedUnet> {
        let weights = read_weights(config, path, CheckpointPart::Ema)?;
        Self::from_weights_on(device, config, weights, dtype)
    }

    /// The network with these weights, each cast and let go of before the next.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config); candle's, where the weights are another network's.
    pub fn from_weights(
        config: &UnetConfig,
        weights: UnetWeights,
        dtype: DType,
    ) -> Result<LoadedUnet> {
        Self::from_weights_on(&Device::Cpu, config, weights, dtype)
    }

    /// The same on a device.
    ///
    /// # Errors
    /// As [`from_weights`](Self::from_weights).
    pub fn from_weights_on(
        device: &Device,
        config: &UnetConfig,
        weights: UnetWeights,
        dtype: DType,
    ) -> Result<LoadedUnet> {
        let UnetWeights { tensors, notes, schedule_buffers, step } = weights;
        let mut cast = HashMap::with_capacity(tensors.tensors.len());
        for (name, tensor) in tensors.tensors {
            cast.insert(name, tensor.to_dtype(dtype)?.to_device(device)?);
        }
        let unet = Self::new(config, VarBuilder::from_tensors(cast, dtype, device))?;
        Ok(LoadedUnet { unet, notes, schedule_buffers, step })
    }
}

/// Zip archives are PyTorch's, whatever their names.
fn read(path: &Path) -> Result<NamedTensors> {
    let mut start = [0; 4];
    let zip = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let extension = path.extension().and_then(|extension| extension.to_str());
    let named = matches!(extension, Some("pt" | "pth" | "ckpt" | "bin"));
    if named || (zip.is_ok() && &start == b"PK\x03\x04") {
        return Ok(NamedTensors::load_pytorch(path, None)?);
    }
    Ok(NamedTensors::load_safetensors(path)?)
}

#[cfg(test)]
mod tests;
