//! Med-DDPM's network, of the guided-diffusion family.
//!
//! # Source
//! Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis", NeurIPS 2021
//! (guided-diffusion's `UNetModel`, in three dimensions), with the changes that Dorjsembe et al.,
//! IEEE JBHI 28 (2024), describe and their published weights show: sinusoids of period 1,000, and
//! trilinear interpolation on the way up.

mod attention_block;
mod blocks;
mod comma_separated;
mod config;
mod layers;
mod presets;
mod residual_block;

use std::sync::Arc;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, Conv3d, GroupNorm, Linear, Recompute, group_norm, ops};

use crate::error::{Error, Result};
use crate::timestep_embedding::timestep_embedding;
use crate::unet::UnetInput;
use attention_block::AttentionBlock;
use blocks::{InputBlock, MiddleBlock, OutputBlock};
pub use config::GuidedUnetConfig;
use residual_block::ResidualBlock;

/// The longest period of the time embedding, over 2π.
const MAX_PERIOD: f64 = 1000.0;

/// The network; its parameters have the reference's names.
///
/// It begins as a network that answers 0: the last convolution of every block is zero.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_unet::{GuidedUnet, GuidedUnetConfig, UnetInput};
/// let config = GuidedUnetConfig {
///     num_channels: 32,
///     channel_mult: vec![1.0, 1.0],
///     ..GuidedUnetConfig::whole_head_128()
/// };
/// let weights = candle_nn3d::ParameterStore::new(keyed_random::Key::new(1));
/// let unet = GuidedUnet::new(&config, weights.builder(DType::F32))?;
/// let x = Tensor::ones((1, 3, 4, 6, 2), DType::F32, &Device::Cpu)?;
/// let t = Tensor::new(&[100_i64], &Device::Cpu)?;
/// assert_eq!(unet.forward(&UnetInput::new(&x, &t))?.dims(), [1, 1, 4, 6, 2]);
/// # Ok::<(), mrisynth_unet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GuidedUnet {
    layers: Arc<Layers>,
    scope: Option<Recompute>,
}

#[derive(Clone, Debug)]
struct Layers {
    config: GuidedUnetConfig,
    dtype: DType,
    time_embed: [Linear; 2],
    input_blocks: Vec<InputBlock>,
    middle_block: MiddleBlock,
    output_blocks: Vec<OutputBlock>,
    out_norm: GroupNorm,
    out_conv: Conv3d,
}

impl GuidedUnet {
    /// The network that the configuration describes, with the parameters of `vb`; it computes in the
    /// dtype of `vb`.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that no network can be made from; the errors of `vb`.
    pub fn new(config: &GuidedUnetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let levels = config.levels()?;
        let time = 4 * config.num_channels;
        let time_embed = [
            candle_nn3d::linear_layer(config.num_channels, time, true, vb.pp("time_embed.0"))?,
            candle_nn3d::linear_layer(time, time, true, vb.pp("time_embed.2"))?,
        ];
        let mut builder = Builder { vb: vb.clone(), time, skips: Vec::new() };
        let input_blocks = builder.input_blocks(config, &levels)?;
        let deepest = levels.last().map_or(0, |level| level.channels);
        let middle_block = builder.middle_block(deepest)?;
        let output_blocks = builder.output_blocks(config, &levels, deepest)?;
        let finest = levels.first().map_or(0, |level| level.channels);
        let layers = Layers {
            config: config.clone(),
            dtype: vb.dtype(),
            time_embed,
            input_blocks,
            middle_block,
            output_blocks,
            out_norm: group_norm(config::GROUPS, finest, layers::EPS, vb.pp("out.0"))?,
            out_conv: layers::conv3_of_zeros(finest, config.out_channels, vb.pp("out.2"))?,
        };
        Ok(Self { layers: Arc::new(layers), scope: None })
    }

