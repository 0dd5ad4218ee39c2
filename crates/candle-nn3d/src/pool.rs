//! Average and max pooling.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Module, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{gpu::Gpu, item_channels, max_pool as on_gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::axis_map::AxisMap;
use crate::kernels::global_mean::global_mean;
use crate::kernels::max_pool::{self, Windows};
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::resample::{Resample, check_output_size};
use crate::tape::{Needs, apply1};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

const AVERAGE: &str = "avg_pool3d";
const MAX: &str = "max_pool3d";
const GLOBAL: &str = "global_avg_pool3d";

/// The mean of every window of `kernel` voxels.
///
/// Padding counts as zeros if `count_include_pad`, else only voxels of the input count.
///
/// # Shapes
/// `[n, x, y, z, c]` to ⌊(size + 2 · padding − kernel) / stride⌋ + 1 voxels along each axis.
///
/// # Errors
/// A kernel or stride of 0, padding beyond half the kernel, a kernel larger than the padded input,
/// or a dtype other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.AvgPool3d` with `ceil_mode=False`.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 3.0, 5.0, 9.0], &Device::Cpu)?.reshape((1, 1, 1, 4, 1))?;
/// let y = ops::avg_pool3d(&ChannelsLast::new(x)?, [1, 1, 2], [1, 1, 2], [0; 3], true)?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [2.0, 7.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn avg_pool3d(
    x: &ChannelsLast,
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
    count_include_pad: bool,
) -> Result<ChannelsLast> {
    let Windows { input, output, .. } = windows(AVERAGE, x, kernel, stride, padding)?;
    let axes = std::array::from_fn(|axis| {
        let window = [kernel[axis], stride[axis], padding[axis]];
        AxisMap::window_mean(input[axis], output[axis], window, count_include_pad)
    });
    Resample { op: AVERAGE, axes }.apply(x)
}

/// The largest value of every window of `kernel` voxels; padding never is it.
///
/// A NaN in a window is its value. The gradient goes to the first of equal values, x slowest.
///
/// # Shapes
/// `[n, x, y, z, c]` to ⌊(size + 2 · padding − kernel) / stride⌋ + 1 voxels along each axis.
///
/// # Errors
/// A kernel or stride of 0, padding beyond half the kernel, a kernel larger than the padded input,
/// or a dtype other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.MaxPool3d` with `dilation=1` and `ceil_mode=False`.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 3.0, 5.0, 2.0], &Device::Cpu)?.reshape((1, 1, 1, 4, 1))?;
/// let y = ops::max_pool3d(&ChannelsLast::new(x)?, [1, 1, 2], [1, 1, 1], [0; 3])?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [3.0, 5.0, 5.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn max_pool3d(
    x: &ChannelsLast,
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
) -> Result<ChannelsLast> {
    let windows = windows(MAX, x, kernel, stride, padding)?;
    ChannelsLast::new(apply1(x.tensor(), MaxPool(windows), Needs::Inputs)?)
}

/// The mean of every channel over all voxels of an item, summed in f64.
///
/// # Shapes
/// `[n, x, y, z, c]` to `[n, 1, 1, 1, c]`.
///
/// # Errors
/// A dtype other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.AdaptiveAvgPool3d(1)`.
pub fn global_avg_pool3d(x: &ChannelsLast) -> Result<ChannelsLast> {
    ChannelsLast::new(apply1(x.tensor(), GlobalMean, Needs::Inputs)?)
}

/// The windows of a pooling, checked.
fn windows(
    op: &'static str,
    x: &ChannelsLast,
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
) -> Result<Windows> {
    let (input, shape) = (x.space(), x.tensor().dims());
    let refused = |argument, found: [usize; 3], expected: String| {
        let found = format!("{found:?}");
        Err(Error::Argument { op, argument, found, expected }.into())
    };
    // Places in a window are numbered in 32 bits.
    let taps = kernel.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    if !taps.is_some_and(|n| n > 0 && u32::try_from(n).is_ok()) {
        return refused("kernel", kernel, format!("1 to 2³² voxels, for x of {shape:?}"));
    }
    if stride.contains(&0) {
        return refused("stride", stride, format!("at least 1 along each axis of x, {shape:?}"));
    }
    let mut output = [0; 3];
    for axis in 0..3 {
        if padding[axis] > kernel[axis] / 2 {
            let expected = format!("at most half of the kernel {kernel:?}, for x of {shape:?}");
            return refused("padding", padding, expected);
        }
        let Some(room) = (input[axis] + 2 * padding[axis]).checked_sub(kernel[axis]) else {
            let expected = format!("at most x of {shape:?}, padded by {padding:?} on each side");
            return refused("kernel", kernel, expected);
        };
        output[axis] = room / stride[axis] + 1;
    }
    check_output_size(op, "padding", padding, x, output)?;
    Ok(Windows { input, output, kernel, stride, padding, channels: x.channels() })
}

