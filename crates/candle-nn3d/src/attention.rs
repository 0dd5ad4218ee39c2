//! Scaled dot-product attention in memory that grows with the number of tokens, not its square.
//!
//! # Source
//! Dao, T., Fu, D. Y., Ermon, S., Rudra, A. & Ré, C. (2022), "FlashAttention: fast and
//! memory-efficient exact attention with IO-awareness", NeurIPS 35; the running softmax is that of
//! Milakov, M. & Gimelshein, N. (2018), arXiv:1805.02867. In the backward pass two sweeps, one that
//! owns queries and one that owns keys, take the place of sums across tasks: two products of seven
//! are made twice, and no bit depends on the number of threads.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, WithDType};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, backend::BackendStorage};
use half::bf16;

use crate::channels_last::unknown_dtype;
use crate::cpu_slices::{elements, with_elements};
#[cfg(feature = "cuda")]
use crate::cuda::{
    attention as on_gpu,
    gpu::Gpu,
    machine::Number,
    tensors::{Operand, slice, tensor, with_operands},
};
#[cfg(feature = "cuda")]
use crate::dense::for_dtype;
use crate::error::Error;
use crate::kernels::attention::AttentionShape;
use crate::kernels::attention_backward::{Outputs, backward};
use crate::kernels::attention_forward::{Inputs, forward};
use crate::kernels::real::{Element, Real};
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply3};

const OP: &str = "attention";

/// `softmax(scale · q kᵀ) v` for each head, where the channels are the heads one after the other.
///
/// The scale is 1 / √d unless given. The softmax and all sums are made in f32 for bf16; gradients
/// reach `q`, `k` and `v`. Beyond its result, the forward pass holds a packed copy of `k` and of `v`,
/// the backward pass at most two of two tensors, with `d` filled up to a multiple of 32; the matrix
/// of scores is never made. On a GPU there are no packed copies.
///
/// # Shapes
/// `q` `[n, tokens_q, heads · d]`, `k` and `v` `[n, tokens_kv, heads · d]`, the result as `q`.
///
/// # Errors
/// [`Error::Shape`] where these do not fit together or an axis is empty, [`Error::Argument`] unless
/// `heads` divides the channels and `scale` is finite, [`Error::DType`] unless all are f32, bf16 or
/// f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// // All keys are the same, so every query sees the mean of the values.
/// let q = Tensor::new(&[[[3.0_f32, 4.0]]], &Device::Cpu)?;
/// let k = Tensor::ones((1, 2, 2), candle_core::DType::F32, &Device::Cpu)?;
/// let v = Tensor::new(&[[[1.0_f32, 2.0], [5.0, 4.0]]], &Device::Cpu)?;
/// let out = candle_nn3d::ops::attention(&q, &k, &v, 1, None)?;
/// assert_eq!(out.to_vec3::<f32>()?, [[[3.0, 3.0]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    heads: usize,
    scale: Option<f64>,
) -> Result<Tensor> {
    let shape = checked_shape([q, k, v], heads)?;
    let scale = scale.unwrap_or(1.0 / (shape.width as f64).sqrt());
    if !scale.is_finite() {
        let (found, expected) = (scale.to_string(), "a finite number".to_owned());
        return Err(Error::Argument { op: OP, argument: "scale", found, expected }.into());
    }
    match q.dtype() {
        DType::F32 => FlashAttention::<f32>::apply(shape, scale, [q, k, v]),
        DType::BF16 => FlashAttention::<bf16>::apply(shape, scale, [q, k, v]),
        DType::F64 => FlashAttention::<f64>::apply(shape, scale, [q, k, v]),
        other => Err(unknown_dtype(OP, "q", other)),
    }
}

fn checked_shape([q, k, v]: [&Tensor; 3], heads: usize) -> Result<AttentionShape> {
    let shape_error = |argument, found: &Tensor, expected: String| {
        let found = found.dims().to_vec();
        Err(Error::Shape { op: OP, argument, found, expected }.into())
    };
    let &[batch, queries, channels] = q.dims() else {
        return shape_error("q", q, "[n, tokens, channels]".into());
    };
    if q.elem_count() == 0 {
        return shape_error("q", q, "no axis empty".into());
    }
    let of_q = format!("for q of the shape {:?}", q.dims());
    let keys = match *k.dims() {
        [n, keys, c] if n == batch && keys > 0 && c == channels => keys,
        _ => return shape_error("k", k, format!("[{batch}, tokens, {channels}] {of_q}")),
    };
    if v.dims() != k.dims() {
        return shape_error("v", v, format!("{:?} as k, {of_q}", k.dims()));
    }
    if heads == 0 || channels % heads != 0 {
        let (found, expected) = (heads.to_string(), format!("a divisor of {channels} channels"));
        return Err(Error::Argument { op: OP, argument: "heads", found, expected }.into());
    }
    for (argument, tensor) in [("k", k), ("v", v)] {
        if tensor.dtype() != q.dtype() {
            let found = tensor.dtype().as_str().to_owned();
            let expected = format!("{} as q", q.dtype().as_str());
            return Err(Error::DType { op: OP, argument, found, expected }.into());
        }
    }
    Ok(AttentionShape { batch, queries, keys, heads, width: channels / heads })
}

