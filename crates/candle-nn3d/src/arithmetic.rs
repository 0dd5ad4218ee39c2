//! Sums and multiples of activations on all cores; candle's own run on one.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{elementwise as on_gpu, gpu::Gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::arithmetic;
use crate::kernels::real::{Element, Real};
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply1, apply2};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

const ADD: &str = "add";
const SCALE: &str = "scale";

/// The sum of two activations of the same shape, as at the end of a residual block.
///
/// # Errors
/// Shapes or dtypes that differ, or a dtype other than f32, bf16 and f64.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = ChannelsLast::new(Tensor::ones((1, 2, 2, 2, 3), DType::F32, &Device::Cpu)?)?;
/// let y = ops::add(&x, &ops::scale(&x, 0.5)?)?;
/// assert_eq!(y.tensor().sum_all()?.to_scalar::<f32>()?, 36.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn add(a: &ChannelsLast, b: &ChannelsLast) -> Result<ChannelsLast> {
    let (a, b) = (a.tensor(), b.tensor());
    if a.dims() != b.dims() {
        let (found, expected) = (b.dims().to_vec(), format!("that of a, {:?}", a.dims()));
        return Err(Error::Shape { op: ADD, argument: "b", found, expected }.into());
    }
    if a.dtype() != b.dtype() {
        let (found, expected) = (b.dtype().as_str().into(), a.dtype().as_str().into());
        return Err(Error::DType { op: ADD, argument: "b", found, expected }.into());
    }
    ChannelsLast::new(apply2(a, b, Add, Needs::Shapes)?)
}

/// `factor` times an activation.
///
/// # Errors
/// A dtype other than f32, bf16 and f64.
pub fn scale(x: &ChannelsLast, factor: f64) -> Result<ChannelsLast> {
    ChannelsLast::new(apply1(x.tensor(), Scale(factor), Needs::Shapes)?)
}

/// The sum of two gradients of the same tensor.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op2_no_bwd(&b.contiguous()?, &Add)
}

struct Add;

impl Add {
    fn run<T: Element>(
        (a, a_layout): (&CpuStorage, &Layout),
        (b, b_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let a = elements::<T>(ADD, "a", a, a_layout)?;
        let b = elements::<T>(ADD, "b", b, b_layout)?;
        let mut y = T::unwritten(a.len());
        arithmetic::add(Tier::current(), a, b, &mut y);
        Ok((T::to_cpu_storage_owned(y), a_layout.shape().clone()))
    }
}

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        ADD
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = ((a, a_layout), (b, b_layout));
        by_dtype!(ADD, "a", a.0.dtype(), T => Self::run::<T>(a, b))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        by_dtype!(ADD, "a", a.dtype(), T => {
            let gpu = Gpu::of(a);
            let (a, b) = (slice::<T>(ADD, (a, a_layout))?, slice(ADD, (b, b_layout))?);
            Ok((gpu.storage(on_gpu::add(&gpu, a, b)?), a_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // candle would add up a gradient that nothing asks for, too.
        let of = |x: &Tensor| x.track_op().then(|| gradient.clone());
        Ok((of(a), of(b)))
    }
}

struct Scale(f64);

impl Scale {
    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(SCALE, "x", storage, layout)?;
        let mut y = T::unwritten(x.len());
        arithmetic::scale(Tier::current(), T::Real::from_f64(self.0), x, &mut y);
        Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
    }
}

impl CustomOp1 for Scale {
    fn name(&self) -> &'static str {
        SCALE
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(SCALE, "x", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        by_dtype!(SCALE, "x", x.dtype(), T => {
            let gpu = Gpu::of(x);
            let y = on_gpu::scale::<_, T>(&gpu, self.0, slice(SCALE, (x, layout))?)?;
            Ok((gpu.storage(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(self)?))
    }
}
