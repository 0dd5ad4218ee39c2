//! Attention of one head among all voxels.

use candle_core::{Module, Result};
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{ChannelsLast, GroupNorm, Linear, group_norm, ops};

use super::config::GROUPS;
use super::layers::EPS;

/// `x + proj_out(softmax(q kᵀ / √c) v)` with q, k and v from one map of `norm(x)`.
///
/// The reference scales q and k by c^(−1/4) each. Its one map of `[3c, c, 1]` is cut into three views
/// here, so that no activations need cutting.
#[derive(Clone, Debug)]
pub(super) struct AttentionBlock {
    norm: GroupNorm,
    qkv: [Linear; 3],
    proj_out: Linear,
}

impl AttentionBlock {
    pub(super) fn new(c: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let bound = 1.0 / (c as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let weight = vb.get_with_hints((3 * c, c, 1), "qkv.weight", init)?;
        let bias = vb.get_with_hints(3 * c, "qkv.bias", init)?;
        let part = |i: usize| {
            let weight = weight.narrow(0, i * c, c)?.reshape((c, c))?;
            Linear::new(weight, Some(bias.narrow(0, i * c, c)?))
        };
        let zeros = Init::Const(0.0);
        let out = vb.get_with_hints((c, c, 1), "proj_out.weight", zeros)?.reshape((c, c))?;
        let out_bias = vb.get_with_hints(c, "proj_out.bias", zeros)?;
        Ok(Self {
            norm: group_norm(GROUPS, c, EPS, vb.pp("norm"))?,
            qkv: [part(0)?, part(1)?, part(2)?],
            proj_out: Linear::new(out, Some(out_bias))?,
        })
    }

    pub(super) fn forward(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        let (n, sx, sy, sz, c) = x.tensor().dims5()?;
        let tokens = self.norm.forward_channels_last(x)?;
        let tokens = ops::reshape(tokens.tensor(), (n, sx * sy * sz, c))?;
        let [q, k, v] = &self.qkv;
        let (q, k, v) = (q.forward(&tokens)?, k.forward(&tokens)?, v.forward(&tokens)?);
        let h = self.proj_out.forward(&ops::attention(&q, &k, &v, 1, None)?)?;
        ops::add(x, &ChannelsLast::new(ops::reshape(&h, (n, sx, sy, sz, c))?)?)
    }
}
