//! The passes of a softmax over scores that come block by block, 32 columns side by side.

use super::real::Real;
use super::tile::COLUMNS;
use super::vectorise::Kernel;

/// What a softmax down each of the 32 columns knows after some blocks of scores.
#[derive(Clone, Debug)]
pub(crate) struct Running<T> {
    /// The largest score.
    pub(crate) max: [T; COLUMNS],
    /// The sum of exp(score − max).
    pub(crate) sum: [T; COLUMNS],
    /// By what the last block made earlier sums shrink.
    pub(crate) shrink: [T; COLUMNS],
}

impl<T: Real> Running<T> {
    pub(crate) fn new() -> Self {
        Self { max: [T::NEG_INFINITY; COLUMNS], sum: [T::ZERO; COLUMNS], shrink: [T::ONE; COLUMNS] }
    }
}

/// Takes one block of scores into a running softmax and turns each into exp(score − max).
#[derive(Debug)]
pub(crate) struct OnlineStep<'a, T> {
    pub(crate) scores: &'a mut [T],
    pub(crate) running: &'a mut Running<T>,
}

impl<T: Real> Kernel for OnlineStep<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (rows, _) = self.scores.as_chunks_mut::<COLUMNS>();
        let before = self.running.max;
        let mut max = before;
        for row in rows.iter() {
            for j in 0..COLUMNS {
                max[j] = if row[j] > max[j] { row[j] } else { max[j] };
            }
        }
        let mut sum = self.running.sum;
        for j in 0..COLUMNS {
            let shrink = (before[j] - max[j]).exp_of_nonpositive::<FUSED>();
            self.running.shrink[j] = shrink;
            sum[j] = sum[j] * shrink;
        }
        for row in rows {
            for j in 0..COLUMNS {
                row[j] = (row[j] - max[j]).exp_of_nonpositive::<FUSED>();
                sum[j] += row[j];
            }
        }
        self.running.max = max;
        self.running.sum = sum;
    }
}

/// Turns scores into probabilities p = exp(score − lse), and the gradients g of the probabilities
/// into those of the scores, p (g − δ), where each column has its own lse and δ.
#[derive(Debug)]
pub(crate) struct GradientDownColumns<'a, T> {
    pub(crate) scores: &'a mut [T],
    pub(crate) gradients: &'a mut [T],
    pub(crate) lse: &'a [T; COLUMNS],
    pub(crate) delta: &'a [T; COLUMNS],
}

impl<T: Real> Kernel for GradientDownColumns<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (lse, delta) = (*self.lse, *self.delta);
        let (scores, _) = self.scores.as_chunks_mut::<COLUMNS>();
        let (gradients, _) = self.gradients.as_chunks_mut::<COLUMNS>();
        for (score, gradient) in scores.iter_mut().zip(gradients) {
            for j in 0..COLUMNS {
                let probability = (score[j] - lse[j]).exp_of_nonpositive::<FUSED>();
                score[j] = probability;
                gradient[j] = probability * (gradient[j] - delta[j]);
            }
        }
    }
}

/// The same where each row has its own lse and δ.
#[derive(Debug)]
pub(crate) struct GradientAlongRows<'a, T> {
    pub(crate) scores: &'a mut [T],
    pub(crate) gradients: &'a mut [T],
    pub(crate) lse: &'a [T],
    pub(crate) delta: &'a [T],
}

impl<T: Real> Kernel for GradientAlongRows<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (scores, _) = self.scores.as_chunks_mut::<COLUMNS>();
        let (gradients, _) = self.gradients.as_chunks_mut::<COLUMNS>();
        let rows = scores.iter_mut().zip(gradients).zip(self.lse).zip(self.delta);
        for (((score, gradient), &lse), &delta) in rows {
            for j in 0..COLUMNS {
                let probability = (score[j] - lse).exp_of_nonpositive::<FUSED>();
                score[j] = probability;
                gradient[j] = probability * (gradient[j] - delta);
            }
        }
    }
}
