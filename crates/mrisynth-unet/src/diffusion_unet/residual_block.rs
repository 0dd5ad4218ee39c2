//! The residual block: two convolutions, between which the embedding of time is added.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{
    ChannelsLast, Conv3d, Conv3dConfig, GroupNorm, Linear, conv3d, group_norm, linear_layer, ops,
};

use super::conditions::{Conditions, entered, entered_activations};
use super::plan::Plan;
use super::zero_convolution::zero_convolution;

/// What a block does to the resolution, before its first convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    Kept,
    /// The mean of 2³ voxels.
    Halved,
    /// Every voxel 2³ times.
    Doubled,
}

impl Resolution {
    /// Voxels afterwards.
    pub(super) fn of(self, space: [usize; 3]) -> [usize; 3] {
        match self {
            Self::Kept => space,
            Self::Halved => space.map(|size| (size / 2).max(1)),
            Self::Doubled => space.map(|size| 2 * size),
        }
    }

    fn apply(self, x: ChannelsLast) -> Result<ChannelsLast> {
        match self {
            Self::Kept => Ok(x),
            Self::Halved => ops::avg_pool3d(&x, [2; 3], [2; 3], [0; 3], true),
            Self::Doubled => ops::upsample_nearest(&x, [2; 3]),
        }
    }
}

/// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time_emb_proj(silu(embedding)))))`.
///
/// # Source
/// MONAI 1.6.1, `DiffusionUNetResnetBlock`; Ho, Jain and Abbeel 2020, appendix B.
#[derive(Clone, Debug)]
pub(super) struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Conv3d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv3d,
    /// Where the channels change.
    skip_connection: Option<Conv3d>,
    resolution: Resolution,
}

impl ResidualBlock {
    pub(super) fn new(
        plan: &Plan,
        c_in: usize,
        c_out: usize,
        resolution: Resolution,
        vb: &VarBuilder<'_>,
    ) -> Result<Self> {
        let norm = |channels, name| {
            let (groups, eps) = (plan.config.norm_num_groups, plan.config.norm_eps);
            group_norm(groups, channels, eps, vb.pp(name))
        };
        Ok(Self {
            norm1: norm(c_in, "norm1")?,
            conv1: conv3d(c_in, c_out, [3; 3], Conv3dConfig::same(3), vb.pp("conv1.conv"))?,
            time_emb_proj: linear_layer(
                plan.embedding_channels(),
                c_out,
                true,
                vb.pp("time_emb_proj"),
            )?,
            norm2: norm(c_out, "norm2")?,
            conv2: zero_convolution(c_out, c_out, 3, &vb.pp("conv2.conv"))?,
            skip_connection: if c_in == c_out {
                None
            } else {
                let vb = vb.pp("skip_connection.conv");
                Some(conv3d(c_in, c_out, [1; 3], Conv3dConfig::default(), vb)?)
            },
            resolution,
        })
    }

    /// For inference on volumes of `space` voxels; how many there are behind the block.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        let space = self.resolution.of(space);
        let convolutions = [Some(&mut self.conv1), Some(&mut self.conv2)];
        for conv in convolutions.into_iter().chain([self.skip_connection.as_mut()]).flatten() {
            conv.prepare(space)?;
        }
        Ok(space)
    }

    /// The block on `x`, with the channels of `skip` behind those of `x` where there is one.
    pub(super) fn run(
        &self,
        x: ChannelsLast,
        skip: Option<ChannelsLast>,
        conditions: Conditions<'_>,
    ) -> Result<ChannelsLast> {
        let Some(recompute) = conditions.recompute else {
            let skip = skip.map(entered_activations).transpose()?;
            let embedding = entered(conditions.embedding)?;
            return self.forward(entered_activations(x)?, skip, &embedding);
        };
        let block = self.clone();
        let inputs: Vec<&Tensor> = [Some(conditions.embedding), Some(x.tensor())]
            .into_iter()
            .chain([skip.as_ref().map(ChannelsLast::tensor)])
            .flatten()
            .collect();
        let output = recompute.checkpoint_many(&inputs, move |inputs| {
            let skip = inputs.get(2).cloned().map(ChannelsLast::new).transpose()?;
            let x = ChannelsLast::new(inputs[1].clone())?;
            Ok(block.forward(x, skip, &inputs[0])?.into_tensor())
        })?;
        ChannelsLast::new(output)
    }

    /// Takes its inputs by value and keeps one name for what replaces another, so that activations
    /// are freed as soon as they are used.
    fn forward(
        &self,
        mut x: ChannelsLast,
        skip: Option<ChannelsLast>,
        embedding: &Tensor,
    ) -> Result<ChannelsLast> {
        if let Some(skip) = skip {
            x = ops::concat_channels(&[&x, &skip])?;
        }
        let mut h = self.resolution.apply(self.norm1.forward_silu(&x)?)?;
        let mut shortcut = self.resolution.apply(x)?;
        if let Some(conv) = &self.skip_connection {
            shortcut = conv.forward_channels_last(&shortcut)?;
        }
        let time = self.time_emb_proj.forward(embedding)?;
        h = self.conv1.forward_adding(&h, Some(&time), None)?;
        h = self.norm2.forward_silu(&h)?;
        self.conv2.forward_adding(&h, None, Some(&shortcut))
    }
}
