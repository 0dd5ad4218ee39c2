//! Attention with its projections, over tokens of itself or of a context.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::attention::attention;
use crate::error::Error;
use crate::linear::{Linear, linear_layer};

/// What an [`Attention`] is made of.
///
/// The default is one head, projections without a bias and an output projection with one, as in
/// MONAI's `SABlock` and `CrossAttentionBlock` and the attention of diffusers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// Heads, which share the channels out.
    pub heads: usize,
    /// Channels of one head; by default the input's, divided by the heads.
    pub head_channels: Option<usize>,
    /// Channels of the context that keys and values are made from; by default the input's.
    pub context_channels: Option<usize>,
    /// Whether `to_q`, `to_k` and `to_v` have a bias (MONAI: `qkv_bias`).
    pub projection_bias: bool,
    /// Whether there is an `out_proj` (MONAI: `include_fc`); it has a bias.
    pub output_projection: bool,
    /// What scores are multiplied by; by default 1 / √`head_channels`.
    pub scale: Option<f64>,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self {
            heads: 1,
            head_channels: None,
            context_channels: None,
            projection_bias: false,
            output_projection: true,
            scale: None,
        }
    }
}

/// Attention from linear maps of tokens: `out_proj(attention(to_q(x), to_k(context), to_v(context)))`.
///
/// # Source
/// MONAI 1.5, `SABlock` with `use_combined_linear=False`, and `CrossAttentionBlock`; dropout,
/// masks and relative positions are left out.
#[derive(Clone, Debug)]
pub struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    out_proj: Option<Linear>,
    config: AttentionConfig,
}

/// Attention over `channels` channels from `to_q`, `to_k`, `to_v` and `out_proj`, each with `weight`
/// and `bias`.
///
/// # Errors
/// [`Error::Argument`] unless the heads divide the channels or `head_channels` is set, and where
/// there would be no channels; those of the `VarBuilder`.
pub fn attention_layer(
    channels: usize,
    config: AttentionConfig,
    vb: VarBuilder<'_>,
) -> Result<Attention> {
    let AttentionConfig { heads, projection_bias, .. } = config;
    let refused = |found: String, expected: String| {
        Err(Error::Argument { op: "attention", argument: "heads", found, expected }.into())
    };
    if heads == 0 {
        return refused(heads.to_string(), "at least 1".into());
    }
    if config.head_channels.is_none() && !channels.is_multiple_of(heads) {
        return refused(heads.to_string(), format!("a divisor of {channels} channels"));
    }
    let width = config.head_channels.unwrap_or(channels / heads);
    let Some(inner) = width.checked_mul(heads) else {
        return refused(format!("{heads} of {width} channels"), "fewer channels".into());
    };
    let context = config.context_channels.unwrap_or(channels);
    let out_proj = if config.output_projection {
        Some(linear_layer(inner, channels, true, vb.pp("out_proj"))?)
    } else {
        None
    };
    Ok(Attention {
        to_q: linear_layer(channels, inner, projection_bias, vb.pp("to_q"))?,
        to_k: linear_layer(context, inner, projection_bias, vb.pp("to_k"))?,
        to_v: linear_layer(context, inner, projection_bias, vb.pp("to_v"))?,
        out_proj,
        config,
    })
}

impl Attention {
    /// Attention of `x` to a context.
    ///
    /// # Shapes
    /// `x` `[n, tokens, channels]`, `context` `[n, tokens_kv, context_channels]`, the result as `x`
    /// (without `out_proj`: `[n, tokens, heads · head_channels]`).
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] where these do not fit the parameters or each other.
    pub fn forward_with_context(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let (q, k, v) =
            (self.to_q.forward(x)?, self.to_k.forward(context)?, self.to_v.forward(context)?);
        let out = attention(&q, &k, &v, self.config.heads, self.config.scale)?;
        match &self.out_proj {
            Some(out_proj) => out_proj.forward(&out),
            None => Ok(out),
        }
    }

    /// How it was made.
    #[must_use]
    pub fn config(&self) -> &AttentionConfig {
        &self.config
    }
}

