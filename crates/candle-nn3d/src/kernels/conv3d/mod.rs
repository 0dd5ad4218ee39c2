//! Convolution of channels-last slices: f32 and bf16, forward.

mod direct;
#[cfg(test)]
mod tests;
pub(super) mod winograd;

use rayon::prelude::*;

use super::conv_element::Element;
use super::tier::Tier;
use super::vector::lanes;
use crate::conv_shape::ConvShape;
use direct::DirectWeights;
use winograd::{Points, WinogradWeights};

/// Which algorithms a convolution may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Conv3dAlgorithm {
    /// The fastest for the shape.
    #[default]
    Auto,
    /// Only sums of products as the definition has them.
    Direct,
}

/// The weights of one convolution in the form that its kernel reads.
pub(crate) struct PackedWeights {
    form: Form,
    /// Lanes of the vectors they were packed for.
    lanes: usize,
}

enum Form {
    Direct(DirectWeights),
    Winograd(WinogradWeights),
}

impl PackedWeights {
    /// Packs PyTorch's `[c_out, c_in / groups, kx, ky, kz]` for one tier.
    pub(crate) fn new(
        tier: Tier,
        algorithm: Conv3dAlgorithm,
        shape: &ConvShape,
        weight: &[f32],
    ) -> Self {
        let form = match fast_points(algorithm, shape) {
            Some(points) => Form::Winograd(WinogradWeights::new(tier, shape, points, weight)),
            None => Form::Direct(DirectWeights::new(tier, shape, weight)),
        };
        Self { form, lanes: lanes(tier) }
    }

    /// As [`Self::new`], for one call: in memory that the process keeps, if they are large.
    pub(crate) fn temporary(
        tier: Tier,
        algorithm: Conv3dAlgorithm,
        shape: &ConvShape,
        weight: &[f32],
    ) -> Self {
        let form = match fast_points(algorithm, shape) {
            Some(points) => Form::Winograd(WinogradWeights::temporary(tier, shape, points, weight)),
            None => Form::Direct(DirectWeights::new(tier, shape, weight)),
        };
        Self { form, lanes: lanes(tier) }
    }

    /// Ends [`Self::temporary`].
    pub(crate) fn give_back(self) {
        if let Form::Winograd(weights) = self.form {
            weights.give_back();
        }
    }

    /// Memory that they take.
    pub(crate) fn bytes(&self) -> usize {
        match &self.form {
            Form::Direct(weights) => weights.bytes(),
            Form::Winograd(weights) => weights.bytes(),
        }
    }
}

fn fast_points(algorithm: Conv3dAlgorithm, shape: &ConvShape) -> Option<Points> {
    match algorithm {
        Conv3dAlgorithm::Auto => winograd::points(shape),
        Conv3dAlgorithm::Direct => None,
    }
}

/// `y = x ∗ weights + bias`, channels-last. bf16 is widened as it is read, summed in f32 and rounded
/// once as it is written: fast algorithms in f32 outrun bf16 dot products in the direct one (twice
/// the rate against six to eight times fewer products), and round less.
///
/// # Shapes
/// x `[batch, x, y, z, c_in]`, bias `[c_out]`, y `[batch, x', y', z', c_out]`, as in `shape`, whose
/// tier and sizes must be those that the weights were packed for (the batch may differ).
///
/// # Panics
/// If a slice has not the shape's size, or the weights were packed for another tier.
pub(crate) fn forward<T: Element>(
    tier: Tier,
    shape: &ConvShape,
    x: &[T],
    weights: &PackedWeights,
    bias: Option<&[f32]>,
    y: &mut [T],
) {
    forward_adding(tier, shape, x, weights, Addends { bias, residual: None }, y);
}

/// What is added to the products before they are rounded.
#[derive(Clone, Copy)]
pub(crate) struct Addends<'a, T> {
    /// `[c_out]`, or `[batch, c_out]` with one for each item.
    pub(crate) bias: Option<&'a [f32]>,
    /// `[batch, x', y', z', c_out]`
    pub(crate) residual: Option<&'a [T]>,
}

/// As [`forward`], with what follows many a convolution: a bias of each item, a residual.
///
/// # Panics
/// As [`forward`].
pub(crate) fn forward_adding<T: Element>(
    tier: Tier,
    shape: &ConvShape,
    x: &[T],
    weights: &PackedWeights,
    Addends { bias, residual }: Addends<'_, T>,
    y: &mut [T],
) {
    assert_eq!(weights.lanes, lanes(tier), "weights were packed for another tier");
    assert_eq!(x.len(), shape.batch * shape.n_in() * shape.c_in, "x has not the shape's size");
    assert_eq!(y.len(), shape.batch * shape.n_out() * shape.c_out, "y has not the shape's size");
    let sizes = [shape.c_out, shape.batch * shape.c_out];
    assert!(bias.is_none_or(|bias| sizes.contains(&bias.len())), "bias has not the shape's size");
    assert!(residual.is_none_or(|r| r.len() == y.len()), "the residual has not the shape's size");
    // One for each item, or the same for all.
    let biases: Vec<Option<&[f32]>> = match bias {
        Some(bias) => bias.chunks_exact(shape.c_out).map(Some).collect(),
        None => vec![None],
    };
    match &weights.form {
        Form::Direct(weights) => {
            let biases: Vec<_> =
                biases.into_iter().map(|bias| weights.padded_bias(shape, bias)).collect();
            let items = x.par_chunks(shape.n_in() * shape.c_in).enumerate();
            let items = items.zip(y.par_chunks_mut(shape.n_out() * shape.c_out));
            items.for_each(|((item, x), y)| {
                weights.forward(tier, shape, x, &biases[item % biases.len()], y);
            });
            if let Some(residual) = residual {
                let parts = y.par_chunks_mut(PART).zip(residual.par_chunks(PART));
                parts.for_each(|(y, residual)| {
                    for (y, residual) in y.iter_mut().zip(residual) {
                        *y = T::round(y.widen() + residual.widen());
                    }
                });
            }
        }
        Form::Winograd(weights) => {
            let biases: Vec<_> = biases.into_iter().map(|bias| weights.padded_bias(bias)).collect();
            weights.forward(tier, shape, x, winograd::Addends { biases: &biases, residual }, y);
        }
    }
}

/// Numbers that one thread adds at a time.
const PART: usize = 1 << 14;
