//! The operation behind group, instance and batch norm, as candle's autograd sees it.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, cuda_backend::CudaDType};

use crate::affine::{affine, check_eps};
use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{
    gpu::Gpu,
    grouped_norm as on_gpu,
    machine::{Number, Slice},
    tensors::{Operand, compute, operand, slice, tensor, with_operands},
};
use crate::dense::{elements, for_dtype, with_elements};
#[cfg(feature = "cuda")]
use crate::error::Error;
use crate::kernels::activation::Activation;
use crate::kernels::grouped_norm::{GroupedNorm, Standard};
use crate::kernels::moments::{Moments, NormShape, moments};
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply3};

/// Normalises by statistics of x itself and applies an affine map and an activation: two readings.
/// Returns the statistics too, of every item and group.
pub(crate) fn normalised<A: Activation>(
    op: &'static str,
    x: &ChannelsLast,
    shape: NormShape,
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
    activation: A,
) -> Result<(ChannelsLast, Statistics)> {
    check_eps(op, eps)?;
    let x = x.tensor();
    let (weight, bias) = affine(op, x, weight, bias)?;
    let (statistics, standards) = statistics(op, x, &shape, eps)?;
    let operation = Operation { op, shape, standards, of_input: true, activation };
    let y = ChannelsLast::new(apply3(x, &weight, &bias, operation, Needs::Inputs)?)?;
    Ok((y, statistics))
}

/// Normalises by a mean and a variance of every channel, which get no gradient.
pub(crate) fn normalised_by(
    op: &'static str,
    x: &ChannelsLast,
    [mean, variance]: [&Tensor; 2],
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<ChannelsLast> {
    let channels = x.channels();
    let x = x.tensor();
    let (weight, bias) = affine(op, x, weight, bias)?;
    let shape = NormShape { items: 1, rows: x.elem_count() / channels, channels, groups: channels };
    let standards = given_standards(mean, variance, eps)?;
    let activation = crate::kernels::activation::Identity;
    let operation = Operation { op, shape, standards, of_input: false, activation };
    ChannelsLast::new(apply3(x, &weight, &bias, operation, Needs::Inputs)?)
}

/// What was found out about every item and group of an input, where it was found out.
pub(crate) enum Statistics {
    Host(Vec<Moments>),
    /// Planes of means, of `1 / √(variance + eps)` and of sums of squared deviations, in f64.
    #[cfg(feature = "cuda")]
    Device(Tensor),
}

/// What every item and group is normalised with.
enum Standards {
    Host(Vec<Standard>),
    /// Planes of means and of factors, in f64; more may follow.
    #[cfg(feature = "cuda")]
    Device(Tensor),
}

impl Standards {
    fn on_host(&self) -> Option<&[Standard]> {
        match self {
            Self::Host(standards) => Some(standards),
            #[cfg(feature = "cuda")]
            Self::Device(_) => None,
        }
    }

    #[cfg(feature = "cuda")]
    fn on_device(&self, op: &'static str) -> Result<&Tensor> {
        match self {
            Self::Device(standards) => Ok(standards),
            Self::Host(_) => {
                let remedy = "move all of its tensors to one device";
                Err(Error::gpu(op, "its statistics are in memory".into(), remedy).into())
            }
        }
    }
}

fn statistics(
    op: &'static str,
    x: &Tensor,
    shape: &NormShape,
    eps: f64,
) -> Result<(Statistics, Standards)> {
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        let all = compute(op, [x], |gpu, [x]| {
            for_dtype!(op, x.0.dtype(), T => {
                let all = on_gpu::standards::<_, T>(gpu, shape, eps, slice(op, x)?)?;
                Ok((gpu.storage(all), Shape::from((3, shape.items * shape.groups))))
            })
        })?;
        return Ok((Statistics::Device(all.clone()), Standards::Device(all)));
    }
    let moments = for_dtype!(op, x.dtype(), T => {
        with_elements(x, |x: &[T]| Ok(moments(Tier::current(), shape, x)))
    })?;
    let standard = |m: &Moments| Standard { mean: m.mean, rstd: 1.0 / (m.variance() + eps).sqrt() };
    let standards = moments.iter().map(standard).collect();
    Ok((Statistics::Host(moments), Standards::Host(standards)))
}

fn given_standards(mean: &Tensor, variance: &Tensor, eps: f64) -> Result<Standards> {
    let in_double = |t: &Tensor| t.detach().to_dtype(DType::F64);
    let (mean, variance) = (in_double(mean)?, in_double(variance)?);
    #[cfg(feature = "cuda")]
    if mean.device().is_cuda() {
        let factor = (variance + eps)?.sqrt()?.recip()?;
        return Ok(Standards::Device(Tensor::stack(&[mean, factor], 0)?));
    }
    let pairs = mean.to_vec1::<f64>()?.into_iter().zip(variance.to_vec1::<f64>()?);
    let standard = |(mean, variance): (f64, f64)| {
        let rstd = 1.0 / (variance + eps).sqrt();
        Standard { mean, rstd }
    };
    Ok(Standards::Host(pairs.map(standard).collect()))
}

/// Keeps a mean and a factor per item and group for the backward pass: everything else is made
/// again from the arguments, which autograd keeps anyway.
struct Operation<A> {
    op: &'static str,
    shape: NormShape,
    standards: Standards,
    /// Whether the statistics are those of x, and so depend on it.
    of_input: bool,
    activation: A,
}

