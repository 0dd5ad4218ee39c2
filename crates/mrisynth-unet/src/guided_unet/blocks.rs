//! The entries of the reference's lists of blocks, each run as a whole.

use candle_core::{Result, Tensor};
use candle_nn3d::{ChannelsLast, Conv3d, Recompute, ops};

use super::attention_block::AttentionBlock;
use super::residual_block::ResidualBlock;

/// An entry of `input_blocks`.
#[derive(Clone, Debug)]
pub(super) enum InputBlock {
    /// The first convolution, or one that halves the size.
    Conv(Conv3d),
    /// A residual block, and attention at some levels.
    Residual(Box<ResidualBlock>, Option<AttentionBlock>),
}

/// An entry of `output_blocks`; the last of a level doubles the size.
#[derive(Clone, Debug)]
pub(super) struct OutputBlock {
    pub(super) residual: ResidualBlock,
    pub(super) attention: Option<AttentionBlock>,
    pub(super) up: Option<Conv3d>,
}

/// `middle_block`.
#[derive(Clone, Debug)]
pub(super) struct MiddleBlock {
    pub(super) first: ResidualBlock,
    pub(super) attention: AttentionBlock,
    pub(super) second: ResidualBlock,
}

impl InputBlock {
    /// For inference on volumes of `space` voxels; how many there are behind the block.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        match self {
            Self::Conv(conv) => {
                conv.prepare(space)?;
                let stride = conv.config().stride;
                Ok(std::array::from_fn(|axis| space[axis].div_ceil(stride[axis])))
            }
            Self::Residual(residual, _) => residual.prepare(space).map(|()| space),
        }
    }

    pub(super) fn forward(
        &self,
        x: ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        match self {
            // It keeps only its input, and that is an output of another block.
            Self::Conv(conv) => conv.forward_channels_last(&x),
            Self::Residual(residual, attention) => {
                let (residual, attention) = (residual.clone(), attention.clone());
                run(scope, [x.into_tensor(), time.clone()], move |[x, time]| {
                    let y = residual.forward(ChannelsLast::new(x)?, &time)?;
                    match &attention {
                        Some(attention) => attention.forward(&y),
                        None => Ok(y),
                    }
                })
            }
        }
    }
}

impl MiddleBlock {
    /// For inference on volumes of `space` voxels.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<()> {
        self.first.prepare(space)?;
        self.second.prepare(space)
    }

    pub(super) fn forward(
        &self,
        x: ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        let block = self.clone();
        run(scope, [x.into_tensor(), time.clone()], move |[x, time]| {
            let y = block.first.forward(ChannelsLast::new(x)?, &time)?;
            block.second.forward(block.attention.forward(&y)?, &time)
        })
    }
}

impl OutputBlock {
    /// For inference on volumes of `space` voxels; how many there are behind the block.
    pub(super) fn prepare(&mut self, space: [usize; 3]) -> Result<[usize; 3]> {
        self.residual.prepare(space)?;
        let Some(up) = &mut self.up else { return Ok(space) };
        let doubled = space.map(|size| 2 * size);
        up.prepare(doubled).map(|()| doubled)
    }

    pub(super) fn forward(
        &self,
        x: ChannelsLast,
        skip: ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        let block = self.clone();
        let inputs = [x.into_tensor(), skip.into_tensor(), time.clone()];
        run(scope, inputs, move |[x, skip, time]| {
            let joined = {
                let (x, skip) = (ChannelsLast::new(x)?, ChannelsLast::new(skip)?);
                ops::concat_channels(&[&x, &skip])?
            };
            let mut y = block.residual.forward(joined, &time)?;
            if let Some(attention) = &block.attention {
                y = attention.forward(&y)?;
            }
            if let Some(conv) = &block.up {
                let doubled = y.space().map(|size| size.saturating_mul(2));
                y = ops::upsample_trilinear_to(&y, doubled)?;
                y = conv.forward_channels_last(&y)?;
            }
            Ok(y)
        })
    }
}

/// Runs a block as it is, or as a segment that keeps nothing but its inputs and its output.
///
/// The block owns its inputs, so that in inference each is freed after its last use.
pub(super) fn run<const N: usize>(
    scope: Option<&Recompute>,
    mut inputs: [Tensor; N],
    block: impl Fn([Tensor; N]) -> Result<ChannelsLast> + Send + Sync + 'static,
) -> Result<ChannelsLast> {
    let Some(scope) = scope else {
        // Views, so that here too what a block sends back to an input is summed before it joins the
        // gradients of others: recomputation then changes no bit.
        for input in &mut inputs {
            *input = ops::reshape(input, input.shape())?;
        }
        return block(inputs);
    };
    let segment = move |given: &[Tensor]| match <[Tensor; N]>::try_from(given.to_vec()) {
        Ok(inputs) => Ok(block(inputs)?.into_tensor()),
        Err(given) => candle_core::bail!("a block of {N} inputs is given {}", given.len()),
    };
    ChannelsLast::new(scope.checkpoint_many(&inputs.each_ref(), segment)?)
}
