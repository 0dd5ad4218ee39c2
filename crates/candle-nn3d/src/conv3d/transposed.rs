//! The transposed convolution layer.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::op::{ConvTranspose3dConfig, conv_transpose3d as convolve};
use super::{check_sizes, torch_default};
use crate::channels_last::ChannelsLast;

/// A transposed convolution with its weight and bias; the operation is
/// [`ops::conv_transpose3d`](crate::ops::conv_transpose3d).
///
/// As a [`Module`] it takes `[n, c, x, y, z]`; [`ConvTranspose3d::forward_channels_last`] repacks
/// nothing.
#[derive(Clone, Debug)]
pub struct ConvTranspose3d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: ConvTranspose3dConfig,
}

impl ConvTranspose3d {
    /// A layer with these weights; whether they fit is checked when it is called.
    ///
    /// # Shapes
    /// `weight` `[c_in, c_out / groups, kx, ky, kz]`, `bias` `[c_out]`.
    #[must_use]
    pub fn new(weight: Tensor, bias: Option<Tensor>, config: ConvTranspose3dConfig) -> Self {
        Self { weight, bias, config }
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// As [`ops::conv_transpose3d`](crate::ops::conv_transpose3d).
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        convolve(x, &self.weight, self.bias.as_ref(), &self.config)
    }

    /// The weight, `[c_in, c_out / groups, kx, ky, kz]`.
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[c_out]`.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Stride, padding and the rest.
    #[must_use]
    pub fn config(&self) -> &ConvTranspose3dConfig {
        &self.config
    }
}

impl Module for ConvTranspose3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// A transposed convolution layer with a bias, its parameters `weight` and `bias` from `vb`.
///
/// New parameters are drawn as PyTorch does by default: uniform in ±1/√n with
/// n = `c_out / groups · kx · ky · kz`.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) when `groups` does not divide both channels, or
/// anything is 0; the errors of `vb`.
pub fn conv_transpose3d(
    c_in: usize,
    c_out: usize,
    kernel: [usize; 3],
    config: ConvTranspose3dConfig,
    vb: VarBuilder<'_>,
) -> Result<ConvTranspose3d> {
    let layer = conv_transpose3d_no_bias(c_in, c_out, kernel, config, vb.clone())?;
    let bias = vb.get_with_hints(c_out, "bias", torch_default(layer.weight.dims()))?;
    Ok(ConvTranspose3d { bias: Some(bias), ..layer })
}

/// A transposed convolution layer without a bias, its parameter `weight` from `vb`; otherwise as
/// [`conv_transpose3d()`].
///
/// # Errors
/// As [`conv_transpose3d()`].
pub fn conv_transpose3d_no_bias(
    c_in: usize,
    c_out: usize,
    [kx, ky, kz]: [usize; 3],
    config: ConvTranspose3dConfig,
    vb: VarBuilder<'_>,
) -> Result<ConvTranspose3d> {
    check_sizes("conv_transpose3d", c_in, c_out, [kx, ky, kz], config.groups)?;
    let shape = [c_in, c_out / config.groups, kx, ky, kz];
    let weight = vb.get_with_hints(&shape[..], "weight", torch_default(&shape))?;
    Ok(ConvTranspose3d { weight, bias: None, config })
}