struct MaxPool(Windows);

impl MaxPool {
    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(MAX, "x", storage, layout)?;
        let (n, [sx, sy, sz], c) = (layout.dims()[0], self.0.output, self.0.channels);
        let mut y = T::unwritten(n * sx * sy * sz * c);
        max_pool::forward(Tier::current(), &self.0, x, &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, sx, sy, sz, c))))
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        MAX
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(MAX, "x", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, [sx, sy, sz], c) = (layout.dims()[0], self.0.output, self.0.channels);
        by_dtype!(MAX, "x", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(MAX, (x, layout))?);
            let y = on_gpu::forward(&gpu, &self.0, x)?;
            Ok((gpu.storage(y), Shape::from((n, sx, sy, sz, c))))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        Ok(Some(x.apply_op2_no_bwd(&gradient, &MaxPoolGradient(self.0))?))
    }
}

struct MaxPoolGradient(Windows);

impl MaxPoolGradient {
    fn run<T: Element>(
        &self,
        (x, x_layout): (&CpuStorage, &Layout),
        (upstream, upstream_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(MAX, "x", x, x_layout)?;
        let upstream = elements::<T>(MAX, "gradient", upstream, upstream_layout)?;
        let mut gradient = T::zeros(x.len());
        max_pool::gradient(Tier::current(), &self.0, x, upstream, &mut gradient);
        Ok((T::to_cpu_storage_owned(gradient), x_layout.shape().clone()))
    }
}

impl CustomOp2 for MaxPoolGradient {
    fn name(&self) -> &'static str {
        MAX
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        upstream: &CpuStorage,
        upstream_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, upstream) = ((x, x_layout), (upstream, upstream_layout));
        by_dtype!(MAX, "x", x.0.dtype(), T => self.run::<T>(x, upstream))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        upstream: &CudaStorage,
        upstream_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        by_dtype!(MAX, "x", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(MAX, (x, x_layout))?);
            let upstream = slice(MAX, (upstream, upstream_layout))?;
            let gradient = on_gpu::gradient(&gpu, &self.0, x, upstream)?;
            Ok((gpu.storage(gradient), x_layout.shape().clone()))
        })
    }
}

struct GlobalMean;

impl GlobalMean {
    fn run<T: Element>(storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(GLOBAL, "x", storage, layout)?;
        let (n, _, _, _, c) = layout.shape().dims5()?;
        let mut y = T::unwritten(n * c);
        global_mean(Tier::current(), c, x, &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, 1, 1, 1, c))))
    }
}

impl CustomOp1 for GlobalMean {
    fn name(&self) -> &'static str {
        GLOBAL
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(GLOBAL, "x", storage.dtype(), T => Self::run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, sx, sy, sz, c) = layout.shape().dims5()?;
        by_dtype!(GLOBAL, "x", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(GLOBAL, (x, layout))?);
            let voxels = (sx * sy * sz) as f64;
            let y = item_channels::rounded_sums::<_, T>(&gpu, (n, c), voxels, x)?;
            Ok((gpu.storage(y), Shape::from((n, 1, 1, 1, c))))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (_, sx, sy, sz, _) = x.dims5()?;
        let back = Resample { op: GLOBAL, axes: [sx, sy, sz].map(AxisMap::spread) };
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}

/// A layer that averages windows: [`avg_pool3d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvgPool3d {
    /// Voxels of a window.
    pub kernel: [usize; 3],
    /// Voxels from window to window.
    pub stride: [usize; 3],
    /// Zeros on each side of each axis.
    pub padding: [usize; 3],
    /// Whether padding counts.
    pub count_include_pad: bool,
}

impl AvgPool3d {
    /// Windows side by side, no padding.
    #[must_use]
    pub fn new(kernel: [usize; 3]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 3], count_include_pad: true }
    }

    /// The layer on channels-last activations.
    ///
    /// # Errors
    /// As [`avg_pool3d`].
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        avg_pool3d(x, self.kernel, self.stride, self.padding, self.count_include_pad)
    }
}

impl Module for AvgPool3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// A layer that takes the largest value of windows: [`max_pool3d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool3d {
    /// Voxels of a window.
    pub kernel: [usize; 3],
    /// Voxels from window to window.
    pub stride: [usize; 3],
    /// Voxels that do not count on each side of each axis.
    pub padding: [usize; 3],
}

impl MaxPool3d {
    /// Windows side by side, no padding.
    #[must_use]
    pub fn new(kernel: [usize; 3]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 3] }
    }

    /// The layer on channels-last activations.
    ///
    /// # Errors
    /// As [`max_pool3d`].
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        max_pool3d(x, self.kernel, self.stride, self.padding)
    }
}

impl Module for MaxPool3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}
