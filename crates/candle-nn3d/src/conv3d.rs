//! The convolution layer.

mod arithmetic;
mod differentiable;
#[cfg(feature = "cuda")]
mod gpu_arithmetic;
pub(crate) mod op;
pub(crate) mod prepared;
pub(crate) mod transposed;

use candle_core::{Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::channels_last::ChannelsLast;
use crate::conv_shape::Conv3dConfig;
use crate::error::Error;
use crate::kernels::conv3d::Conv3dAlgorithm;
use op::conv3d_by;
use prepared::PreparedConv3d;

/// A convolution with its weight and bias; the operation is [`ops::conv3d`](crate::ops::conv3d).
///
/// As a [`Module`] it takes `[n, c, x, y, z]`; [`Conv3d::forward_channels_last`] repacks nothing.
#[derive(Clone, Debug)]
pub struct Conv3d {
    state: State,
    config: Conv3dConfig,
    algorithm: Conv3dAlgorithm,
}

/// A layer holds its weights once: as tensors, or as its kernel reads them.
#[derive(Clone, Debug)]
enum State {
    Tensors { weight: Tensor, bias: Option<Tensor> },
    Prepared(PreparedConv3d),
}

impl Conv3d {
    /// A layer with these weights; whether they fit is checked when it is called.
    ///
    /// # Shapes
    /// `weight` `[c_out, c_in / groups, kx, ky, kz]`, `bias` `[c_out]`.
    #[must_use]
    pub fn new(weight: Tensor, bias: Option<Tensor>, config: Conv3dConfig) -> Self {
        let state = State::Tensors { weight, bias };
        Self { state, config, algorithm: Conv3dAlgorithm::Auto }
    }

    /// The same layer, computed by this algorithm; a layer that is prepared stays as it is.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Conv3dAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// As [`ops::conv3d`](crate::ops::conv3d).
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        match &self.state {
            State::Tensors { weight, bias } => {
                conv3d_by(self.algorithm, x, weight, bias.as_ref(), &self.config)
            }
            State::Prepared(layer) => layer.forward_channels_last(x),
        }
    }

    /// The layer, plus a bias for each item and channel (`[n, c_out]`), plus a residual (as the
    /// result): what often follows it. A prepared layer does it all in one pass.
    ///
    /// # Errors
    /// As [`ops::conv3d`](crate::ops::conv3d), and where these do not fit.
    pub fn forward_adding(
        &self,
        x: &ChannelsLast,
        channel_bias: Option<&Tensor>,
        residual: Option<&ChannelsLast>,
    ) -> Result<ChannelsLast> {
        if let State::Prepared(layer) = &self.state {
            return layer.forward_adding(x, channel_bias, residual);
        }
        let mut y = self.forward_channels_last(x)?;
        if let Some(bias) = channel_bias {
            y = crate::ops::add_channel_bias(&y, bias)?;
        }
        match residual {
            Some(residual) => crate::ops::add(residual, &y),
            None => Ok(y),
        }
    }

    /// The layer for inference: its weights are brought into the kernels' own form once, that which
    /// is fastest for volumes of `space` voxels; it takes other volumes too. It keeps no reference
    /// to the original weights, so dropping this layer and its variables releases them. It cannot
    /// be trained.
    ///
    /// # Errors
    /// [`Error::DType`] unless f32 or bf16; [`Error::Shape`] or [`Error::Argument`] when weights,
    /// settings and `space` do not fit together.
    pub fn prepared(&self, space: [usize; 3]) -> Result<PreparedConv3d> {
        match &self.state {
            State::Tensors { weight, bias } => {
                PreparedConv3d::new(weight, bias.as_ref(), &self.config, self.algorithm, space)
            }
            State::Prepared(layer) => Ok(layer.clone()),
        }
    }

    /// Makes this layer one for inference, as [`Conv3d::prepared`], and gives its tensors up.
    ///
    /// # Errors
    /// As [`Conv3d::prepared`]; the layer is then as it was.
    pub fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        self.state = State::Prepared(self.prepared(space)?);
        Ok(())
    }

    /// The weight, `[c_out, c_in / groups, kx, ky, kz]`, unless the layer is prepared.
    #[must_use]
    pub fn weight(&self) -> Option<&Tensor> {
        match &self.state {
            State::Tensors { weight, .. } => Some(weight),
            State::Prepared(_) => None,
        }
    }

    /// The bias, `[c_out]`, unless there is none or the layer is prepared.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        match &self.state {
            State::Tensors { bias, .. } => bias.as_ref(),
            State::Prepared(_) => None,
        }
    }

    /// Bytes that weights and bias occupy in the form in which the layer holds them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.state {
            State::Tensors { weight, bias } => {
                let bytes = |t: &Tensor| t.elem_count() * t.dtype().size_in_bytes();
                bytes(weight) + bias.as_ref().map_or(0, bytes)
            }
            State::Prepared(layer) => layer.bytes(),
        }
    }

    /// Stride, dilation, padding and groups.
    #[must_use]
    pub fn config(&self) -> &Conv3dConfig {
        &self.config
    }
}

