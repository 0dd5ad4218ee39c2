//! The operation behind upsampling and average pooling: a separable linear map.

use std::fmt::Debug;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{gpu::Gpu, resample as on_gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::axis_map::AxisMap;
use crate::kernels::real::Element;
use crate::kernels::resample::resample;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply1};
use crate::typed_slice::{by_dtype, elements};

/// Applies a map along each axis; its gradient is the transposed map.
pub(crate) struct Resample {
    pub(crate) op: &'static str,
    pub(crate) axes: [AxisMap; 3],
}

impl Resample {
    pub(crate) fn apply(self, x: &ChannelsLast) -> Result<ChannelsLast> {
        ChannelsLast::new(apply1(x.tensor(), self, Needs::Shapes)?)
    }

    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(self.op, "x", storage, layout)?;
        let (n, _, _, _, c) = layout.shape().dims5()?;
        let [sx, sy, sz] = self.axes.each_ref().map(AxisMap::outputs);
        let mut y = T::unwritten(n * sx * sy * sz * c);
        resample(Tier::current(), &self.axes, c, x, &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, sx, sy, sz, c))))
    }
}

impl CustomOp1 for Resample {
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(self.op, "x", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, _, _, _, c) = layout.shape().dims5()?;
        let [sx, sy, sz] = self.axes.each_ref().map(AxisMap::outputs);
        by_dtype!(self.op, "x", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(self.op, (x, layout))?);
            let y = on_gpu::resample(&gpu, &self.axes, (n, c), x)?;
            Ok((gpu.storage(y), Shape::from((n, sx, sy, sz, c))))
        })
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let back = Self { op: self.op, axes: self.axes.each_ref().map(AxisMap::transposed) };
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}

/// Refuses a size of the output that is empty or beyond memory.
pub(crate) fn check_output_size(
    op: &'static str,
    argument: &'static str,
    setting: impl Debug,
    x: &ChannelsLast,
    size: [usize; 3],
) -> Result<()> {
    let elements = size.iter().try_fold(x.batch(), |n, &axis| n.checked_mul(axis));
    let elements = elements.and_then(|n| n.checked_mul(x.channels()));
    if elements.is_some_and(|n| n > 0 && n <= isize::MAX as usize / 8) {
        return Ok(());
    }
    let (found, shape) = (format!("{setting:?}"), x.tensor().dims());
    let expected = format!("an output that is not empty and fits memory, for x of {shape:?}");
    Err(Error::Argument { op, argument, found, expected }.into())
}
