//! MONAI's `DiffusionModelUNet`.

mod attention_block;
mod conditions;
mod config;
mod embedding;
mod input_check;
mod level;
mod plan;
mod residual_block;
mod spatial_attention;
mod spatial_transformer;
mod token_attention;
mod token_dropout;
mod transformer_block;
mod zero_convolution;

use std::sync::Arc;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{
    ChannelsLast, Conv3d, Conv3dConfig, GroupNorm, Recompute, conv3d, group_norm, ops,
};
use keyed_random::Key;

use crate::error::{Error, Result};
use crate::unet::UnetInput;

pub use config::{DiffusionUnetConfig, PerLevel};

use conditions::Conditions;
use embedding::Embedding;
use level::{DownLevel, Middle, UpLevel};
use plan::Plan;
use zero_convolution::zero_convolution;

/// The U-Net of the latent diffusion models of MONAI: residual blocks with the time added, attention
/// at the coarse levels, and skip connections behind every block.
///
/// Parameters have the names of MONAI's state dict since 1.4. New ones are drawn as there: as
/// PyTorch does by default, but zeros in the last convolution of every residual block and transformer
/// and of the network.
///
/// # Source
/// MONAI 1.6.1, `DiffusionModelUNet`, after Rombach et al. 2022 and Pinaya et al. 2022.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_unet::{DiffusionUnet, DiffusionUnetConfig, UnetInput};
/// let config = DiffusionUnetConfig { norm_num_groups: 8, ..DiffusionUnetConfig::default() };
/// let parameters = candle_nn3d::ParameterStore::new(keyed_random::Key::new(1));
/// let unet = DiffusionUnet::new(&config, parameters.builder(DType::F32))?;
/// let x = Tensor::zeros((1, 1, 8, 8, 8), DType::F32, &Device::Cpu)?;
/// let t = Tensor::new(&[500_i64], &Device::Cpu)?;
/// assert_eq!(unet.forward(&UnetInput::new(&x, &t))?.dims(), [1, 1, 8, 8, 8]);
/// # Ok::<(), mrisynth_unet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DiffusionUnet {
    layers: Arc<Layers>,
    recompute: Option<Recompute>,
}

#[derive(Clone, Debug)]
struct Layers {
    config: DiffusionUnetConfig,
    dtype: DType,
    conv_in: Conv3d,
    embedding: Embedding,
    down: Vec<DownLevel>,
    middle: Middle,
    /// The coarsest first.
    up: Vec<UpLevel>,
    norm_out: GroupNorm,
    conv_out: Conv3d,
}

impl DiffusionUnet {
    /// The network that the configuration describes, with the parameters of `vb` and in its dtype.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that no network can be made from; the errors of `vb`.
    pub fn new(config: &DiffusionUnetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let plan = Plan::new(config)?;
        let (levels, finest) = (plan.levels.len(), plan.levels[0].channels);
        let same = Conv3dConfig::same(3);
        let conv_in = conv3d(config.in_channels, finest, [3; 3], same, vb.pp("conv_in.conv"))?;
        let embedding = Embedding::new(&plan, &vb)?;
        let mut down = Vec::with_capacity(levels);
        let mut channels = finest;
        for i in 0..levels {
            down.push(DownLevel::new(&plan, i, channels, &vb.pp("down_blocks").pp(i))?);
            channels = plan.levels[i].channels;
        }
        let middle = Middle::new(&plan, channels, &vb.pp("middle_block"))?;
        let up =
            (0..levels).map(|i| UpLevel::new(&plan, levels - 1 - i, &vb.pp("up_blocks").pp(i)));
        let layers = Layers {
            config: config.clone(),
            dtype: vb.dtype(),
            conv_in,
            embedding,
            down,
            middle,
            up: up.collect::<candle_core::Result<_>>()?,
            norm_out: group_norm(config.norm_num_groups, finest, config.norm_eps, vb.pp("out.0"))?,
            conv_out: zero_convolution(finest, config.out_channels, 3, &vb.pp("out.2.conv"))?,
        };
        Ok(Self { layers: Arc::new(layers), recompute: None })
    }

    /// The same network with every residual and attention block a segment of `recompute`: run again
    /// in the backward pass instead of remembered. Gradients, the same to the last bit, then come
    /// from [`Recompute::backward`].
    #[must_use]
    pub fn with_recompute(self, recompute: &Recompute) -> Self {
        Self { recompute: Some(recompute.clone()), ..self }
    }

