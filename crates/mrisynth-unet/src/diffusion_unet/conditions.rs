//! What every block of one pass sees beside the activations.

use candle_core::{Result, Tensor};
use candle_nn3d::{ChannelsLast, Recompute, ops};
use keyed_random::Key;

/// What every block of one pass sees beside the activations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions<'a> {
    /// SiLU of what time and class become, `[n, 4 · channels[0]]`.
    pub(super) embedding: &'a Tensor,
    /// `[n, tokens, cross_attention_dim]`.
    pub(super) context: Option<&'a Tensor>,
    /// Where blocks run that are to be run again in the backward pass.
    pub(super) recompute: Option<&'a Recompute>,
    /// A key for each item in training.
    pub(super) keys: Option<&'a [Key]>,
}

/// The same tensor as a node of its own on the tape.
///
/// Gradients of everything that a block does with an input are then summed before they meet those
/// of other blocks, as they are where the block is run again: the sums are grouped alike, and the
/// bits the same.
pub(super) fn entered(x: &Tensor) -> Result<Tensor> {
    ops::reshape(x, x.shape())
}

/// As [`entered`], for activations; it lets go of the one it is given.
pub(super) fn entered_activations(x: ChannelsLast) -> Result<ChannelsLast> {
    ChannelsLast::new(entered(&x.into_tensor())?)
}
