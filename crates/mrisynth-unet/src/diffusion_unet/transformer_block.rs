//! A transformer block: attention of tokens to themselves and to a context, and a gated perceptron.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, LayerNorm, Linear, layer_norm, linear_layer, ops};
use keyed_random::Key;

use super::plan::Plan;
use super::token_attention::{TokenAttention, TokenAttentionShape};
use super::token_dropout::TokenDropout;

/// PyTorch's default, which MONAI keeps.
const LAYER_NORM_EPS: f64 = 1e-5;

/// `x + attn1(norm1(x))`, then `x + attn2(norm2(x), context)`, then `x + ff(norm3(x))`.
///
/// # Source
/// MONAI 1.6.1, `DiffusionUNetTransformerBlock`; Rombach et al. 2022, table 15.
#[derive(Clone, Debug)]
pub(super) struct TransformerBlock {
    attn1: TokenAttention,
    attn2: TokenAttention,
    linear1: Linear,
    linear2: Linear,
    drop1: TokenDropout,
    drop2: TokenDropout,
    norms: [LayerNorm; 3],
}

impl TransformerBlock {
    /// A block for tokens of `heads · head_channels` channels.
    pub(super) fn new(
        plan: &Plan,
        heads: usize,
        head_channels: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let config = &plan.config;
        let channels = heads * head_channels;
        let own = TokenAttentionShape {
            channels,
            context_channels: channels,
            heads,
            head_channels,
            bias: false,
            combined: config.use_combined_linear,
            output_projection: config.include_fc,
            dropout: config.dropout_cattn,
        };
        let cross = TokenAttentionShape {
            context_channels: config.cross_attention_dim.unwrap_or(channels),
            combined: false,
            output_projection: true,
            ..own
        };
        let norm = |name| layer_norm(channels, LAYER_NORM_EPS, vb.pp(name));
        let dropout = |name| TokenDropout::new(config.dropout_cattn, &vb.pp(name));
        Ok(Self {
            attn1: TokenAttention::new(own, &vb.pp("attn1"))?,
            attn2: TokenAttention::new(cross, &vb.pp("attn2"))?,
            // A value and a gate.
            linear1: linear_layer(channels, 2 * 4 * channels, true, vb.pp("ff.linear1"))?,
            linear2: linear_layer(4 * channels, channels, true, vb.pp("ff.linear2"))?,
            drop1: dropout("ff.drop1")?,
            drop2: dropout("ff.drop2")?,
            norms: [norm("norm1")?, norm("norm2")?, norm("norm3")?],
        })
    }

    /// The block on `x` `[n, tokens, channels]`; without a context, `attn2` is to `x` itself.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        context: Option<&Tensor>,
        keys: Option<&[Key]>,
    ) -> Result<Tensor> {
        let [norm1, norm2, norm3] = &self.norms;
        let mut h = norm1.forward(x)?;
        let mut x = add(&self.attn1.forward(&h, &h, keys)?, x)?;
        h = norm2.forward(&x)?;
        x = add(&self.attn2.forward(&h, context.unwrap_or(&h), keys)?, &x)?;
        h = ops::geglu(&self.linear1.forward(&norm3.forward(&x)?)?)?;
        h = self.linear2.forward(&self.drop1.forward(&h, keys)?)?;
        add(&self.drop2.forward(&h, keys)?, &x)
    }
}

/// The sum of tokens, on all cores.
fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, tokens, channels) = a.dims3()?;
    let rows = |t: &Tensor| ChannelsLast::new(t.reshape((n, 1, 1, tokens, channels))?);
    ops::add(&rows(a)?, &rows(b)?)?.into_tensor().reshape((n, tokens, channels))
}
