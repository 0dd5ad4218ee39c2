//! Levels of one resolution: on the way down, in the middle, and on the way up.

use candle_core::Result;
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, Conv3d, Conv3dConfig, conv3d, ops};

use super::attention_block::AttentionBlock;
use super::conditions::Conditions;
use super::plan::{Level, Plan};
use super::residual_block::{ResidualBlock, Resolution};

/// A residual block and, where the level has attention, what follows it.
#[derive(Clone, Debug)]
struct Stage {
    residual: ResidualBlock,
    attention: Option<AttentionBlock>,
}

impl Stage {
    /// Stage `i` of a level, with `c_in` channels to begin with.
    fn new(plan: &Plan, level: Level, c_in: usize, i: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let channels = level.channels;
        let block = vb.pp("resnets").pp(i);
        let residual = ResidualBlock::new(plan, c_in, channels, Resolution::Kept, &block)?;
        let attention = level
            .attention
            .map(|width| AttentionBlock::new(plan, channels, width, &vb.pp("attentions").pp(i)));
        Ok(Self { residual, attention: attention.transpose()? })
    }

    fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        self.residual.prepare(space)?;
        self.attention.as_mut().map_or(Ok(()), |attention| attention.prepare(space))
    }

    fn run(
        &self,
        x: ChannelsLast,
        skip: Option<ChannelsLast>,
        conditions: Conditions<'_>,
    ) -> Result<ChannelsLast> {
        let x = self.residual.run(x, skip, conditions)?;
        match &self.attention {
            Some(attention) => attention.run(x, conditions),
            None => Ok(x),
        }
    }
}

/// What changes the resolution between two levels.
#[derive(Clone, Debug)]
enum Resampler {
    Residual(Box<ResidualBlock>),
    /// With a stride of 2.
    Strided(Conv3d),
    /// Behind a doubling.
    Doubled(Conv3d),
}

impl Resampler {
    fn down(plan: &Plan, channels: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        if plan.config.resblock_updown {
            return ResidualBlock::new(plan, channels, channels, Resolution::Halved, vb)
                .map(|block| Self::Residual(Box::new(block)));
        }
        let config = Conv3dConfig { stride: [2; 3], ..Conv3dConfig::same(3) };
        conv3d(channels, channels, [3; 3], config, vb.pp("op.conv")).map(Self::Strided)
    }

    fn up(plan: &Plan, channels: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        if plan.config.resblock_updown {
            return ResidualBlock::new(plan, channels, channels, Resolution::Doubled, vb)
                .map(|block| Self::Residual(Box::new(block)));
        }
        let config = Conv3dConfig::same(3);
        conv3d(channels, channels, [3; 3], config, vb.pp("postconv.conv")).map(Self::Doubled)
    }

    /// For inference on volumes of `space` voxels; how many there are afterwards.
    fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        match self {
            Self::Residual(block) => block.prepare(space),
            Self::Strided(conv) => {
                conv.prepare(space)?;
                Ok(space.map(|size| size.div_ceil(2)))
            }
            Self::Doubled(conv) => {
                let space = Resolution::Doubled.of(space);
                conv.prepare(space)?;
                Ok(space)
            }
        }
    }

    fn run(&self, x: ChannelsLast, conditions: Conditions<'_>) -> Result<ChannelsLast> {
        match self {
            Self::Residual(block) => block.run(x, None, conditions),
            Self::Strided(conv) => conv.forward_channels_last(&x),
            Self::Doubled(conv) => {
                let doubled = ops::upsample_nearest(&x, [2; 3])?;
                drop(x);
                conv.forward_channels_last(&doubled)
            }
        }
    }
}

/// A level on the way down.
///
/// # Source
/// MONAI 1.6.1, `DownBlock`, `AttnDownBlock` and `CrossAttnDownBlock`.
#[derive(Clone, Debug)]
pub(super) struct DownLevel {
    stages: Vec<Stage>,
    downsampler: Option<Resampler>,
}

