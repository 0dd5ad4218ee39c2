//! Self-attention of all voxels.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, GroupNorm, group_norm, ops};

use super::plan::Plan;
use super::token_attention::{TokenAttention, TokenAttentionShape};

/// `x + attn(norm(x))`, every voxel a token.
///
/// # Source
/// MONAI 1.6.1, `SpatialAttentionBlock`.
#[derive(Clone, Debug)]
pub(super) struct SpatialAttention {
    norm: GroupNorm,
    attn: TokenAttention,
}

impl SpatialAttention {
    pub(super) fn new(
        plan: &Plan,
        channels: usize,
        head_channels: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let config = &plan.config;
        let shape = TokenAttentionShape {
            channels,
            context_channels: channels,
            heads: channels / head_channels,
            head_channels,
            bias: true,
            combined: config.use_combined_linear,
            output_projection: config.include_fc,
            // MONAI hands its dropout to transformers only.
            dropout: 0.0,
        };
        Ok(Self {
            norm: group_norm(config.norm_num_groups, channels, config.norm_eps, vb.pp("norm"))?,
            attn: TokenAttention::new(shape, &vb.pp("attn"))?,
        })
    }

    pub(super) fn forward(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        let tokens = tokens(self.norm.forward_channels_last(x)?)?;
        let attended = self.attn.forward(&tokens, &tokens, None)?;
        ops::add(x, &volume(attended, x.space())?)
    }
}

/// Voxels as tokens, `[n, x · y · z, c]`; nothing moves.
pub(super) fn tokens(x: ChannelsLast) -> Result<Tensor> {
    let (n, tokens, channels) = (x.batch(), x.space().into_iter().product::<usize>(), x.channels());
    ops::reshape(x.tensor(), (n, tokens, channels))
}

/// Tokens as the voxels that they were.
pub(super) fn volume(tokens: Tensor, [x, y, z]: [usize; 3]) -> Result<ChannelsLast> {
    let (n, _, channels) = tokens.dims3()?;
    ChannelsLast::new(ops::reshape(&tokens, (n, x, y, z, channels))?)
}