struct FlashAttention<S: Element> {
    shape: AttentionShape,
    scale: f64,
    /// What the forward pass leaves for the backward pass: the logarithm of each denominator.
    lse: OnceLock<Vec<S::Real>>,
    /// The same on a GPU.
    #[cfg(feature = "cuda")]
    lse_on_gpu: OnceLock<Tensor>,
}

const BACKWARD_FIRST: &str = "attention: the backward pass comes before the forward pass";

impl<S: Element + WithDType> FlashAttention<S> {
    fn apply(shape: AttentionShape, scale: f64, [q, k, v]: [&Tensor; 3]) -> Result<Tensor> {
        let op = Self {
            shape,
            scale,
            lse: OnceLock::new(),
            #[cfg(feature = "cuda")]
            lse_on_gpu: OnceLock::new(),
        };
        apply3(&q.contiguous()?, &k.contiguous()?, &v.contiguous()?, op, Needs::InputsAndOutput)
    }
}

#[cfg(feature = "cuda")]
impl<S: Element> FlashAttention<S> {
    fn inputs_on_gpu<'a, T: Number>(
        &self,
        [q, k, v]: [Operand<'a>; 3],
    ) -> Result<on_gpu::Inputs<'a, Gpu, T>> {
        let [q, k, v] = [slice(OP, q)?, slice(OP, k)?, slice(OP, v)?];
        Ok(on_gpu::Inputs { q, k, v, scale: self.scale })
    }

    fn forward_on_gpu<T: Number>(&self, operands: [Operand<'_>; 3]) -> Result<CudaStorage>
    where
        T::Real: Number,
    {
        let gpu = Gpu::of(operands[0].0);
        let inputs = self.inputs_on_gpu::<T>(operands)?;
        let on_gpu::Made { out, lse } = on_gpu::forward(&gpu, &self.shape, &inputs)?;
        let AttentionShape { batch, queries, heads, .. } = self.shape;
        let _ = self.lse_on_gpu.set(tensor(&gpu, lse, &Shape::from((batch, queries, heads))));
        Ok(gpu.storage(out))
    }

    fn gradients_on_gpu<T: Number>(
        &self,
        [q, k, v, out, gradient]: [&Tensor; 5],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)>
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        let Some(lse) = self.lse_on_gpu.get() else {
            candle_core::bail!("{BACKWARD_FIRST}");
        };
        let held = [q, k, v, out, gradient, lse].map(Tensor::storage_and_layout);
        with_operands(OP, &held, |gpu, [of_q, of_k, of_v, out, gradient, lse]| {
            let inputs = self.inputs_on_gpu::<T>([of_q, of_k, of_v])?;
            let (out, gradient) = (slice(OP, out)?, slice(OP, gradient)?);
            let outputs = on_gpu::Outputs { out, lse: slice(OP, lse)?, gradient };
            let [dq, dk, dv] = on_gpu::backward(gpu, &self.shape, &inputs, &outputs)?;
            Ok((
                Some(tensor(gpu, dq, q.shape())),
                Some(tensor(gpu, dk, k.shape())),
                Some(tensor(gpu, dv, v.shape())),
            ))
        })
    }
}

impl<S: Element + WithDType> CustomOp3 for FlashAttention<S> {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = Inputs {
            q: elements::<S>(q, q_layout)?,
            k: elements(k, k_layout)?,
            v: elements(v, v_layout)?,
            scale: self.scale,
        };
        let AttentionShape { batch, queries, heads, .. } = self.shape;
        let mut out = S::unwritten(inputs.q.len());
        let mut lse = vec![<S::Real as Real>::ZERO; batch * queries * heads];
        forward(Tier::current(), &self.shape, inputs, &mut out, &mut lse);
        // A second forward pass of the same op would leave the same numbers.
        let _ = self.lse.set(lse);
        Ok((S::to_cpu_storage_owned(out), q_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        q: &CudaStorage,
        q_layout: &Layout,
        k: &CudaStorage,
        k_layout: &Layout,
        v: &CudaStorage,
        v_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let operands = [(q, q_layout), (k, k_layout), (v, v_layout)];
        let out = for_dtype!(OP, q.dtype(), T => self.forward_on_gpu::<T>(operands))?;
        Ok((out, q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if gradient.device().is_cuda() {
            let gradient = &gradient.contiguous()?;
            return for_dtype!(OP, q.dtype(), T => {
                self.gradients_on_gpu::<T>([q, k, v, out, gradient])
            });
        }
        let Some(lse) = self.lse.get() else {
            candle_core::bail!("{BACKWARD_FIRST}");
        };
        let [dq, dk, dv] = with_elements([q, k, v, out, gradient], |[q, k, v, out, gradient]| {
            let inputs = Inputs::<S> { q, k, v, scale: self.scale };
            let outputs = Outputs { out, lse, gradient };
            Ok(backward(Tier::current(), &self.shape, inputs, outputs))
        })?;
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), q.device())?),
            Some(Tensor::from_vec(dk, k.shape(), k.device())?),
            Some(Tensor::from_vec(dv, v.shape(), v.device())?),
        ))
    }
}

#[cfg(test)]
mod tests;
