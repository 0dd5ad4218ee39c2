//! The operation behind group, instance and batch norm, as candle's autograd sees it.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType};

use crate::affine::{affine, check_eps};
use crate::channels_last::ChannelsLast;
use crate::dense::{elements, for_dtype, with_elements};
use crate::kernels::activation::Activation;
use crate::kernels::grouped_norm::{GroupedNorm, Standard};
use crate::kernels::moments::{Moments, NormShape, moments};
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply3};

/// Normalises by statistics of x itself and applies an affine map and an activation: two readings.
/// Returns the moments too, of every item and group.
pub(crate) fn normalised<A: Activation>(
    op: &'static str,
    x: &ChannelsLast,
    shape: NormShape,
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
    activation: A,
) -> Result<(ChannelsLast, Vec<Moments>)> {
    check_eps(op, eps)?;
    let x = x.tensor();
    let (weight, bias) = affine(op, x, weight, bias)?;
    let moments = for_dtype!(op, x.dtype(), T => {
        with_elements(x, |x: &[T]| Ok(moments(Tier::current(), &shape, x)))
    })?;
    let standard = |m: &Moments| Standard { mean: m.mean, rstd: 1.0 / (m.variance() + eps).sqrt() };
    let standards = moments.iter().map(standard).collect();
    let operation = Operation { op, shape, standards, of_input: true, activation };
    Ok((ChannelsLast::new(apply3(x, &weight, &bias, operation, Needs::Inputs)?)?, moments))
}

/// Normalises by given statistics of every channel, which get no gradient.
pub(crate) fn normalised_by(
    op: &'static str,
    x: &ChannelsLast,
    standards: Vec<Standard>,
    [weight, bias]: [Option<&Tensor>; 2],
) -> Result<ChannelsLast> {
    let channels = x.channels();
    let x = x.tensor();
    let (weight, bias) = affine(op, x, weight, bias)?;
    let shape = NormShape { items: 1, rows: x.elem_count() / channels, channels, groups: channels };
    let activation = crate::kernels::activation::Identity;
    let operation = Operation { op, shape, standards, of_input: false, activation };
    ChannelsLast::new(apply3(x, &weight, &bias, operation, Needs::Inputs)?)
}

/// Keeps a mean and a factor per item and group for the backward pass: everything else is made
/// again from the arguments, which autograd keeps anyway.
struct Operation<A> {
    op: &'static str,
    shape: NormShape,
    standards: Vec<Standard>,
    /// Whether the statistics are those of x, and so depend on it.
    of_input: bool,
    activation: A,
}

impl<A: Activation> Operation<A> {
    fn kernel<'a, T>(&'a self, weight: &'a [T], bias: &'a [T]) -> GroupedNorm<'a, T, A> {
        GroupedNorm {
            tier: Tier::current(),
            shape: self.shape,
            standards: &self.standards,
            weight,
            bias,
            activation: self.activation,
        }
    }

    fn gradients<T: Element>(
        &self,
        [x, weight, bias, dy]: [&Tensor; 4],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut dx = x.track_op().then(|| T::unwritten(x.elem_count()));
        let mut totals = [vec![0.0; weight.elem_count()], vec![0.0; bias.elem_count()]];
        let mut kernel = |x: &[T], weight: &[T], bias: &[T], dy: &[T]| {
            let kernel = self.kernel(weight, bias);
            let affine = kernel.affine_gradients(x, dy);
            if let Some(dx) = &mut dx {
                kernel.input_gradient(self.of_input.then_some(&affine[..]), x, dy, dx);
            }
            // Items in their order.
            for item in &affine {
                totals[0].iter_mut().zip(&item.weight).for_each(|(sum, x)| *sum += x);
                totals[1].iter_mut().zip(&item.bias).for_each(|(sum, x)| *sum += x);
            }
        };
        with_elements(x, |x| {
            with_elements(weight, |weight| {
                with_elements(bias, |bias| {
                    with_elements(dy, |dy| {
                        kernel(x, weight, bias, dy);
                        Ok(())
                    })
                })
            })
        })?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let [weight, bias] = totals.map(|total| parameter_gradient::<T>(&total, x));
        Ok((dx, Some(weight?), Some(bias?)))
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
            self.kernel(weight, bias).forward(x, &mut y);
            Ok((T::to_cpu_storage_owned(y), x_layout.shape().clone()))
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
        for_dtype!(self.op, x.dtype(), T => self.gradients::<T>([x, weight, bias, dy]))
    }
}
