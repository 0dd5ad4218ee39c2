//! Activation functions of tensors of any shape, on all cores.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};

#[cfg(feature = "cuda")]
use crate::cuda::{
    elementwise as on_gpu,
    gpu::Gpu,
    tensors::{compute, slice},
};
use crate::dense::{elements, for_dtype, with_elements};
use crate::error::Error;
use crate::kernels::activation::{Activation, Gelu, LeakyRelu, Relu, Silu};
use crate::kernels::elementwise;
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply1};

/// x / (1 + e⁻ˣ), also called swish.
///
/// # Errors
/// [`Error::DType`] unless f32, bf16 or f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// let y = candle_nn3d::ops::silu(&Tensor::new(&[0.0_f64, 2.0], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec1::<f64>()?, [0.0, 2.0 / (1.0 + (-2.0_f64).exp())]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn silu(x: &Tensor) -> Result<Tensor> {
    apply1(&x.contiguous()?, Elementwise(Silu), Needs::Inputs)
}

/// x · Φ(x) with the standard normal distribution Φ: the exact GELU, not the tanh approximation.
///
/// # Errors
/// [`Error::DType`] unless f32, bf16 or f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// let y = candle_nn3d::ops::gelu(&Tensor::new(&[1.0_f32], &Device::Cpu)?)?;
/// assert!((y.to_vec1::<f32>()?[0] - 0.841_344_75).abs() < 1e-7);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    apply1(&x.contiguous()?, Elementwise(Gelu), Needs::Inputs)
}

/// The larger of x and 0; its derivative at 0 is 0.
///
/// # Errors
/// [`Error::DType`] unless f32, bf16 or f64.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply1(&x.contiguous()?, Elementwise(Relu), Needs::Inputs)
}

/// x where it is positive, `slope` · x elsewhere; its derivative at 0 is `slope`.
///
/// # Errors
/// [`Error::Argument`] for a slope that is not finite; [`Error::DType`] unless f32, bf16 or f64.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    check_slope("leaky_relu", slope)?;
    apply1(&x.contiguous()?, Elementwise(LeakyRelu(slope)), Needs::Inputs)
}

pub(crate) fn check_slope(op: &'static str, slope: f64) -> Result<()> {
    if slope.is_finite() {
        return Ok(());
    }
    let (found, expected) = (slope.to_string(), "a finite number".to_owned());
    Err(Error::Argument { op, argument: "slope", found, expected }.into())
}

/// a · gelu(b), where a is the first half of the last axis and b, the gate, the second.
///
/// # Shapes
/// `[.., 2 h]` to `[.., h]`.
///
/// # Errors
/// [`Error::Shape`] unless the last axis is even and not empty; [`Error::DType`] unless f32, bf16
/// or f64.
///
/// # Source
/// N. Shazeer, "GLU variants improve transformer" (2020); the halves in the order of diffusers and
/// MONAI.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// let y = candle_nn3d::ops::geglu(&Tensor::new(&[3.0_f32, 20.0], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec1::<f32>()?, [60.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    match x.dims().last() {
        Some(&last) if last > 0 && last.is_multiple_of(2) => {
            apply1(&x.contiguous()?, Geglu, Needs::Inputs)
        }
        _ => {
            let expected = "[.., 2 h]: an even last axis, value half first".to_owned();
            let found = x.dims().to_vec();
            Err(Error::Shape { op: Geglu::NAME, argument: "x", found, expected }.into())
        }
    }
}

/// A function of every element by itself.
struct Elementwise<F>(F);

impl<F: Activation> CustomOp1 for Elementwise<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        for_dtype!(F::NAME, storage.dtype(), T => {
            let x = elements::<T>(storage, layout)?;
            let mut y = T::unwritten(x.len());
            elementwise::map(Tier::current(), self.0, x, &mut y);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        for_dtype!(F::NAME, x.dtype(), T => {
            let gpu = Gpu::of(x);
            let y = on_gpu::map::<_, T>(&gpu, self.0, slice(F::NAME, (x, layout))?)?;
            Ok((gpu.storage(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            return compute(F::NAME, [x, &gradient.contiguous()?], |gpu, [x, dy]| {
                for_dtype!(F::NAME, x.0.dtype(), T => {
                    let (of_x, dy) = (slice::<T>(F::NAME, x)?, slice(F::NAME, dy)?);
                    let dx = on_gpu::map_gradient(gpu, self.0, of_x, dy)?;
                    Ok((gpu.storage(dx), x.1.shape().clone()))
                })
            })
            .map(Some);
        }
        for_dtype!(F::NAME, x.dtype(), T => gradient_of(x, gradient, |x: &[T], dy, dx| {
            elementwise::map_gradient(Tier::current(), self.0, x, dy, dx);
        }))
    }
}

struct Geglu;

impl Geglu {
    const NAME: &'static str = "geglu";
}

impl CustomOp1 for Geglu {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (width, shape) = halved(layout);
        for_dtype!(Self::NAME, storage.dtype(), T => {
            let x = elements::<T>(storage, layout)?;
            let mut y = T::unwritten(x.len() / 2);
            elementwise::geglu(Tier::current(), width, x, &mut y);
            Ok((T::to_cpu_storage_owned(y), shape))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (width, shape) = halved(layout);
        for_dtype!(Self::NAME, x.dtype(), T => {
            let gpu = Gpu::of(x);
            let y = on_gpu::geglu::<_, T>(&gpu, width, slice(Self::NAME, (x, layout))?)?;
            Ok((gpu.storage(y), shape))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let width = x.dims().last().map_or(1, |last| last / 2);
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            return compute(Self::NAME, [x, &gradient.contiguous()?], |gpu, [x, dy]| {
                for_dtype!(Self::NAME, x.0.dtype(), T => {
                    let (of_x, dy) = (slice::<T>(Self::NAME, x)?, slice(Self::NAME, dy)?);
                    let dx = on_gpu::geglu_gradient(gpu, width, of_x, dy)?;
                    Ok((gpu.storage(dx), x.1.shape().clone()))
                })
            })
            .map(Some);
        }
        for_dtype!(Self::NAME, x.dtype(), T => gradient_of(x, gradient, |x: &[T], dy, dx| {
            elementwise::geglu_gradient(Tier::current(), width, x, dy, dx);
        }))
    }
}

/// Half of the last axis, and the shape that it leaves.
fn halved(layout: &Layout) -> (usize, Shape) {
    let mut dims = layout.dims().to_vec();
    let width = dims.last().map_or(1, |last| last / 2);
    if let Some(last) = dims.last_mut() {
        *last = width;
    }
    (width, Shape::from(dims))
}

/// The gradient of `x` by a kernel that takes `x`, the gradient of the result, and the output.
fn gradient_of<T: Element>(
    x: &Tensor,
    gradient: &Tensor,
    kernel: impl FnOnce(&[T], &[T], &mut [T]),
) -> Result<Option<Tensor>> {
    let mut dx = T::unwritten(x.elem_count());
    with_elements(x, |x| {
        with_elements(&gradient.contiguous()?, |dy| {
            kernel(x, dy, &mut dx);
            Ok(())
        })
    })?;
    Tensor::from_vec(dx, x.shape(), x.device()).map(Some)
}

#[cfg(test)]
mod tests;
