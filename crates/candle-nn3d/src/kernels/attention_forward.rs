//! Attention forward: each task owns some queries, and all keys stream past them.

use rayon::prelude::*;

use super::attention::{AttentionShape, BLOCK, OWNED, Streamed, Tokens, accumulate, scores};
use super::real::{Element, Real};
use super::softmax::{OnlineStep, Running};
use super::tier::Tier;
use super::tile::COLUMNS;

/// What attention reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a, S> {
    pub(crate) q: &'a [S],
    pub(crate) k: &'a [S],
    pub(crate) v: &'a [S],
    /// What scores are multiplied by.
    pub(crate) scale: f64,
}

/// `out = softmax(scale · q kᵀ) v`, and the logarithm of each softmax's denominator, in
/// `lse[item][query][head]`.
pub(crate) fn forward<S: Element>(
    tier: Tier,
    shape: &AttentionShape,
    inputs: Inputs<'_, S>,
    out: &mut [S],
    lse: &mut [S::Real],
) {
    let one = S::Real::ONE;
    let keys = Streamed::across(&Tokens::keys(shape, inputs.k), one);
    let values = Streamed::along(&Tokens::keys(shape, inputs.v), one);
    let sweep = Sweep { tier, shape, inputs, keys, values };
    let (row, heads) = (shape.channels(), shape.heads);
    let items =
        out.par_chunks_mut(shape.queries * row).zip(lse.par_chunks_mut(shape.queries * heads));
    items.enumerate().for_each(|(item, (out, lse))| {
        let tasks = out.par_chunks_mut(OWNED * row).zip(lse.par_chunks_mut(OWNED * heads));
        tasks.enumerate().for_each_init(
            || Scratch::new(shape),
            |scratch, (task, (out, lse))| {
                for head in 0..heads {
                    sweep.run(scratch, [item, head, task * OWNED], out);
                    sweep.write(scratch, head, out, lse);
                }
            },
        );
    });
}

struct Sweep<'a, S: Element> {
    tier: Tier,
    shape: &'a AttentionShape,
    inputs: Inputs<'a, S>,
    keys: Streamed<S::Real>,
    values: Streamed<S::Real>,
}

/// What a task needs beyond its share of the output, for panels of 32 queries.
struct Scratch<T> {
    /// `[panel][channel][32]`.
    queries: Vec<T>,
    /// `[key][32]`: scores, then exp(score − max).
    scores: Vec<T>,
    /// `[panel][32][channel]`.
    sums: Vec<T>,
    running: Vec<Running<T>>,
}

impl<T: Real> Scratch<T> {
    fn new(shape: &AttentionShape) -> Self {
        Self {
            queries: vec![T::ZERO; OWNED * shape.width],
            scores: vec![T::ZERO; BLOCK * COLUMNS],
            sums: vec![T::ZERO; OWNED * shape.padded_width()],
            running: vec![Running::new(); OWNED / COLUMNS],
        }
    }
}

impl<S: Element> Sweep<'_, S> {
    /// Sums exp(score − max) times the values over all keys.
    fn run(&self, scratch: &mut Scratch<S::Real>, [item, head, first]: [usize; 3], out: &[S]) {
        let (tier, shape) = (self.tier, self.shape);
        let owned = out.len() / shape.channels();
        let queries = Tokens::queries(shape, self.inputs.q).head(item, head);
        let scale = S::Real::from_f64(self.inputs.scale);
        queries.pack_across::<COLUMNS>(first..first + owned, scale, &mut scratch.queries);
        scratch.sums.fill(S::Real::ZERO);
        scratch.running.fill(Running::new());
        for block in 0..shape.keys.div_ceil(BLOCK) {
            let count = (shape.keys - block * BLOCK).min(BLOCK);
            let keys = self.keys.block(item, head, block);
            let values = self.values.block(item, head, block);
            let panels = scratch
                .queries
                .chunks_exact(COLUMNS * shape.width)
                .zip(scratch.sums.chunks_exact_mut(COLUMNS * shape.padded_width()))
                .zip(&mut scratch.running);
            for ((queries, sums), running) in panels.take(owned.div_ceil(COLUMNS)) {
                scores(tier, count, keys, queries, &mut scratch.scores);
                let scores = &mut scratch.scores[..count * COLUMNS];
                tier.run(OnlineStep { scores, running });
                if block > 0 {
                    shrink(sums, &running.shrink);
                }
                accumulate(tier, count, scores, values, sums);
            }
        }
    }

    /// Divides the sums by the denominators.
    fn write(&self, scratch: &Scratch<S::Real>, head: usize, out: &mut [S], lse: &mut [S::Real]) {
        let shape = self.shape;
        let rows = out.chunks_exact_mut(shape.channels()).zip(lse.chunks_exact_mut(shape.heads));
        for (i, (out, lse)) in rows.enumerate() {
            let (running, lane) = (&scratch.running[i / COLUMNS], i % COLUMNS);
            let (max, sum) = (running.max[lane], running.sum[lane]);
            lse[head] = max + sum.ln();
            let sums = &scratch.sums[i * shape.padded_width()..][..shape.width];
            let out = &mut out[head * shape.width..][..shape.width];
            out.iter_mut().zip(sums).for_each(|(out, &x)| *out = S::store(x / sum));
        }
    }
}

/// Multiplies each of the 32 rows by its factor.
fn shrink<T: Real>(sums: &mut [T], factors: &[T; COLUMNS]) {
    let padded_width = sums.len() / COLUMNS;
    for (row, &factor) in sums.chunks_exact_mut(padded_width).zip(factors) {
        if factor != T::ONE {
            row.iter_mut().for_each(|sum| *sum = *sum * factor);
        }
    }
}