impl Module for Conv3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// A convolution layer with a bias, its parameters `weight` and `bias` from `vb`.
///
/// New parameters are drawn as PyTorch does by default: uniform in ±1/√n, where n is the number of
/// inputs of one output, `c_in / groups · kx · ky · kz`.
///
/// # Errors
/// [`Error::Argument`] when `groups` does not divide both channels, or anything is 0; the errors
/// of `vb`.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn3d::{Conv3dConfig, conv3d};
/// let vb = candle_nn::VarBuilder::zeros(DType::F32, &Device::Cpu);
/// let layer = conv3d(2, 5, [3; 3], Conv3dConfig::same(3), vb)?;
/// let y = layer.forward(&Tensor::ones((1, 2, 4, 6, 8), DType::F32, &Device::Cpu)?)?;
/// assert_eq!(y.dims(), [1, 5, 4, 6, 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv3d(
    c_in: usize,
    c_out: usize,
    kernel: [usize; 3],
    config: Conv3dConfig,
    vb: VarBuilder<'_>,
) -> Result<Conv3d> {
    let weight = new_weight(c_in, c_out, kernel, &config, &vb)?;
    let bias = vb.get_with_hints(c_out, "bias", torch_default(weight.dims()))?;
    Ok(Conv3d::new(weight, Some(bias), config))
}

/// A convolution layer without a bias, its parameter `weight` from `vb`; otherwise as [`conv3d()`].
///
/// # Errors
/// As [`conv3d()`].
pub fn conv3d_no_bias(
    c_in: usize,
    c_out: usize,
    kernel: [usize; 3],
    config: Conv3dConfig,
    vb: VarBuilder<'_>,
) -> Result<Conv3d> {
    Ok(Conv3d::new(new_weight(c_in, c_out, kernel, &config, &vb)?, None, config))
}

fn new_weight(
    c_in: usize,
    c_out: usize,
    [kx, ky, kz]: [usize; 3],
    config: &Conv3dConfig,
    vb: &VarBuilder<'_>,
) -> Result<Tensor> {
    check_sizes("conv3d", c_in, c_out, [kx, ky, kz], config.groups)?;
    let shape = [c_out, c_in / config.groups, kx, ky, kz];
    vb.get_with_hints(&shape[..], "weight", torch_default(&shape))
}

/// PyTorch's default for weight and bias: Kaiming uniform with a = √5, that is ±1/√fan_in. The fan
/// counts the weight's second axis and the kernel, also for a transposed convolution.
fn torch_default(weight: &[usize]) -> Init {
    let fan_in: usize = weight[1..].iter().product();
    let bound = 1.0 / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// Checks what a layer is made from.
fn check_sizes(
    op: &'static str,
    c_in: usize,
    c_out: usize,
    kernel: [usize; 3],
    groups: usize,
) -> std::result::Result<(), Error> {
    let refused = |argument, found: String, expected: String| {
        Err(Error::Argument { op, argument, found, expected })
    };
    if c_in == 0 || c_out == 0 {
        return refused("channels", format!("{c_in} to {c_out}"), "at least 1".into());
    }
    if kernel.contains(&0) {
        return refused("kernel", format!("{kernel:?}"), "at least 1 along each axis".into());
    }
    if groups == 0 || !c_in.is_multiple_of(groups) || !c_out.is_multiple_of(groups) {
        let expected = format!("a divisor of {c_in} input and {c_out} output channels");
        return refused("groups", groups.to_string(), expected);
    }
    let bytes = kernel.into_iter().try_fold(8_usize, |n, taps| n.checked_mul(taps));
    let bytes = bytes.and_then(|n| n.checked_mul(c_in / groups)?.checked_mul(c_out));
    if bytes.is_none_or(|n| n > isize::MAX as usize) {
        return refused("kernel", format!("{kernel:?}"), "weights that fit memory".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
