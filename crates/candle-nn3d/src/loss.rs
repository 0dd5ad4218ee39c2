//! Losses: mean penalties of the difference between a prediction and a target.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
use crate::cuda::{
    gpu::Gpu,
    loss as on_gpu,
    tensors::{compute, slice},
};
use crate::error::Error;
use crate::kernels::loss::{self as kernel, Absolute, Huber, Penalty, Square};
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply2};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

/// The mean of w · (prediction − target)².
///
/// Every loss here is the mean over all elements, summed in f64 in chunks of fixed size, and flows
/// back to the prediction and to the target. `weights` multiplies each item's penalties (1 if
/// there are none); the mean still divides by the number of elements, not by the weights' sum.
///
/// # Shapes
/// Any shape `[n, ..]`, the same for both; n weights. The result is a scalar, f32 (f64 for f64).
///
/// # Errors
/// Shapes or dtypes that differ, no elements, another number of weights than items, or a dtype
/// other than f32, bf16 and f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::ops;
/// let prediction = Tensor::new(&[[1.0_f32, 2.0], [3.0, 5.0]], &Device::Cpu)?;
/// let target = prediction.zeros_like()?;
/// assert_eq!(ops::mse_loss(&prediction, &target, None)?.to_scalar::<f32>()?, 9.75);
/// let weighted = ops::mse_loss(&prediction, &target, Some(&[4.0, 0.0]))?;
/// assert_eq!(weighted.to_scalar::<f32>()?, 5.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn mse_loss(prediction: &Tensor, target: &Tensor, weights: Option<&[f64]>) -> Result<Tensor> {
    mean_penalty("mse_loss", Square, prediction, target, weights)
}

/// The mean of w · |prediction − target|; its slope at 0 is 0.
///
/// # Shapes
/// As [`mse_loss`].
///
/// # Errors
/// As [`mse_loss`].
pub fn l1_loss(prediction: &Tensor, target: &Tensor, weights: Option<&[f64]>) -> Result<Tensor> {
    mean_penalty("l1_loss", Absolute, prediction, target, weights)
}

/// The mean of w · h(prediction − target), with h(d) = d² / 2 for |d| ≤ δ and δ (|d| − δ / 2)
/// beyond.
///
/// # Shapes
/// As [`mse_loss`].
///
/// # Errors
/// As [`mse_loss`], and `delta` that is not positive and finite.
///
/// # Source
/// Huber, "Robust estimation of a location parameter", 1964; `torch.nn.HuberLoss`.
pub fn huber_loss(
    prediction: &Tensor,
    target: &Tensor,
    delta: f64,
    weights: Option<&[f64]>,
) -> Result<Tensor> {
    const OP: &str = "huber_loss";
    if !delta.is_finite() || delta <= 0.0 {
        let (found, expected) = (delta.to_string(), "positive and finite".into());
        return Err(Error::Argument { op: OP, argument: "delta", found, expected }.into());
    }
    mean_penalty(OP, Huber(delta), prediction, target, weights)
}

fn mean_penalty<P: Penalty + 'static>(
    op: &'static str,
    penalty: P,
    prediction: &Tensor,
    target: &Tensor,
    weights: Option<&[f64]>,
) -> Result<Tensor> {
    let shape = prediction.dims();
    if target.dims() != shape {
        let (found, expected) = (target.dims().to_vec(), format!("the prediction's, {shape:?}"));
        return Err(Error::Shape { op, argument: "target", found, expected }.into());
    }
    if target.dtype() != prediction.dtype() {
        let found = target.dtype().as_str().to_owned();
        let expected = format!("the prediction's, {}", prediction.dtype().as_str());
        return Err(Error::DType { op, argument: "target", found, expected }.into());
    }
    if prediction.elem_count() == 0 {
        let (found, expected) = (shape.to_vec(), "no axis empty".into());
        return Err(Error::Shape { op, argument: "prediction", found, expected }.into());
    }
    let items = shape.first().copied().unwrap_or(1);
    if let Some(weights) = weights.filter(|weights| weights.len() != items) {
        let (found, expected) = (vec![weights.len()], format!("[{items}], for {shape:?}"));
        return Err(Error::Shape { op, argument: "weights", found, expected }.into());
    }
    let weights = weights.map_or_else(|| vec![1.0; items], <[f64]>::to_vec);
    let op = MeanPenalty { op, penalty, weights };
    apply2(&prediction.contiguous()?, &target.contiguous()?, op, Needs::Inputs)
}