impl DownLevel {
    /// Level `i`, with `c_in` channels to begin with.
    pub(super) fn new(plan: &Plan, i: usize, c_in: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let level = plan.levels[i];
        let stage = |j| {
            let c_in = if j == 0 { c_in } else { level.channels };
            Stage::new(plan, level, c_in, j, vb)
        };
        let stages = (0..level.residual_blocks).map(stage).collect::<Result<_>>()?;
        let has_next = i + 1 < plan.levels.len();
        let downsampler =
            has_next.then(|| Resampler::down(plan, level.channels, &vb.pp("downsampler")));
        Ok(Self { stages, downsampler: downsampler.transpose()? })
    }

    /// For inference on volumes of `space` voxels; how many the next level has.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        self.stages.iter_mut().try_for_each(|stage| stage.prepare(space))?;
        self.downsampler.as_mut().map_or(Ok(space), |downsampler| downsampler.prepare(space))
    }

    /// Leaves what each stage gives behind in `skips`.
    pub(super) fn run(
        &self,
        mut x: ChannelsLast,
        skips: &mut Vec<ChannelsLast>,
        conditions: Conditions<'_>,
    ) -> Result<ChannelsLast> {
        for stage in &self.stages {
            x = stage.run(x, None, conditions)?;
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.run(x, conditions)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

/// Two residual blocks with attention between them.
///
/// # Source
/// MONAI 1.6.1, `AttnMidBlock` and `CrossAttnMidBlock`.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    resnet_1: ResidualBlock,
    attention: AttentionBlock,
    resnet_2: ResidualBlock,
}

impl Middle {
    pub(super) fn new(plan: &Plan, channels: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let residual =
            |name| ResidualBlock::new(plan, channels, channels, Resolution::Kept, &vb.pp(name));
        let width = plan.middle_head_channels;
        Ok(Self {
            resnet_1: residual("resnet_1")?,
            attention: AttentionBlock::new(plan, channels, width, &vb.pp("attention"))?,
            resnet_2: residual("resnet_2")?,
        })
    }

    /// For inference on volumes of `space` voxels.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        self.resnet_1.prepare(space)?;
        self.attention.prepare(space)?;
        self.resnet_2.prepare(space).map(|_| ())
    }

    pub(super) fn run(&self, x: ChannelsLast, conditions: Conditions<'_>) -> Result<ChannelsLast> {
        let x = self.resnet_1.run(x, None, conditions)?;
        let x = self.attention.run(x, conditions)?;
        self.resnet_2.run(x, None, conditions)
    }
}

/// A level on the way up.
///
/// # Source
/// MONAI 1.6.1, `UpBlock`, `AttnUpBlock` and `CrossAttnUpBlock`.
#[derive(Clone, Debug)]
pub(super) struct UpLevel {
    stages: Vec<Stage>,
    upsampler: Option<Resampler>,
}

impl UpLevel {
    /// The way up of level `i`, the finest being 0. It has one stage more than the way down: for
    /// what came into that level too.
    pub(super) fn new(plan: &Plan, i: usize, vb: &VarBuilder<'_>) -> Result<Self> {
        let level = plan.levels[i];
        let below = plan.levels.get(i + 1).unwrap_or(&level).channels;
        let above = plan.levels[i.saturating_sub(1)].channels;
        let last = level.residual_blocks;
        let stage = |j| {
            let x = if j == 0 { below } else { level.channels };
            let skip = if j == last { above } else { level.channels };
            Stage::new(plan, level, x + skip, j, vb)
        };
        let stages = (0..=last).map(stage).collect::<Result<_>>()?;
        let upsampler = (i > 0).then(|| Resampler::up(plan, level.channels, &vb.pp("upsampler")));
        Ok(Self { stages, upsampler: upsampler.transpose()? })
    }

    /// For inference on volumes of `space` voxels; how many the next level has.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        self.stages.iter_mut().try_for_each(|stage| stage.prepare(space))?;
        self.upsampler.as_mut().map_or(Ok(space), |upsampler| upsampler.prepare(space))
    }

    /// Takes a skip connection for each stage, the last first.
    pub(super) fn run(
        &self,
        mut x: ChannelsLast,
        skips: &mut Vec<ChannelsLast>,
        conditions: Conditions<'_>,
    ) -> Result<ChannelsLast> {
        for stage in &self.stages {
            x = stage.run(x, skips.pop(), conditions)?;
        }
        match &self.upsampler {
            Some(upsampler) => upsampler.run(x, conditions),
            None => Ok(x),
        }
    }
}