impl<A: Activation> Operation<A> {
    fn kernel<'a, T>(&'a self, weight: &'a [T], bias: &'a [T]) -> Result<GroupedNorm<'a, T, A>> {
        let Some(standards) = self.standards.on_host() else {
            candle_core::bail!("{}: the statistics are on a GPU, the numbers are not", self.op)
        };
        let (tier, shape, activation) = (Tier::current(), self.shape, self.activation);
        Ok(GroupedNorm { tier, shape, standards, weight, bias, activation })
    }

    fn gradients<T: Element>(
        &self,
        [x, weight, bias, dy]: [&Tensor; 4],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut dx = x.track_op().then(|| T::unwritten(x.elem_count()));
        let mut totals = [vec![0.0; weight.elem_count()], vec![0.0; bias.elem_count()]];
        let mut kernel = |x: &[T], weight: &[T], bias: &[T], dy: &[T]| {
            let kernel = self.kernel(weight, bias)?;
            let affine = kernel.affine_gradients(x, dy);
            if let Some(dx) = &mut dx {
                kernel.input_gradient(self.of_input.then_some(&affine[..]), x, dy, dx);
            }
            // Items in their order.
            for item in &affine {
                totals[0].iter_mut().zip(&item.weight).for_each(|(sum, x)| *sum += x);
                totals[1].iter_mut().zip(&item.bias).for_each(|(sum, x)| *sum += x);
            }
            Ok(())
        };
        with_elements(x, |x| {
            with_elements(weight, |weight| {
                with_elements(bias, |bias| with_elements(dy, |dy| kernel(x, weight, bias, dy)))
            })
        })?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let [weight, bias] = totals.map(|total| parameter_gradient::<T>(&total, x));
        Ok((dx, Some(weight?), Some(bias?)))
    }
}

#[cfg(feature = "cuda")]
impl<A: Activation> Operation<A> {
    fn kernel_on_gpu<'a, T: Number>(
        &self,
        machine: &'a Gpu,
        standards: Operand<'a>,
        [weight, bias]: [Operand<'a>; 2],
    ) -> Result<on_gpu::Normalisation<'a, Gpu, T, A>> {
        let n = self.shape.items * self.shape.groups;
        let (array, start) = (f64::as_cuda_slice(standards.0)?, standards.1.start_offset());
        let plane = |plane: usize| {
            let part = Slice::part(array, start + plane * n..start + (plane + 1) * n);
            part.ok_or_else(|| {
                let remedy = "this is a defect of candle-nn3d";
                Error::gpu(self.op, format!("statistics are not {n} numbers each"), remedy)
            })
        };
        Ok(on_gpu::Normalisation {
            machine,
            shape: self.shape,
            mean: plane(0)?,
            rstd: plane(1)?,
            weight: slice(self.op, weight)?,
            bias: slice(self.op, bias)?,
            activation: self.activation,
        })
    }

    fn forward_on_gpu<T: Number>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
    ) -> Result<(CudaStorage, Shape)>
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        let gpu = Gpu::of(x.0);
        let held = self.standards.on_device(self.op)?.storage_and_layout();
        let standards = operand(self.op, &held)?;
        let kernel = self.kernel_on_gpu::<T>(&gpu, standards, [weight, bias])?;
        let y = kernel.forward(slice(self.op, x)?)?;
        Ok((gpu.storage(y), x.1.shape().clone()))
    }

    fn gradients_on_gpu<T: Number>(
        &self,
        [x, weight, bias, dy]: [&Tensor; 4],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        let wanted = on_gpu::Wanted { input: x.track_op(), of_input: self.of_input };
        let held = [x, weight, bias, dy, self.standards.on_device(self.op)?]
            .map(Tensor::storage_and_layout);
        with_operands(self.op, &held, |gpu, [of_x, of_weight, of_bias, dy, standards]| {
            let kernel = self.kernel_on_gpu::<T>(gpu, standards, [of_weight, of_bias])?;
            let gradients = kernel.gradients(wanted, slice(self.op, of_x)?, slice(self.op, dy)?)?;
            Ok((
                gradients.input.map(|dx| tensor(gpu, dx, x.shape())),
                Some(tensor(gpu, gradients.weight, weight.shape())),
                Some(tensor(gpu, gradients.bias, bias.shape())),
            ))
        })
    }
}

/// A gradient summed in f64, rounded to the dtype of the parameter.
pub(crate) fn parameter_gradient<T: Element>(total: &[f64], like: &Tensor) -> Result<Tensor> {
    let rounded: Vec<T> = total.iter().map(|&x| <T as WithDType>::from_f64(x)).collect();
    Tensor::from_vec(rounded, total.len(), like.device())
}

impl<A: Activation> CustomOp3 for Operation<A> {
    fn name(&self) -> &'static str {
        self.op
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
        let dtype: DType = x.dtype();
        for_dtype!(self.op, dtype, T => {
            let x = elements::<T>(x, x_layout)?;
            let weight = elements(weight, weight_layout)?;
            let bias = elements(bias, bias_layout)?;
            let mut y = T::unwritten(x.len());
            self.kernel(weight, bias)?.forward(x, &mut y);
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
        let operands = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        for_dtype!(self.op, x.dtype(), T => self.forward_on_gpu::<T>(operands))
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
            return for_dtype!(self.op, x.dtype(), T => {
                self.gradients_on_gpu::<T>([x, weight, bias, dy])
            });
        }
        for_dtype!(self.op, x.dtype(), T => self.gradients::<T>([x, weight, bias, dy]))
    }
}