#[derive(Clone)]
struct MeanPenalty<P> {
    op: &'static str,
    penalty: P,
    weights: Vec<f64>,
}

impl<P: Penalty> MeanPenalty<P> {
    fn run<T: Element>(
        &self,
        (a, a_layout): (&CpuStorage, &Layout),
        (b, b_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let a = elements::<T>(self.op, "prediction", a, a_layout)?;
        let b = elements::<T>(self.op, "target", b, b_layout)?;
        let mean = kernel::mean(Tier::current(), self.penalty, &self.weights, a, b);
        let scalar = match T::DTYPE {
            DType::F64 => CpuStorage::F64(vec![mean]),
            _ => CpuStorage::F32(vec![mean as f32]),
        };
        Ok((scalar, Shape::from(())))
    }
}

#[cfg(feature = "cuda")]
impl<P: Penalty> MeanPenalty<P> {
    /// The gradient of the prediction or (`of_b`) of the target. What comes from above stays on the
    /// device: nothing waits for it.
    fn slopes_on_gpu(&self, tensors: [&Tensor; 3], of_b: bool) -> Result<Tensor> {
        let Self { op, penalty, ref weights } = *self;
        compute(op, tensors, |gpu, [a, b, upstream]| {
            by_dtype!(op, "prediction", a.0.dtype(), T => {
                let shape = a.1.shape().clone();
                let (a, b) = (slice::<T>(op, a)?, slice(op, b)?);
                let upstream = slice(op, upstream)?;
                let slopes = on_gpu::gradient(gpu, penalty, weights, upstream, [a, b], of_b)?;
                Ok((gpu.storage(slopes), shape))
            })
        })
    }
}

impl<P: Penalty + 'static> CustomOp2 for MeanPenalty<P> {
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = ((a, a_layout), (b, b_layout));
        by_dtype!(self.op, "prediction", a.0.dtype(), T => self.run::<T>(a, b))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        by_dtype!(self.op, "prediction", a.dtype(), T => {
            let gpu = Gpu::of(a);
            let (a, b) = (slice::<T>(self.op, (a, a_layout))?, slice(self.op, (b, b_layout))?);
            let mean = on_gpu::mean::<_, T>(&gpu, self.penalty, &self.weights, a, b)?;
            Ok((gpu.storage(mean), Shape::from(())))
        })
    }

    fn bwd(
        &self,
        prediction: &Tensor,
        target: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            let of = |of_b| self.slopes_on_gpu([prediction, target, gradient], of_b);
            return Ok((
                prediction.track_op().then(|| of(false)).transpose()?,
                target.track_op().then(|| of(true)).transpose()?,
            ));
        }
        let upstream = gradient.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let of = |upstream: f64| {
            let slope = Slope { loss: self.clone(), upstream };
            prediction.apply_op2_no_bwd(target, &slope)
        };
        Ok((
            prediction.track_op().then(|| of(upstream)).transpose()?,
            target.track_op().then(|| of(-upstream)).transpose()?,
        ))
    }
}

/// The gradient of a [`MeanPenalty`] times `upstream`.
struct Slope<P> {
    loss: MeanPenalty<P>,
    upstream: f64,
}

impl<P: Penalty> Slope<P> {
    fn run<T: Element>(
        &self,
        (a, a_layout): (&CpuStorage, &Layout),
        (b, b_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let MeanPenalty { op, penalty, weights } = &self.loss;
        let a = elements::<T>(op, "prediction", a, a_layout)?;
        let b = elements::<T>(op, "target", b, b_layout)?;
        let mut gradient = T::unwritten(a.len());
        let (tier, upstream) = (Tier::current(), self.upstream);
        kernel::gradient(tier, *penalty, weights, upstream, [a, b], &mut gradient);
        Ok((T::to_cpu_storage_owned(gradient), a_layout.shape().clone()))
    }
}

impl<P: Penalty> CustomOp2 for Slope<P> {
    fn name(&self) -> &'static str {
        self.loss.op
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = ((a, a_layout), (b, b_layout));
        by_dtype!(self.loss.op, "prediction", a.0.dtype(), T => self.run::<T>(a, b))
    }
}
