//! One type for every network of this crate.

use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::config::UnetConfig;
use crate::diffusion_unet::DiffusionUnet;
use crate::error::Result;
use crate::guided_unet::GuidedUnet;

/// What a network is given.
#[derive(Clone, Copy, Debug)]
pub struct UnetInput<'a> {
    /// The noisy volumes, with mask channels behind them where the network is conditioned so:
    /// `[n, c, x, y, z]`.
    pub x: &'a Tensor,
    /// The time of each volume, `[n]`, of any number type; fractions are allowed. Times and classes are
    /// looked at on the host: on the CPU they cost no waiting for a GPU.
    pub timesteps: &'a Tensor,
    /// Tokens for cross-attention, `[n, tokens, cross_attention_dim]`.
    pub context: Option<&'a Tensor>,
    /// The class of each volume, `[n]`, whole numbers.
    pub class_labels: Option<&'a Tensor>,
    /// What a ControlNet adds to the skip connections, one for each, in their order.
    pub down_block_additional_residuals: &'a [Tensor],
    /// What a ControlNet adds behind the middle block.
    pub mid_block_additional_residual: Option<&'a Tensor>,
}

impl<'a> UnetInput<'a> {
    /// Volumes and their times, without any other condition.
    #[must_use]
    pub fn new(x: &'a Tensor, timesteps: &'a Tensor) -> Self {
        Self {
            x,
            timesteps,
            context: None,
            class_labels: None,
            down_block_additional_residuals: &[],
            mid_block_additional_residual: None,
        }
    }
}

/// A network of either family.
#[derive(Clone, Debug)]
pub enum Unet {
    /// MONAI's `DiffusionModelUNet`.
    Diffusion(DiffusionUnet),
    /// Med-DDPM's network.
    Guided(GuidedUnet),
}

impl Unet {
    /// The network that the configuration describes, with the parameters of `vb`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a value that no network can be made from; the
    /// errors of `vb`.
    pub fn new(config: &UnetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        match config {
            UnetConfig::DiffusionUnet(config) => {
                Ok(Self::Diffusion(DiffusionUnet::new(config, vb)?))
            }
            UnetConfig::GuidedUnet(config) => Ok(Self::Guided(GuidedUnet::new(config, vb)?)),
        }
    }

    /// Makes this a network for inference on volumes of `space` voxels: every convolution's weights are
    /// brought into the form that its kernel reads, once, and the tensors given up. Other volumes
    /// are still taken, if more slowly than they might be; training is not.
    ///
    /// # Errors
    /// candle's unless the network is f32 or bf16; it may then be prepared in part.
    pub fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        match self {
            Self::Diffusion(unet) => unet.prepare(space),
            Self::Guided(unet) => unet.prepare(space),
        }
    }

    /// The network's prediction, `[n, out_channels, x, y, z]`, in the dtype of its weights.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) where an input does not fit the network.
    pub fn forward(&self, input: &UnetInput<'_>) -> Result<Tensor> {
        match self {
            Self::Diffusion(unet) => unet.forward(input),
            Self::Guided(unet) => unet.forward(input),
        }
    }
}
