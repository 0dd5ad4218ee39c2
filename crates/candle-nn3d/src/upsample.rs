//! Upsampling, nearest and trilinear.

use candle_core::{Module, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::channels_last::ChannelsLast;
use crate::error::Error;
use crate::kernels::axis_map::AxisMap;
use crate::resample::{Resample, check_output_size};

#[cfg(test)]
mod tests;

const NEAREST: &str = "upsample_nearest";
const TRILINEAR: &str = "upsample_trilinear";

/// Repeats every voxel `factors` times along each axis.
///
/// # Shapes
/// `[n, x, y, z, c]` to `[n, fx·x, fy·y, fz·z, c]`.
///
/// # Errors
/// A factor of 0, an output beyond memory, or a dtype other than f32, bf16 and f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 2.0], &Device::Cpu)?.reshape((1, 1, 1, 2, 1))?;
/// let y = ops::upsample_nearest(&ChannelsLast::new(x)?, [1, 1, 2])?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn upsample_nearest(x: &ChannelsLast, factors: [usize; 3]) -> Result<ChannelsLast> {
    let space = x.space();
    let size = std::array::from_fn(|axis| space[axis].saturating_mul(factors[axis]));
    check_output_size(NEAREST, "factors", factors, x, size)?;
    nearest(x, size)
}

/// Takes voxel ⌊o · size of the input / `size`⌋ of the input for voxel o of the output, per axis.
///
/// # Shapes
/// `[n, x, y, z, c]` to `[n, size.., c]`; smaller sizes than the input's are allowed.
///
/// # Errors
/// An empty size, one beyond memory, or a dtype other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.functional.interpolate(mode="nearest")`, which rounds the quotient to f32 first and
/// for a few sizes therefore takes the voxel before; this is exact.
pub fn upsample_nearest_to(x: &ChannelsLast, size: [usize; 3]) -> Result<ChannelsLast> {
    check_output_size(NEAREST, "size", size, x, size)?;
    nearest(x, size)
}

fn nearest(x: &ChannelsLast, size: [usize; 3]) -> Result<ChannelsLast> {
    let space = x.space();
    if size == space {
        return Ok(x.clone());
    }
    let axes = std::array::from_fn(|axis| AxisMap::nearest(space[axis], size[axis]));
    Resample { op: NEAREST, axes }.apply(x)
}

/// Interpolates linearly along each axis, to ⌊size · factor⌋ voxels.
///
/// Voxel o of the output lies at max(0, (o + ½) / factor − ½) of the input: corners of voxels, not
/// their centres, stay aligned. Beyond the last centre the last voxel holds.
///
/// # Shapes
/// `[n, x, y, z, c]` to `[n, ⌊fx·x⌋, ⌊fy·y⌋, ⌊fz·z⌋, c]`.
///
/// # Errors
/// A factor that is not positive and finite, an output that is empty or beyond memory, or a dtype
/// other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.functional.interpolate(mode="trilinear", align_corners=False)`. Weights here are f64
/// products, rounded once; a voxel of weight zero is not read, so its infinity does not spread.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[0.0_f32, 4.0], &Device::Cpu)?.reshape((1, 1, 1, 2, 1))?;
/// let y = ops::upsample_trilinear(&ChannelsLast::new(x)?, [1.0, 1.0, 2.0])?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn upsample_trilinear(x: &ChannelsLast, factors: [f64; 3]) -> Result<ChannelsLast> {
    let size = scaled(TRILINEAR, x, factors)?;
    trilinear(x, size, factors.map(|factor| 1.0 / factor))
}

/// [`upsample_trilinear`] by the factors that lead to exactly `size` voxels.
///
/// # Errors
/// An empty size, one beyond memory, or a dtype other than f32, bf16 and f64.
pub fn upsample_trilinear_to(x: &ChannelsLast, size: [usize; 3]) -> Result<ChannelsLast> {
    check_output_size(TRILINEAR, "size", size, x, size)?;
    let space = x.space();
    trilinear(x, size, std::array::from_fn(|axis| space[axis] as f64 / size[axis] as f64))
}

fn trilinear(x: &ChannelsLast, size: [usize; 3], scale: [f64; 3]) -> Result<ChannelsLast> {
    let space = x.space();
    if size == space && scale == [1.0; 3] {
        return Ok(x.clone());
    }
    let axes = std::array::from_fn(|axis| AxisMap::linear(space[axis], size[axis], scale[axis]));
    Resample { op: TRILINEAR, axes }.apply(x)
}

/// ⌊size · factor⌋ along each axis.
fn scaled(op: &'static str, x: &ChannelsLast, factors: [f64; 3]) -> Result<[usize; 3]> {
    if factors.iter().any(|factor| !factor.is_finite() || *factor <= 0.0) {
        let (found, shape) = (format!("{factors:?}"), x.tensor().dims());
        let expected = format!("positive and finite along each axis of x, {shape:?}");
        return Err(Error::Argument { op, argument: "factors", found, expected }.into());
    }
    let space = x.space();
    let size = std::array::from_fn(|axis| (space[axis] as f64 * factors[axis]) as usize);
    check_output_size(op, "factors", factors, x, size)?;
    Ok(size)
}

/// How [`Upsample`] fills in between voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpsampleMode {
    /// The nearest voxel towards the low edge.
    #[default]
    Nearest,
    /// Linear interpolation, corners of voxels aligned.
    Trilinear,
}

/// How large the output of [`Upsample`] is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpsampleTo {
    /// Multiples of the input's size, rounded down. Positions are those of the factors themselves,
    /// as PyTorch has them, not of the rounded sizes.
    Factors([f64; 3]),
    /// Voxels.
    Size([usize; 3]),
}

/// A layer that upsamples.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn3d::{Upsample, UpsampleMode, UpsampleTo};
/// let layer = Upsample { mode: UpsampleMode::Trilinear, to: UpsampleTo::Factors([2.0; 3]) };
/// let x = Tensor::ones((1, 4, 2, 3, 5), DType::F32, &Device::Cpu)?;
/// assert_eq!(layer.forward(&x)?.dims(), [1, 4, 4, 6, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    /// How to fill in between voxels.
    pub mode: UpsampleMode,
    /// How large the output is.
    pub to: UpsampleTo,
}

impl Upsample {
    /// The layer on channels-last activations.
    ///
    /// # Errors
    /// As [`upsample_nearest_to`] and [`upsample_trilinear`].
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        match (self.mode, self.to) {
            (UpsampleMode::Nearest, UpsampleTo::Size(size)) => upsample_nearest_to(x, size),
            (UpsampleMode::Trilinear, UpsampleTo::Size(size)) => upsample_trilinear_to(x, size),
            (UpsampleMode::Trilinear, UpsampleTo::Factors(factors)) => {
                upsample_trilinear(x, factors)
            }
            (UpsampleMode::Nearest, UpsampleTo::Factors(factors)) => {
                let (space, size) = (x.space(), scaled(NEAREST, x, factors)?);
                let along = |axis| AxisMap::nearest_by(space[axis], size[axis], factors[axis]);
                Resample { op: NEAREST, axes: std::array::from_fn(along) }.apply(x)
            }
        }
    }
}

impl Module for Upsample {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}