    /// Makes this a network for inference on volumes of `space` voxels: every convolution's weights are
    /// brought into the form that its kernel reads, once, and the tensors given up. Other volumes
    /// are still taken, if more slowly than they might be; training is not.
    ///
    /// # Errors
    /// [`Error::Candle`] unless the network is f32 or bf16; it may then be prepared in part.
    pub fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        let layers = Arc::make_mut(&mut self.layers);
        layers.conv_in.prepare(space)?;
        let mut at = space;
        for level in &mut layers.down {
            at = level.prepare(at)?;
        }
        layers.middle.prepare(at)?;
        for level in &mut layers.up {
            at = level.prepare(at)?;
        }
        Ok(layers.conv_out.prepare(at)?)
    }

    /// How it was made.
    #[must_use]
    pub fn config(&self) -> &DiffusionUnetConfig {
        &self.layers.config
    }

    /// The network's prediction, `[n, out_channels, x, y, z]`, in the dtype of its weights.
    ///
    /// Without a context a conditioned network attends to the voxels themselves, if
    /// `cross_attention_dim` allows, as in MONAI.
    ///
    /// # Errors
    /// [`Error::Input`] where an input does not fit the network; x, y and z must be multiples of
    /// [`DiffusionUnetConfig::total_stride`].
    pub fn forward(&self, input: &UnetInput<'_>) -> Result<Tensor> {
        self.pass(input, None)
    }

    /// The prediction with dropout, one key for each item; the same as
    /// [`forward`](Self::forward) where `dropout_cattn` is 0.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and for another number of keys than items.
    pub fn forward_train(&self, input: &UnetInput<'_>, keys: &[Key]) -> Result<Tensor> {
        if input.x.dims().first() != Some(&keys.len()) {
            let found = vec![keys.len()];
            let expected = format!("one for each item of x, {:?}", input.x.dims());
            return Err(Error::Input { argument: "keys", found, expected });
        }
        self.pass(input, Some(keys))
    }

    fn pass(&self, input: &UnetInput<'_>, keys: Option<&[Key]>) -> Result<Tensor> {
        let layers = &*self.layers;
        let (config, dtype) = (&layers.config, layers.dtype);
        input_check::check(config, input)?;
        let classes = input_check::checked_classes(config, input)?;
        let on = (dtype, input.x.device());
        let embedding = layers.embedding.forward(input.timesteps, classes.as_ref(), on)?;
        let context = input.context.map(|context| context.to_dtype(dtype)).transpose()?;
        let conditions = Conditions {
            embedding: &embedding,
            context: context.as_ref(),
            recompute: self.recompute.as_ref(),
            keys,
        };

        let x = ChannelsLast::from_ncxyz(&input.x.to_dtype(dtype)?)?;
        let mut h = layers.conv_in.forward_channels_last(&x)?;
        drop(x);
        let mut skips = vec![h.clone()];
        for level in &layers.down {
            h = level.run(h, &mut skips, conditions)?;
        }
        layers.add_to_skips(&mut skips, input.down_block_additional_residuals)?;
        h = layers.middle.run(h, conditions)?;
        if let Some(residual) = input.mid_block_additional_residual {
            h = layers.added("mid_block_additional_residual", h, residual)?;
        }
        for level in &layers.up {
            h = level.run(h, &mut skips, conditions)?;
        }
        let normalised = layers.norm_out.forward_silu(&h)?;
        drop(h);
        Ok(layers.conv_out.forward_channels_last(&normalised)?.to_ncxyz()?)
    }
}

impl Layers {
    fn add_to_skips(&self, skips: &mut [ChannelsLast], residuals: &[Tensor]) -> Result<()> {
        input_check::check_count(residuals, skips.len())?;
        for (skip, residual) in skips.iter_mut().zip(residuals) {
            *skip = self.added("down_block_additional_residuals", skip.clone(), residual)?;
        }
        Ok(())
    }

    /// What a ControlNet adds.
    fn added(
        &self,
        argument: &'static str,
        h: ChannelsLast,
        residual: &Tensor,
    ) -> Result<ChannelsLast> {
        let [x, y, z] = h.space();
        let shape = [h.batch(), x, y, z, h.channels()];
        input_check::check_residual(argument, residual, shape)?;
        let residual = ChannelsLast::from_ncxyz(&residual.to_dtype(self.dtype)?)?;
        Ok(ops::add(&h, &residual)?)
    }
}

#[cfg(test)]
mod tests;