impl Module for Attention {
    /// Attention of `x`, `[n, tokens, channels]`, to itself.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with_context(x, x)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device};

    use super::*;
    use crate::gradient_check::{check_gradients, distinct, weighted_sum};

    fn builder(tensors: &[(&str, Tensor)]) -> VarBuilder<'static> {
        let named: HashMap<_, _> =
            tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        VarBuilder::from_tensors(named, DType::F64, &Device::Cpu)
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn it_is_the_composition_of_its_projections_and_every_parameter_has_a_gradient() {
        let config = AttentionConfig {
            heads: 2,
            head_channels: Some(3),
            context_channels: Some(5),
            projection_bias: true,
            ..AttentionConfig::default()
        };
        let shapes: [(&str, &[usize]); 8] = [
            ("to_q.weight", &[6, 4]),
            ("to_k.weight", &[6, 5]),
            ("to_v.weight", &[6, 5]),
            ("out_proj.weight", &[4, 6]),
            ("to_q.bias", &[6]),
            // A constant added to all keys changes no softmax: its gradient is zero.
            ("to_k.bias", &[6]),
            ("to_v.bias", &[6]),
            ("out_proj.bias", &[4]),
        ];
        let mut inputs: Vec<Tensor> =
            shapes.iter().zip(1..).map(|((_, s), i)| distinct(s, f64::from(i)).unwrap()).collect();
        inputs.push(distinct(&[2, 3, 4], 0.3).unwrap());
        inputs.push(distinct(&[2, 4, 5], 0.7).unwrap());
        let layer_of = |inputs: &[Tensor]| {
            let named: Vec<_> =
                shapes.iter().zip(inputs).map(|((name, _), x)| (*name, x.clone())).collect();
            attention_layer(4, config, builder(&named)).unwrap()
        };
        let got = layer_of(&inputs).forward_with_context(&inputs[8], &inputs[9]).unwrap();
        let apply = |x: &Tensor, at: usize| {
            let y = x.broadcast_matmul(&inputs[at].t().unwrap()).unwrap();
            y.broadcast_add(&inputs[at + 4]).unwrap()
        };
        let (q, k, v) = (apply(&inputs[8], 0), apply(&inputs[9], 1), apply(&inputs[9], 2));
        let want = apply(&attention(&q, &k, &v, 2, None).unwrap(), 3);
        for (got, want) in values(&got).iter().zip(values(&want)) {
            assert!((got - want).abs() < 1e-12);
        }
        check_gradients(&inputs, |inputs| {
            weighted_sum(&layer_of(inputs).forward_with_context(&inputs[8], &inputs[9])?)
        });
    }

    #[test]
    fn without_output_projection_the_heads_come_out() {
        let config = AttentionConfig { heads: 2, output_projection: false, ..Default::default() };
        let weight = |phase| distinct(&[4, 4], phase).unwrap();
        let vb = builder(&[
            ("to_q.weight", weight(0.1)),
            ("to_k.weight", weight(0.2)),
            ("to_v.weight", weight(0.3)),
        ]);
        let layer = attention_layer(4, config, vb).unwrap();
        let x = distinct(&[1, 1, 4], 0.5).unwrap();
        // One token can only attend to itself.
        let want = x.broadcast_matmul(&weight(0.3).t().unwrap()).unwrap();
        for (got, want) in values(&layer.forward(&x).unwrap()).iter().zip(values(&want)) {
            assert!((got - want).abs() < 1e-14);
        }
    }

    #[test]
    fn misuse_names_the_argument() {
        let message = |heads, head_channels| {
            let config = AttentionConfig { heads, head_channels, ..Default::default() };
            attention_layer(6, config, builder(&[])).unwrap_err().to_string()
        };
        assert!(message(4, None).contains("divisor of 6"));
        assert!(message(0, None).contains("heads"));
        assert!(message(2, Some(usize::MAX)).contains("fewer"));
        assert!(message(2, Some(0)).contains("channels"));
    }
}
