//! Layer norm over the last axis.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Module, Result, Shape, Tensor, WithDType};
use candle_nn::{Init, VarBuilder};

#[cfg(feature = "cuda")]
use crate::cuda::{
    gpu::Gpu,
    layer_norm as on_gpu,
    machine::Number,
    tensors::{slice, tensor, with_operands},
};
use crate::dense::{elements, for_dtype, with_elements};
use crate::grouped_norm::parameter_gradient;
use crate::kernels::real::Element;
use crate::kernels::row_norm::RowNorm;
use crate::kernels::tier::Tier;

pub(crate) mod ops {
    use super::{Operation, Result, Tensor};
    use crate::affine::{affine, check_eps};
    use crate::error::Error;
    use crate::tape::{Needs, apply3};

    /// y = (x - mean) / √(variance + eps) · weight + bias, with mean and biased variance over the
    /// last axis, for every token by itself.
    ///
    /// # Shapes
    /// x: `[.., c]`, any rank, no axis empty; weight and bias, ones and zeros where absent: `[c]`.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] for other shapes, and unless weight and bias fit x;
    /// [`Error::Argument`] unless `eps` is finite and not negative.
    ///
    /// # Source
    /// J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization" (2016); PyTorch's
    /// `layer_norm`.
    ///
    /// # Examples
    /// ```
    /// use candle_core::{Device, Tensor};
    /// let x = Tensor::new(&[[1.0_f64, 3.0], [10.0, 30.0]], &Device::Cpu)?;
    /// let y = candle_nn3d::ops::layer_norm(&x, None, None, 0.0)?;
    /// assert_eq!(y.to_vec2::<f64>()?, [[-1.0, 1.0], [-1.0, 1.0]]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn layer_norm(
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let op = Operation::NAME;
        if x.rank() == 0 || x.elem_count() == 0 {
            let expected = "[.., c], no axis empty".to_owned();
            let found = x.dims().to_vec();
            return Err(Error::Shape { op, argument: "x", found, expected }.into());
        }
        check_eps(op, eps)?;
        let (weight, bias) = affine(op, x, weight, bias)?;
        apply3(&x.contiguous()?, &weight, &bias, Operation { eps }, Needs::Inputs)
    }
}

/// Makes the statistics of a row again in the backward pass: the row is in the first-level cache
/// there, so that this costs less than keeping them.
struct Operation {
    eps: f64,
}

impl Operation {
    const NAME: &'static str = "layer_norm";

    fn gradients<T: Element>(
        &self,
        [x, weight, bias, dy]: [&Tensor; 4],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut dx = T::unwritten(x.elem_count());
        let mut kernel = |x: &[T], weight: &[T], bias: &[T], dy: &[T]| {
            let norm = RowNorm { tier: Tier::current(), eps: self.eps, weight, bias };
            norm.backward(x, dy, &mut dx)
        };
        let totals = with_elements(x, |x| {
            with_elements(weight, |weight| {
                with_elements(bias, |bias| with_elements(dy, |dy| Ok(kernel(x, weight, bias, dy))))
            })
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        let [weight, bias] = totals.map(|total| parameter_gradient::<T>(&total, x));
        Ok((Some(dx), Some(weight?), Some(bias?)))
    }
}

#[cfg(feature = "cuda")]
impl Operation {
    fn gradients_on_gpu<T: Number>(
        &self,
        [x, weight, bias, dy]: [&Tensor; 4],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        let (op, held) = (Self::NAME, [x, weight, dy].map(Tensor::storage_and_layout));
        with_operands(op, &held, |gpu, [of_x, of_weight, dy]| {
            let (of_x, of_weight, dy) = (slice(op, of_x)?, slice(op, of_weight)?, slice(op, dy)?);
            let [dx, dw, db] = on_gpu::backward::<_, T>(gpu, self.eps, of_x, of_weight, dy)?;
            Ok((
                Some(tensor(gpu, dx, x.shape())),
                Some(tensor(gpu, dw, weight.shape())),
                Some(tensor(gpu, db, bias.shape())),
            ))
        })
    }
}

impl CustomOp3 for Operation {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        for_dtype!(Self::NAME, x.dtype(), T => {
            let x = elements::<T>(x, x_layout)?;
            let weight = elements(weight, weight_layout)?;
            let bias = elements(bias, bias_layout)?;
            let mut y = T::unwritten(x.len());
            let norm = RowNorm { tier: Tier::current(), eps: self.eps, weight, bias };
            norm.forward(x, &mut y);
            Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        for_dtype!(Self::NAME, x.dtype(), T => {
            let gpu = Gpu::of(x);
            let of_x = slice::<T>(Self::NAME, (x, x_layout))?;
            let weight = slice(Self::NAME, (weight, weight_layout))?;
            let bias = slice(Self::NAME, (bias, bias_layout))?;
            let y = on_gpu::forward(&gpu, self.eps, of_x, [weight, bias])?;
            Ok((gpu.storage(y), x_layout.shape().clone()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = &gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if dy.device().is_cuda() {
            return for_dtype!(Self::NAME, x.dtype(), T => {
                self.gradients_on_gpu::<T>([x, weight, bias, dy])
            });
        }
        for_dtype!(Self::NAME, x.dtype(), T => self.gradients::<T>([x, weight, bias, dy]))
    }
}

/// Layer norm over the last axis with its weight and bias; a [`Module`] on `[.., c]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

/// Layer norm with `weight` and `bias` of `channels` numbers each, initially ones and zeros.
///
/// # Errors
/// When the store lacks them or has them in another shape.
pub fn layer_norm(channels: usize, eps: f64, vb: VarBuilder<'_>) -> Result<LayerNorm> {
    let weight = vb.get_with_hints(channels, "weight", Init::Const(1.0))?;
    let bias = vb.get_with_hints(channels, "bias", Init::Const(0.0))?;
    Ok(LayerNorm { weight, bias, eps })
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, Some(&self.weight), Some(&self.bias), self.eps)
    }
}

#[cfg(test)]
mod tests;
