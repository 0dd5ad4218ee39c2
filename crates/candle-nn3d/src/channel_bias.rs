//! A vector of channels added to every voxel of an item, as a time embedding is.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{gpu::Gpu, item_channels as on_gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::channel_bias;
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply2};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

const OP: &str = "add_channel_bias";

/// `y[n, .., c] = x[n, .., c] + bias[n, c]`: every item has a bias of its own.
///
/// The gradient of the bias, a sum over voxels, is made in f64 and rounded once.
///
/// # Shapes
/// `x` `[n, x, y, z, c]`, `bias` `[n, c]`, the result as `x`.
///
/// # Errors
/// [`Error::Shape`] and [`Error::DType`] unless the bias fits x, which is f32, bf16 or f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 2.0, 3.0, 4.0], &Device::Cpu)?.reshape((1, 1, 1, 2, 2))?;
/// let bias = Tensor::new(&[[10.0_f32, 20.0]], &Device::Cpu)?;
/// let y = ops::add_channel_bias(&ChannelsLast::new(x)?, &bias)?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [11.0, 22.0, 13.0, 24.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn add_channel_bias(x: &ChannelsLast, bias: &Tensor) -> Result<ChannelsLast> {
    let wanted = [x.batch(), x.channels()];
    let x = x.tensor();
    if bias.dims() != wanted {
        let expected = format!("{wanted:?} for x of the shape {:?}", x.dims());
        let found = bias.dims().to_vec();
        return Err(Error::Shape { op: OP, argument: "bias", found, expected }.into());
    }
    if bias.dtype() != x.dtype() {
        let (found, expected) = (bias.dtype().as_str().into(), x.dtype().as_str().into());
        return Err(Error::DType { op: OP, argument: "bias", found, expected }.into());
    }
    ChannelsLast::new(apply2(x, &bias.contiguous()?, AddChannelBias, Needs::Shapes)?)
}

struct AddChannelBias;

impl AddChannelBias {
    fn run<T: Element>(
        (x, x_layout): (&CpuStorage, &Layout),
        (bias, bias_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let channels = x_layout.dims()[4];
        let x = elements::<T>(OP, "x", x, x_layout)?;
        let bias = elements::<T>(OP, "bias", bias, bias_layout)?;
        let mut y = T::unwritten(x.len());
        channel_bias::add(Tier::current(), channels, x, bias, &mut y);
        Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
    }
}

impl CustomOp2 for AddChannelBias {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = ((x, x_layout), (bias, bias_layout));
        by_dtype!(OP, "x", x.0.dtype(), T => Self::run::<T>(x, bias))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (n, _, _, _, channels) = x_layout.shape().dims5()?;
        by_dtype!(OP, "x", x.dtype(), T => {
            let (gpu, of_x) = (Gpu::of(x), slice::<T>(OP, (x, x_layout))?);
            let bias = slice(OP, (bias, bias_layout))?;
            let y = on_gpu::add_to_items(&gpu, (n, channels), of_x, bias)?;
            Ok((gpu.storage(y), x_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_bias = |()| gradient.contiguous()?.apply_op1_no_bwd(&ChannelSums);
        Ok((
            x.track_op().then(|| gradient.clone()),
            bias.track_op().then_some(()).map(of_bias).transpose()?,
        ))
    }
}

/// `[n, x, y, z, c]` to `[n, c]`.
struct ChannelSums;

impl ChannelSums {
    fn run<T: Element>(storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, _, _, _, channels) = layout.shape().dims5()?;
        let x = elements::<T>(OP, "gradient", storage, layout)?;
        let mut y = T::zeros(n * channels);
        channel_bias::sums(Tier::current(), channels, x, &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, channels))))
    }
}

impl CustomOp1 for ChannelSums {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(OP, "gradient", storage.dtype(), T => Self::run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, _, _, _, channels) = layout.shape().dims5()?;
        by_dtype!(OP, "gradient", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(OP, (x, layout))?);
            let y = on_gpu::rounded_sums::<_, T>(&gpu, (n, channels), 1.0, x)?;
            Ok((gpu.storage(y), Shape::from((n, channels))))
        })
    }
}