    /// The same network with every block a segment of `recompute`: run again in the backward pass
    /// instead of remembered. Gradients, the same to the last bit, then come from
    /// [`Recompute::backward`].
    #[must_use]
    pub fn with_recompute(self, recompute: &Recompute) -> Self {
        Self { scope: Some(recompute.clone()), ..self }
    }

    /// Makes this a network for inference on volumes of `space` voxels: every convolution's weights are
    /// brought into the form that its kernel reads, once, and the tensors given up. Other volumes
    /// are still taken, if more slowly than they might be; training is not.
    ///
    /// # Errors
    /// [`Error::Candle`] unless the network is f32 or bf16; it may then be prepared in part.
    pub fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        let layers = Arc::make_mut(&mut self.layers);
        let mut at = space;
        for block in &mut layers.input_blocks {
            at = block.prepare(at)?;
        }
        layers.middle_block.prepare(at)?;
        for block in &mut layers.output_blocks {
            at = block.prepare(at)?;
        }
        Ok(layers.out_conv.prepare(at)?)
    }

    /// What the network was made from.
    #[must_use]
    pub fn config(&self) -> &GuidedUnetConfig {
        &self.layers.config
    }

    /// The network's prediction, in the dtype of its weights.
    ///
    /// # Shapes
    /// `x` `[n, in_channels, x, y, z]`, multiples of
    /// [`GuidedUnetConfig::total_stride`];
    /// `timesteps` `[n]`; the result `[n, out_channels, x, y, z]`.
    ///
    /// # Errors
    /// [`Error::Input`] where an input does not fit the network, or is one it does not take.
    pub fn forward(&self, input: &UnetInput<'_>) -> Result<Tensor> {
        self.layers.check(input)?;
        Ok(self.layers.forward(input, self.scope.as_ref())?)
    }
}

impl Layers {
    fn forward(
        &self,
        input: &UnetInput<'_>,
        scope: Option<&Recompute>,
    ) -> candle_core::Result<Tensor> {
        let time = self.embedded(input.timesteps, input.x.device())?;
        let mut h = ChannelsLast::from_ncxyz(&input.x.to_dtype(self.dtype)?)?;
        let mut skips = Vec::with_capacity(self.input_blocks.len());
        for block in &self.input_blocks {
            h = block.forward(h, &time, scope)?;
            skips.push(h.clone());
        }
        h = self.middle_block.forward(h, &time, scope)?;
        for block in &self.output_blocks {
            // There are as many of them, by construction.
            let skip = skips.pop().unwrap_or_else(|| h.clone());
            h = block.forward(h, skip, &time, scope)?;
        }
        let (norm, conv) = (self.out_norm.clone(), self.out_conv.clone());
        let out = blocks::run(scope, [h.into_tensor()], move |[h]| {
            let h = norm.forward_silu(&ChannelsLast::new(h)?)?;
            conv.forward_channels_last(&h)
        })?;
        out.to_ncxyz()
    }

    /// The SiLU of the embedded times, with which every block begins.
    fn embedded(&self, timesteps: &Tensor, device: &Device) -> candle_core::Result<Tensor> {
        let waves = timestep_embedding(timesteps, self.config.num_channels, MAX_PERIOD, device)?;
        let [first, second] = &self.time_embed;
        let hidden = ops::silu(&first.forward(&waves.to_dtype(self.dtype)?)?)?;
        ops::silu(&second.forward(&hidden)?)
    }

