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
    Residual(ResidualBlock, Option<AttentionBlock>),
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
    pub(super) fn forward(
        &self,
        x: &ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        match self {
            // It keeps only its input, and that is an output of another block.
            Self::Conv(conv) => conv.forward_channels_last(x),
            Self::Residual(residual, attention) => {
                let (residual, attention) = (residual.clone(), attention.clone());
                run(scope, &[x.tensor(), time], move |inputs| {
                    let y = residual.forward(&ChannelsLast::new(inputs[0].clone())?, &inputs[1])?;
                    attention.as_ref().map_or(Ok(y.clone()), |attention| attention.forward(&y))
                })
            }
        }
    }
}

impl MiddleBlock {
    pub(super) fn forward(
        &self,
        x: &ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        let block = self.clone();
        run(scope, &[x.tensor(), time], move |inputs| {
            let (x, time) = (ChannelsLast::new(inputs[0].clone())?, &inputs[1]);
            let y = block.attention.forward(&block.first.forward(&x, time)?)?;
            block.second.forward(&y, time)
        })
    }
}

impl OutputBlock {
    pub(super) fn forward(
        &self,
        x: &ChannelsLast,
        skip: &ChannelsLast,
        time: &Tensor,
        scope: Option<&Recompute>,
    ) -> Result<ChannelsLast> {
        let block = self.clone();
        run(scope, &[x.tensor(), skip.tensor(), time], move |inputs| {
            let x = ChannelsLast::new(inputs[0].clone())?;
            let skip = ChannelsLast::new(inputs[1].clone())?;
            let mut y = ops::concat_channels(&[&x, &skip])?;
            y = block.residual.forward(&y, &inputs[2])?;
            if let Some(attention) = &block.attention {
                y = attention.forward(&y)?;
            }
            if let Some(conv) = &block.up {
                let doubled = y.space().map(|size| size.saturating_mul(2));
                y = conv.forward_channels_last(&ops::upsample_trilinear_to(&y, doubled)?)?;
            }
            Ok(y)
        })
    }
}

/// Runs a block as it is, or as a segment that keeps nothing but its inputs and its output.
pub(super) fn run(
    scope: Option<&Recompute>,
    inputs: &[&Tensor],
    block: impl Fn(&[Tensor]) -> Result<ChannelsLast> + Send + Sync + 'static,
) -> Result<ChannelsLast> {
    match scope {
        Some(scope) => ChannelsLast::new(
            scope.checkpoint_many(inputs, move |inputs| Ok(block(inputs)?.into_tensor()))?,
        ),
        // Views, so that here too what a block sends back to an input is summed before it joins the
        // gradients of others: recomputation then changes no bit.
        None => block(
            &inputs.iter().map(|input| input.reshape(input.shape())).collect::<Result<Vec<_>>>()?,
        ),
    }
}
