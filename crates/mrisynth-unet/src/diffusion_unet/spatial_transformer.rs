//! Attention of all voxels to themselves and to a context.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, Conv3d, Conv3dConfig, GroupNorm, conv3d, group_norm, ops};
use keyed_random::Key;

use super::plan::Plan;
use super::spatial_attention::{tokens, volume};
use super::transformer_block::TransformerBlock;
use super::zero_convolution::zero_convolution;

/// `x + proj_out(blocks(proj_in(norm(x))))`, every voxel a token.
///
/// # Source
/// MONAI 1.6.1, `SpatialTransformer`.
#[derive(Clone, Debug)]
pub(super) struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Conv3d,
    transformer_blocks: Vec<TransformerBlock>,
    proj_out: Conv3d,
}

impl SpatialTransformer {
    pub(super) fn new(
        plan: &Plan,
        channels: usize,
        head_channels: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let config = &plan.config;
        // As many whole heads as fit; the tokens may have fewer channels than the voxels.
        let heads = channels / head_channels;
        let inner = heads * head_channels;
        let block = |i| {
            let vb = vb.pp("transformer_blocks").pp(i);
            TransformerBlock::new(plan, heads, head_channels, &vb)
        };
        Ok(Self {
            norm: group_norm(config.norm_num_groups, channels, config.norm_eps, vb.pp("norm"))?,
            proj_in: conv3d(
                channels,
                inner,
                [1; 3],
                Conv3dConfig::default(),
                vb.pp("proj_in.conv"),
            )?,
            transformer_blocks: (0..config.transformer_num_layers)
                .map(block)
                .collect::<Result<_>>()?,
            proj_out: zero_convolution(inner, channels, 1, &vb.pp("proj_out.conv"))?,
        })
    }

    /// For inference on volumes of `space` voxels.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        self.proj_in.prepare(space)?;
        self.proj_out.prepare(space)
    }

    pub(super) fn forward(
        &self,
        x: &ChannelsLast,
        context: Option<&Tensor>,
        keys: Option<&[Key]>,
    ) -> Result<ChannelsLast> {
        let mut h = self.norm.forward_channels_last(x)?;
        h = self.proj_in.forward_channels_last(&h)?;
        let mut rows = tokens(h)?;
        for block in &self.transformer_blocks {
            rows = block.forward(&rows, context, keys)?;
        }
        h = self.proj_out.forward_channels_last(&volume(rows, x.space())?)?;
        ops::add(&h, x)
    }
}
