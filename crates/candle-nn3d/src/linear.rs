//! A linear map of the last axis, and its layer.

use std::marker::PhantomData;

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, DType, Layout, Module, Result, Shape, Tensor, WithDType,
};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, backend::BackendStorage};
use candle_nn::{Init, VarBuilder};
use half::bf16;

use crate::channels_last::unknown_dtype;
use crate::cpu_slices::{elements, with_elements};
#[cfg(feature = "cuda")]
use crate::cuda::linear as on_gpu;
#[cfg(feature = "cuda")]
use crate::dense::for_dtype;
use crate::error::Error;
use crate::kernels::linear::{PackedMatrix, Weight, multiply, outer_products, sum_of_rows};
use crate::kernels::panels::Rows;
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply2, apply3};

const OP: &str = "linear";

/// `y = x weightᵀ + bias` along the last axis; gradients reach all three.
///
/// Sums are made in f32 for bf16. A row gives the same bits alone and among others; not so on a GPU,
/// where the products are cuBLAS's, which chooses by the number of rows.
///
/// # Shapes
/// `x` `[.., c_in]`, `weight` `[c_out, c_in]`, `bias` `[c_out]`, the result `[.., c_out]`.
///
/// # Errors
/// [`Error::Shape`] where these do not fit together or an axis is empty, [`Error::DType`] unless all
/// are f32, bf16 or f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[[1.0_f32, 2.0, 3.0]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[1.0_f32, 0.0, 1.0], [0.5, 0.5, 0.5]], &Device::Cpu)?;
/// let bias = Tensor::new(&[10.0_f32, 20.0], &Device::Cpu)?;
/// let y = candle_nn3d::ops::linear(&x, &weight, Some(&bias))?;
/// assert_eq!(y.to_vec2::<f32>()?, [[14.0, 23.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    check(x, weight, bias)?;
    match x.dtype() {
        DType::F32 => LinearMap::<f32>::apply(x, weight, bias),
        DType::BF16 => LinearMap::<bf16>::apply(x, weight, bias),
        DType::F64 => LinearMap::<f64>::apply(x, weight, bias),
        other => Err(unknown_dtype(OP, "x", other)),
    }
}

fn check(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
    let shape_error = |argument, found: &Tensor, expected: String| {
        let found = found.dims().to_vec();
        Err(Error::Shape { op: OP, argument, found, expected }.into())
    };
    let Some(&c_in) = x.dims().last().filter(|_| x.elem_count() > 0) else {
        return shape_error("x", x, "[.., c_in], no axis empty".into());
    };
    let of_x = format!("for x of the shape {:?}", x.dims());
    let c_out = match *weight.dims() {
        [c_out, c] if c_out > 0 && c == c_in => c_out,
        _ => return shape_error("weight", weight, format!("[c_out, {c_in}] {of_x}")),
    };
    let outputs = (x.elem_count() / c_in).checked_mul(c_out);
    if outputs.is_none_or(|n| n > isize::MAX as usize / 8) {
        return shape_error("weight", weight, format!("an output that fits memory {of_x}"));
    }
    if let Some(bias) = bias.filter(|bias| bias.dims() != [c_out]) {
        let expected = format!("[{c_out}] for a weight of the shape {:?}", weight.dims());
        return shape_error("bias", bias, expected);
    }
    for (argument, tensor) in [("weight", Some(weight)), ("bias", bias)] {
        if let Some(tensor) = tensor.filter(|tensor| tensor.dtype() != x.dtype()) {
            let found = tensor.dtype().as_str().to_owned();
            let expected = format!("{} as x", x.dtype().as_str());
            return Err(Error::DType { op: OP, argument, found, expected }.into());
        }
    }
    Ok(())
}

struct LinearMap<S>(PhantomData<S>);

impl<S: Element + WithDType> LinearMap<S> {
    fn apply(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (x, weight, op) = (x.contiguous()?, weight.contiguous()?, Self(PhantomData));
        match bias {
            Some(bias) => apply3(&x, &weight, &bias.contiguous()?, op, Needs::Inputs),
            None => apply2(&x, &weight, op, Needs::Inputs),
        }
    }

    fn forward(
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: Option<&[S]>,
    ) -> Result<(CpuStorage, Shape)> {
        let (c_out, c_in) = weight_layout.shape().dims2()?;
        let x = elements::<S>(x, x_layout)?;
        let matrix =
            PackedMatrix::new(elements::<S>(weight, weight_layout)?, c_in, Weight::Forward);
        let mut y = S::unwritten(x.len() / c_in * c_out);
        multiply(Tier::current(), x, &matrix, bias, &mut y);
        let mut dims = x_layout.dims().to_vec();
        dims.pop();
        dims.push(c_out);
        Ok((S::to_cpu_storage_owned(y), Shape::from(dims)))
    }

