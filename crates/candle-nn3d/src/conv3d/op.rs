//! Convolution and transposed convolution as functions: what they accept, and what they refuse.

use candle_core::{CustomOp2, CustomOp3, DType, Result, Tensor};

use super::differentiable::{Convolution, Transposed};
use crate::channels_last::{ChannelsLast, unknown_dtype};
use crate::conv_shape::{Conv3dConfig, ConvShape};
use crate::error::Error;
use crate::kernels::conv3d::Conv3dAlgorithm;
use crate::tape::{Needs, apply2, apply3};

/// A convolution (PyTorch's: taps are not turned around), with an optional bias per output channel.
///
/// # Shapes
/// `x` `[n, x, y, z, c_in]`, `weight` `[c_out, c_in / groups, kx, ky, kz]`, `bias` `[c_out]`; the
/// result is `[n, x', y', z', c_out]` with
/// `x' = (x + before + after - dilation · (kx - 1) - 1) / stride + 1`, rounded down.
///
/// f32, f64 and bf16; bf16 is computed in f32 and rounded once.
///
/// # Errors
/// [`Error::Shape`], [`Error::Argument`] or [`Error::DType`] when the arguments do not fit together.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn3d::{ChannelsLast, Conv3dConfig, ops};
/// let x = ChannelsLast::new(Tensor::ones((1, 4, 4, 4, 2), DType::F32, &Device::Cpu)?)?;
/// let weight = Tensor::ones((1, 2, 3, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = ops::conv3d(&x, &weight, None, &Conv3dConfig::default())?;
/// assert_eq!(y.tensor().dims(), [1, 2, 2, 2, 1]);
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [54.0; 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv3d(
    x: &ChannelsLast,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv3dConfig,
) -> Result<ChannelsLast> {
    conv3d_by(Conv3dAlgorithm::Auto, x, weight, bias, config)
}

/// [`conv3d`] by a given algorithm, forward and backward: what is fastest, or none that rounds more
/// than the sum of products of the definition does.
///
/// # Errors
/// As [`conv3d`].
pub fn conv3d_by(
    algorithm: Conv3dAlgorithm,
    x: &ChannelsLast,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv3dConfig,
) -> Result<ChannelsLast> {
    const OP: &str = "conv3d";
    let input = x.tensor().dims5()?;
    let shape = ConvShape::new(input.into(), rank_5(OP, weight)?, config)?;
    let y = apply(OP, Convolution { shape, algorithm }, x, weight, bias, shape.c_out)?;
    ChannelsLast::new(y)
}

/// Stride, padding and the rest of a transposed convolution; the default is 1, 0, 0, 1 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvTranspose3dConfig {
    /// Steps of the input, in output voxels.
    pub stride: [usize; 3],
    /// Voxels cut off at both ends of each axis.
    pub padding: [usize; 3],
    /// Voxels added at the end of each axis; less than the stride or the dilation.
    pub output_padding: [usize; 3],
    /// Steps between the taps of the kernel, in output voxels.
    pub dilation: [usize; 3],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for ConvTranspose3dConfig {
    fn default() -> Self {
        Self {
            stride: [1; 3],
            padding: [0; 3],
            output_padding: [0; 3],
            dilation: [1; 3],
            groups: 1,
        }
    }
}

/// A transposed convolution: what a convolution with these settings does to its gradient.
///
/// # Shapes
/// `x` `[n, x, y, z, c_in]`, `weight` `[c_in, c_out / groups, kx, ky, kz]`, `bias` `[c_out]`; the
/// result is `[n, x', y', z', c_out]` with
/// `x' = (x - 1) · stride - 2 · padding + dilation · (kx - 1) + output_padding + 1`.
///
/// f32, f64 and bf16; bf16 is computed in f32 and rounded once.
///
/// # Errors
/// [`Error::Shape`], [`Error::Argument`] or [`Error::DType`] when the arguments do not fit together.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ConvTranspose3dConfig, ops};
/// let x = ChannelsLast::new(Tensor::ones((1, 1, 1, 2, 3), DType::F32, &Device::Cpu)?)?;
/// let weight = Tensor::ones((3, 1, 1, 1, 2), DType::F32, &Device::Cpu)?;
/// let config = ConvTranspose3dConfig { stride: [1, 1, 2], ..Default::default() };
/// let y = ops::conv_transpose3d(&x, &weight, None, &config)?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [3.0; 4]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn conv_transpose3d(
    x: &ChannelsLast,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &ConvTranspose3dConfig,
) -> Result<ChannelsLast> {
    const OP: &str = "conv_transpose3d";
    let shape = transposed_shape(x.tensor().dims5()?.into(), rank_5(OP, weight)?, config)?;
    let y = apply(
        OP,
        Transposed { shape, algorithm: Conv3dAlgorithm::Auto },
        x,
        weight,
        bias,
        shape.c_in,
    )?;
    ChannelsLast::new(y)
}

