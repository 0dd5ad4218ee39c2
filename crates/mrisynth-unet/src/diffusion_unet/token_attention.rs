//! Attention of tokens to tokens, with its linear layers.

use candle_core::{DType, Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{Linear, linear_layer, ops};
use keyed_random::Key;

use super::token_dropout::TokenDropout;

/// How a [`TokenAttention`] is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenAttentionShape {
    /// Channels of the queries' tokens, and of the result.
    pub(super) channels: usize,
    /// Channels of the keys' tokens.
    pub(super) context_channels: usize,
    pub(super) heads: usize,
    pub(super) head_channels: usize,
    /// Whether queries, keys and values have a bias.
    pub(super) bias: bool,
    /// Whether one layer `qkv` makes all three.
    pub(super) combined: bool,
    /// Whether there is an `out_proj`.
    pub(super) output_projection: bool,
    /// In training.
    pub(super) dropout: f64,
}

/// `out_proj(softmax(q kᵀ / √head_channels) v)`.
///
/// # Source
/// MONAI 1.6.1, `SABlock` and `CrossAttentionBlock`; Vaswani et al. 2017, equation 1.
#[derive(Clone, Debug)]
pub(super) struct TokenAttention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    out_proj: Option<Linear>,
    heads: usize,
    drop_weights: TokenDropout,
    drop_output: TokenDropout,
}

impl TokenAttention {
    pub(super) fn new(shape: TokenAttentionShape, vb: &VarBuilder<'_>) -> Result<Self> {
        let inner = shape.heads * shape.head_channels;
        let [to_q, to_k, to_v] = if shape.combined {
            combined(shape.channels, inner, shape.bias, &vb.pp("qkv"))?
        } else {
            let linear = |c_in, name| linear_layer(c_in, inner, shape.bias, vb.pp(name));
            let context = shape.context_channels;
            [linear(shape.channels, "to_q")?, linear(context, "to_k")?, linear(context, "to_v")?]
        };
        let out_proj = if shape.output_projection {
            Some(linear_layer(inner, shape.channels, true, vb.pp("out_proj"))?)
        } else {
            None
        };
        let dropout = |name| TokenDropout::new(shape.dropout, &vb.pp(name));
        let (drop_weights, drop_output) = (dropout("drop_weights")?, dropout("drop_output")?);
        Ok(Self { to_q, to_k, to_v, out_proj, heads: shape.heads, drop_weights, drop_output })
    }

    /// Attention of `x` to `context`, both `[n, tokens, channels]`; with keys, in training.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        context: &Tensor,
        keys: Option<&[Key]>,
    ) -> Result<Tensor> {
        let q = self.to_q.forward(x)?;
        let k = self.to_k.forward(context)?;
        let v = self.to_v.forward(context)?;
        let attended = if self.drop_weights.drops(keys) {
            self.with_dropped_weights(&q, &k, &v, keys)?
        } else {
            ops::attention(&q, &k, &v, self.heads, None)?
        };
        drop((q, k, v));
        let projected = match &self.out_proj {
            Some(out_proj) => out_proj.forward(&attended)?,
            None => attended,
        };
        self.drop_output.forward(&projected, keys)
    }

    /// Attention that makes the matrix of weights, in f32, to drop some of them.
    fn with_dropped_weights(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        keys: Option<&[Key]>,
    ) -> Result<Tensor> {
        let (n, queries, inner) = q.dims3()?;
        let width = inner / self.heads;
        let dtype = if q.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let split = |t: &Tensor| {
            let tokens = t.dim(1)?;
            let t = t.to_dtype(dtype)?.reshape((n, tokens, self.heads, width))?;
            t.transpose(1, 2)?.contiguous()
        };
        let scores = split(q)?.matmul(&split(k)?.transpose(2, 3)?.contiguous()?)?;
        let weights = candle_nn::ops::softmax(&(scores / (width as f64).sqrt())?, 3)?;
        let weights = self.drop_weights.forward(&weights, keys)?;
        let out = weights.matmul(&split(v)?)?.transpose(1, 2)?;
        out.reshape((n, queries, inner))?.to_dtype(q.dtype())
    }
}

/// One layer's rows, as the three layers that they are: queries, keys and values.
fn combined(c_in: usize, inner: usize, bias: bool, vb: &VarBuilder<'_>) -> Result<[Linear; 3]> {
    let bound = 1.0 / (c_in as f64).sqrt();
    let init = Init::Uniform { lo: -bound, up: bound };
    let weight = vb.get_with_hints((3 * inner, c_in), "weight", init)?;
    let bias = bias.then(|| vb.get_with_hints(3 * inner, "bias", init)).transpose()?;
    let part = |i: usize| {
        let bias = bias.as_ref().map(|bias| bias.narrow(0, i * inner, inner)).transpose()?;
        Linear::new(weight.narrow(0, i * inner, inner)?, bias)
    };
    Ok([part(0)?, part(1)?, part(2)?])
}