    /// The gradients of `x` and `weight`.
    fn backward(x: &Tensor, weight: &Tensor, gradient: &Tensor) -> Result<[Tensor; 2]> {
        let (c_out, c_in) = weight.dims2()?;
        let tier = Tier::current();
        let [dx, dw] = with_elements::<3, S, _>([x, weight, gradient], |[x, weight, gradient]| {
            let matrix = PackedMatrix::new(weight, c_in, Weight::Backward);
            let mut dx = S::unwritten(x.len());
            multiply(tier, gradient, &matrix, None, &mut dx);
            let (outputs, inputs) = (Rows::new(gradient, c_out), Rows::new(x, c_in));
            let dw = outer_products(tier, outputs, inputs, x.len() / c_in);
            Ok([dx, dw])
        })?;
        Ok([
            Tensor::from_vec(dx, x.shape(), x.device())?,
            Tensor::from_vec(dw, weight.shape(), weight.device())?,
        ])
    }
}

impl<S: Element + WithDType> CustomOp2 for LinearMap<S> {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Self::forward(x, x_layout, weight, weight_layout, None)
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        on_gpu::forward(OP, (x, x_layout), (weight, weight_layout))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            let (dx, dw) = on_gpu::backward(OP, x, weight, gradient)?;
            return Ok((dx, Some(dw)));
        }
        let [dx, dw] = Self::backward(x, weight, gradient)?;
        Ok((x.track_op().then_some(dx), Some(dw)))
    }
}

impl<S: Element + WithDType> CustomOp3 for LinearMap<S> {
    fn name(&self) -> &'static str {
        OP
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
        let bias = elements(bias, bias_layout)?;
        Self::forward(x, x_layout, weight, weight_layout, Some(bias))
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
        let (x, weight) = ((x, x_layout), (weight, weight_layout));
        let (y, shape) = on_gpu::forward(OP, x, weight)?;
        let y = for_dtype!(OP, y.dtype(), T => on_gpu::add_bias::<T>(OP, y, (bias, bias_layout)))?;
        Ok((y, shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            let (dx, dw) = on_gpu::backward(OP, x, weight, gradient)?;
            let db = for_dtype!(OP, gradient.dtype(), T => {
                on_gpu::bias_gradient::<T>(OP, bias.elem_count(), gradient)
            })?;
            return Ok((dx, Some(dw), Some(db)));
        }
        let [dx, dw] = Self::backward(x, weight, gradient)?;
        let c_out = bias.elem_count();
        let db = with_elements::<1, S, _>([gradient], |[g]| Ok(sum_of_rows(g, c_out)))?;
        Ok((
            x.track_op().then_some(dx),
            Some(dw),
            Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
        ))
    }
}

/// A linear map of the last axis, `y = x weightᵀ + bias`, as PyTorch's `Linear`.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer from its parameters.
    ///
    /// # Shapes
    /// `weight` `[c_out, c_in]`, `bias` `[c_out]`.
    ///
    /// # Errors
    /// [`Error::Shape`] where these do not fit together or an axis is empty.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let (c_out, expected) = match *weight.dims() {
            [c_out, c_in] if c_out > 0 && c_in > 0 => (c_out, None),
            _ => (0, Some(("weight", &weight, "[c_out, c_in], no axis empty".to_owned()))),
        };
        let wrong_bias = bias.as_ref().filter(|bias| bias.dims() != [c_out]);
        let expected = expected.or(wrong_bias.map(|bias| ("bias", bias, format!("[{c_out}]"))));
        if let Some((argument, found, expected)) = expected {
            let found = found.dims().to_vec();
            return Err(Error::Shape { op: OP, argument, found, expected }.into());
        }
        Ok(Self { weight, bias })
    }

    /// The weight, `[c_out, c_in]`.
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[c_out]`, if there is one.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, self.bias.as_ref())
    }
}

/// A linear layer from `weight` and, where wanted, `bias`; new ones are uniform in ±1 / √c_in, as
/// PyTorch's are.
///
/// # Errors
/// [`Error::Argument`] for no channels; those of the `VarBuilder`.
pub fn linear_layer(c_in: usize, c_out: usize, bias: bool, vb: VarBuilder<'_>) -> Result<Linear> {
    if c_in == 0 || c_out == 0 {
        let (found, expected) = (format!("{c_in} and {c_out}"), "at least 1".to_owned());
        return Err(Error::Argument { op: OP, argument: "channels", found, expected }.into());
    }
    let bound = 1.0 / (c_in as f64).sqrt();
    let init = Init::Uniform { lo: -bound, up: bound };
    let weight = vb.get_with_hints((c_out, c_in), "weight", init)?;
    let bias = if bias { Some(vb.get_with_hints(c_out, "bias", init)?) } else { None };
    Linear::new(weight, bias)
}

#[cfg(test)]
mod tests;