    fn check(&self, input: &UnetInput<'_>) -> Result<()> {
        let fault = |argument, tensor: &Tensor, expected: String| {
            Err(Error::Input { argument, found: tensor.dims().to_vec(), expected })
        };
        let (channels, stride) = (self.config.in_channels, self.config.total_stride());
        let fits = match *input.x.dims() {
            [n, c, ref space @ ..] => {
                let divides = |&size: &usize| size > 0 && size.is_multiple_of(stride);
                n > 0 && c == channels && space.len() == 3 && space.iter().all(divides)
            }
            _ => false,
        };
        if !fits {
            let expected = format!("[n, {channels}, x, y, z] with multiples of {stride} voxels");
            return fault("x", input.x, expected);
        }
        let n = input.x.dims()[0];
        if input.timesteps.dims() != [n] {
            return fault("timesteps", input.timesteps, format!("[{n}], one for each volume"));
        }
        let others = [
            ("context", input.context),
            ("class_labels", input.class_labels),
            ("down_block_additional_residuals", input.down_block_additional_residuals.first()),
            ("mid_block_additional_residual", input.mid_block_additional_residual),
        ];
        for (argument, tensor) in others {
            if let Some(tensor) = tensor {
                return fault(argument, tensor, "none: a guided U-Net takes no such input".into());
            }
        }
        Ok(())
    }
}

/// Makes the blocks in the reference's order, and counts the channels of the skip connections.
struct Builder<'a> {
    vb: VarBuilder<'a>,
    time: usize,
    skips: Vec<usize>,
}

impl Builder<'_> {
    fn input_blocks(
        &mut self,
        config: &GuidedUnetConfig,
        levels: &[config::Level],
    ) -> Result<Vec<InputBlock>> {
        let mut blocks = Vec::new();
        let at = |index: usize, part: &str| self.vb.pp(format!("input_blocks.{index}.{part}"));
        let mut channels = levels.first().map_or(0, |level| level.channels);
        blocks.push(InputBlock::Conv(layers::conv3(config.in_channels, channels, at(0, "0"))?));
        self.skips.push(channels);
        for (depth, level) in levels.iter().enumerate() {
            for _ in 0..config.num_res_blocks {
                let index = blocks.len();
                let residual =
                    ResidualBlock::new(channels, level.channels, self.time, &at(index, "0"))?;
                channels = level.channels;
                let attention = attention(level, &at(index, "1"))?;
                blocks.push(InputBlock::Residual(Box::new(residual), attention));
                self.skips.push(channels);
            }
            if depth + 1 < levels.len() {
                let down = layers::conv3_down(channels, at(blocks.len(), "0.op"))?;
                blocks.push(InputBlock::Conv(down));
                self.skips.push(channels);
            }
        }
        Ok(blocks)
    }

    fn middle_block(&self, channels: usize) -> Result<MiddleBlock> {
        let at = |part: usize| self.vb.pp(format!("middle_block.{part}"));
        Ok(MiddleBlock {
            first: ResidualBlock::new(channels, channels, self.time, &at(0))?,
            attention: AttentionBlock::new(channels, &at(1))?,
            second: ResidualBlock::new(channels, channels, self.time, &at(2))?,
        })
    }

    fn output_blocks(
        &mut self,
        config: &GuidedUnetConfig,
        levels: &[config::Level],
        mut channels: usize,
    ) -> Result<Vec<OutputBlock>> {
        let mut blocks = Vec::new();
        for (depth, level) in levels.iter().enumerate().rev() {
            for block in 0..=config.num_res_blocks {
                let vb = self.vb.pp(format!("output_blocks.{}", blocks.len()));
                let c_in = channels + self.skips.pop().unwrap_or(0);
                let residual = ResidualBlock::new(c_in, level.channels, self.time, &vb.pp("0"))?;
                channels = level.channels;
                let attention = attention(level, &vb.pp("1"))?;
                let doubles = depth > 0 && block == config.num_res_blocks;
                let part = if attention.is_some() { "2.conv" } else { "1.conv" };
                let up = || layers::conv3(channels, channels, vb.pp(part));
                let up = if doubles { Some(up()?) } else { None };
                blocks.push(OutputBlock { residual, attention, up });
            }
        }
        Ok(blocks)
    }
}

fn attention(level: &config::Level, vb: &VarBuilder<'_>) -> Result<Option<AttentionBlock>> {
    Ok(if level.attention { Some(AttentionBlock::new(level.channels, vb)?) } else { None })
}

#[cfg(test)]
mod tests;