/// The convolution that this is the input gradient of.
fn transposed_shape(
    x: [usize; 5],
    weight: [usize; 5],
    config: &ConvTranspose3dConfig,
) -> std::result::Result<ConvShape, Error> {
    const OP: &str = "conv_transpose3d";
    let ConvTranspose3dConfig { stride, padding, output_padding, dilation, groups } = *config;
    let [batch, sx, sy, sz, c_in] = x;
    let [w_in, c_out_group, kx, ky, kz] = weight;
    let (space, kernel) = ([sx, sy, sz], [kx, ky, kz]);
    let refused = |argument, found: String, expected: String| {
        Err(Error::Argument { op: OP, argument, found, expected })
    };
    if groups == 0 || !c_in.is_multiple_of(groups) {
        let expected = format!("a divisor of {c_in} input channels");
        return refused("groups", groups.to_string(), expected);
    }
    if weight.contains(&0) || w_in != c_in {
        let expected = format!("[{c_in}, c_out / groups, kx, ky, kz] for x of the shape {x:?}");
        let found = weight.to_vec();
        return Err(Error::Shape { op: OP, argument: "weight", found, expected });
    }
    let mut output = [0; 3];
    for axis in 0..3 {
        if stride[axis] == 0 || dilation[axis] == 0 {
            let found = format!("{stride:?} and {dilation:?}");
            return refused("stride and dilation", found, "at least 1 along each axis".into());
        }
        if output_padding[axis] >= stride[axis].max(dilation[axis]) {
            let expected = format!("less than the stride {stride:?} or the dilation {dilation:?}");
            return refused("output_padding", format!("{output_padding:?}"), expected);
        }
        let reach = (space[axis] - 1).checked_mul(stride[axis]).and_then(|n| {
            n.checked_add((kernel[axis] - 1).checked_mul(dilation[axis])?)?
                .checked_add(output_padding[axis] + 1)
        });
        output[axis] = match (reach, padding[axis].checked_mul(2)) {
            (Some(reach), Some(cut)) if reach > cut => reach - cut,
            _ => {
                let expected = format!(
                    "some output: x of the shape {x:?}, weight of the shape {weight:?}, \
                     stride {stride:?}, dilation {dilation:?}"
                );
                return refused("padding", format!("{padding:?}"), expected);
            }
        };
    }
    let c_out = c_out_group.checked_mul(groups);
    let total = output.iter().try_fold(batch, |n, &axis| n.checked_mul(axis));
    let total = total.zip(c_out).and_then(|(n, c)| n.checked_mul(c));
    match (c_out, total) {
        (Some(c_out), Some(total)) if total <= isize::MAX as usize / 8 => Ok(ConvShape {
            batch,
            c_in: c_out,
            c_out: c_in,
            groups,
            input: output,
            output: space,
            kernel,
            stride,
            dilation,
            padding,
        }),
        _ => refused("stride", format!("{stride:?}"), "an output that fits memory".into()),
    }
}

pub(super) fn rank_5(op: &'static str, weight: &Tensor) -> std::result::Result<[usize; 5], Error> {
    weight.dims().try_into().map_err(|_| Error::Shape {
        op,
        argument: "weight",
        found: weight.dims().to_vec(),
        expected: "five axes, channels before kernel".into(),
    })
}

pub(super) fn check_bias(
    op: &'static str,
    bias: &Tensor,
    weight: &Tensor,
    c_out: usize,
) -> std::result::Result<(), Error> {
    if bias.dims() == [c_out] {
        return Ok(());
    }
    let expected = format!("[{c_out}] for weight of the shape {:?}", weight.dims());
    Err(Error::Shape { op, argument: "bias", found: bias.dims().to_vec(), expected })
}

/// Checks dtypes and the bias, then records the operation.
fn apply<C>(
    op: &'static str,
    custom: C,
    x: &ChannelsLast,
    weight: &Tensor,
    bias: Option<&Tensor>,
    c_out: usize,
) -> Result<Tensor>
where
    C: CustomOp2 + CustomOp3 + Send + Sync + 'static,
{
    let x = x.tensor();
    if !matches!(x.dtype(), DType::F32 | DType::BF16 | DType::F64) {
        return Err(unknown_dtype(op, "x", x.dtype()));
    }
    let others = [("weight", Some(weight)), ("bias", bias)];
    for (argument, tensor) in others.into_iter().filter_map(|(name, t)| Some((name, t?))) {
        if tensor.dtype() != x.dtype() || !tensor.device().same_device(x.device()) {
            let found = format!("{} on {:?}", tensor.dtype().as_str(), tensor.device());
            let expected = format!("{} on {:?}, as x", x.dtype().as_str(), x.device());
            return Err(Error::DType { op, argument, found, expected }.into());
        }
    }
    let weight = weight.contiguous()?;
    let Some(bias) = bias else { return apply2(x, &weight, custom, Needs::Inputs) };
    check_bias(op, bias, &weight, c_out)?;
    apply3(x, &weight, &bias.contiguous()?, custom, Needs::Inputs)
}
