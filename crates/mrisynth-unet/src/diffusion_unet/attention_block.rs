//! The attention block of either kind, remembered or run again.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::ChannelsLast;
use keyed_random::Key;

use super::conditions::{Conditions, entered, entered_activations};
use super::plan::Plan;
use super::spatial_attention::SpatialAttention;
use super::spatial_transformer::SpatialTransformer;

/// What follows a residual block where there is attention.
#[derive(Clone, Debug)]
pub(super) enum AttentionBlock {
    /// Of the voxels to themselves.
    Spatial(SpatialAttention),
    /// To a context too.
    Transformer(SpatialTransformer),
}

impl AttentionBlock {
    pub(super) fn new(
        plan: &Plan,
        channels: usize,
        head_channels: usize,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        if plan.config.with_conditioning {
            return SpatialTransformer::new(plan, channels, head_channels, vb)
                .map(Self::Transformer);
        }
        SpatialAttention::new(plan, channels, head_channels, vb).map(Self::Spatial)
    }

    /// For inference on volumes of `space` voxels.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        match self {
            Self::Spatial(_) => Ok(()),
            Self::Transformer(transformer) => transformer.prepare(space),
        }
    }

    pub(super) fn run(&self, x: ChannelsLast, conditions: Conditions<'_>) -> Result<ChannelsLast> {
        let (context, keys) = (conditions.context, conditions.keys);
        let Some(recompute) = conditions.recompute else {
            let context = context.map(entered).transpose()?;
            return self.forward(&entered_activations(x)?, context.as_ref(), keys);
        };
        let (block, keys) = (self.clone(), keys.map(<[Key]>::to_vec));
        let inputs: Vec<&Tensor> = [Some(x.tensor()), context].into_iter().flatten().collect();
        let output = recompute.checkpoint_many(&inputs, move |inputs| {
            let x = ChannelsLast::new(inputs[0].clone())?;
            Ok(block.forward(&x, inputs.get(1), keys.as_deref())?.into_tensor())
        })?;
        ChannelsLast::new(output)
    }

    fn forward(
        &self,
        x: &ChannelsLast,
        context: Option<&Tensor>,
        keys: Option<&[Key]>,
    ) -> Result<ChannelsLast> {
        match self {
            Self::Spatial(attention) => attention.forward(x),
            Self::Transformer(transformer) => transformer.forward(x, context, keys),
        }
    }
}
