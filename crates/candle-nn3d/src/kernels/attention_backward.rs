//! Attention backward: probabilities are made again from the scores and the denominators that the
//! forward pass kept. One sweep owns queries and makes their gradient; another owns keys and makes
//! theirs and the values'. No sum crosses tasks.
//!
//! With p the probabilities, g the gradient of the output and δ = Σ g · out for each query:
//! the gradient of v is pᵀ g; that of the scores is s = p (g vᵀ − δ); those of q and k are
//! scale · s k and scale · sᵀ q.

use rayon::prelude::*;

use super::attention::{AttentionShape, BLOCK, OWNED, Streamed, Tokens, accumulate, scores};
use super::attention_forward::Inputs;
use super::real::{Element, Real};
use super::softmax::{GradientAlongRows, GradientDownColumns};
use super::tier::Tier;
use super::tile::COLUMNS;

/// What the forward pass made, and the gradient of its output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outputs<'a, S: Element> {
    pub(crate) out: &'a [S],
    /// `[item][query][head]`.
    pub(crate) lse: &'a [S::Real],
    pub(crate) gradient: &'a [S],
}

/// The gradients of `q`, `k` and `v`.
pub(crate) fn backward<S: Element>(
    tier: Tier,
    shape: &AttentionShape,
    inputs: Inputs<'_, S>,
    outputs: Outputs<'_, S>,
) -> [Vec<S>; 3] {
    let delta = delta(shape, outputs);
    let (n_q, n_k) = (inputs.q.len(), inputs.k.len());
    let [mut dq, mut dk, mut dv] = [n_q, n_k, n_k].map(S::zeros);
    OwnedQueries::new(tier, shape, inputs, outputs, &delta).run(&mut dq);
    OwnedKeys::new(tier, shape, inputs, outputs, &delta).run(&mut dk, &mut dv);
    [dq, dk, dv]
}

/// δ of each query and head.
fn delta<S: Element>(shape: &AttentionShape, outputs: Outputs<'_, S>) -> Vec<S::Real> {
    const LANES: usize = 16;
    let mut delta = vec![S::Real::ZERO; outputs.lse.len()];
    let rows = outputs.out.par_chunks(shape.width).zip(outputs.gradient.par_chunks(shape.width));
    delta.par_iter_mut().zip(rows).with_min_len(OWNED).for_each(|(delta, (out, gradient))| {
        let mut sums = [S::Real::ZERO; LANES];
        for (out, gradient) in out.chunks(LANES).zip(gradient.chunks(LANES)) {
            for ((sum, out), gradient) in sums.iter_mut().zip(out).zip(gradient) {
                *sum += out.load() * gradient.load();
            }
        }
        *delta = sums.into_iter().fold(S::Real::ZERO, |all, sum| all + sum);
    });
    delta
}

/// What a task needs beyond its share of the gradients, for panels of 32 owned tokens.
struct Scratch<T> {
    /// Two operands of the owned tokens, `[panel][channel][32]`.
    owned: [Vec<T>; 2],
    /// `[streamed token][32]`: scores, then probabilities.
    scores: Vec<T>,
    /// `[streamed token][32]`: gradients of the probabilities, then of the scores.
    gradients: Vec<T>,
    /// Two results, `[panel][32][channel]`.
    sums: [Vec<T>; 2],
    /// lse and δ of the queries at hand.
    lse: Vec<T>,
    delta: Vec<T>,
}

impl<T: Real> Scratch<T> {
    fn new(shape: &AttentionShape) -> Self {
        let zeros = |n: usize| vec![T::ZERO; n];
        Self {
            owned: [(); 2].map(|()| zeros(OWNED * shape.width)),
            scores: zeros(BLOCK * COLUMNS),
            gradients: zeros(BLOCK * COLUMNS),
            sums: [(); 2].map(|()| zeros(OWNED * shape.padded_width())),
            lse: zeros(BLOCK.max(OWNED)),
            delta: zeros(BLOCK.max(OWNED)),
        }
    }
}

/// Copies one head of `[item][query][head]`, for as many queries as fit; what is left is zero.
fn gather<T: Real>(
    shape: &AttentionShape,
    from: &[T],
    [item, head, first]: [usize; 3],
    to: &mut [T],
) {
    let item = &from[item * shape.queries * shape.heads..][..shape.queries * shape.heads];
    let head = item.iter().skip(first * shape.heads + head).step_by(shape.heads);
    to.fill(T::ZERO);
    to.iter_mut().zip(head).for_each(|(to, &from)| *to = from);
}

/// Writes one head of a share of a gradient.
fn write<S: Element>(
    shape: &AttentionShape,
    head: usize,
    sums: &[S::Real],
    factor: S::Real,
    out: &mut [S],
) {
    let rows = out.chunks_exact_mut(shape.channels()).zip(sums.chunks_exact(shape.padded_width()));
    for (out, sums) in rows {
        let out = &mut out[head * shape.width..][..shape.width];
        out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = S::store(sum * factor));
    }
}

/// The sweep for the gradient of `q`.
struct OwnedQueries<'a, S: Element> {
    tier: Tier,
    shape: &'a AttentionShape,
    inputs: Inputs<'a, S>,
    outputs: Outputs<'a, S>,
    delta: &'a [S::Real],
    keys: Streamed<S::Real>,
    values: Streamed<S::Real>,
    keys_along: Streamed<S::Real>,
}

impl<'a, S: Element> OwnedQueries<'a, S> {
    fn new(
        tier: Tier,
        shape: &'a AttentionShape,
        inputs: Inputs<'a, S>,
        outputs: Outputs<'a, S>,
        delta: &'a [S::Real],
    ) -> Self {
        let (k, v) = (Tokens::keys(shape, inputs.k), Tokens::keys(shape, inputs.v));
        let one = S::Real::ONE;
        let (keys, values) = (Streamed::across(&k, one), Streamed::across(&v, one));
        let keys_along = Streamed::along(&k, one);
        Self { tier, shape, inputs, outputs, delta, keys, values, keys_along }
    }

    fn run(&self, dq: &mut [S]) {
        let (shape, row) = (self.shape, self.shape.channels());
        let scale = S::Real::from_f64(self.inputs.scale);
        dq.par_chunks_mut(shape.queries * row).enumerate().for_each(|(item, dq)| {
            dq.par_chunks_mut(OWNED * row).enumerate().for_each_init(
                || Scratch::new(shape),
                |scratch, (task, dq)| {
                    let first = task * OWNED;
                    for head in 0..shape.heads {
                        self.sweep(scratch, [item, head, first], dq.len() / row);
                        write(shape, head, &scratch.sums[0], scale, dq);
                    }
                },
            );
        });
    }

    fn sweep(&self, scratch: &mut Scratch<S::Real>, at: [usize; 3], owned: usize) {
        let (tier, shape, [item, head, first]) = (self.tier, self.shape, at);
        let Scratch { owned: [queries, outputs], scores: s, gradients: g, sums: [sums, _], .. } =
            scratch;
        let one = S::Real::ONE;
        let scale = S::Real::from_f64(self.inputs.scale);
        let range = first..first + owned;
        let q = Tokens::queries(shape, self.inputs.q).head(item, head);
        q.pack_across::<COLUMNS>(range.clone(), scale, queries);
        let gradient = Tokens::queries(shape, self.outputs.gradient).head(item, head);
        gradient.pack_across::<COLUMNS>(range, one, outputs);
        gather(shape, self.outputs.lse, at, &mut scratch.lse[..OWNED]);
        gather(shape, self.delta, at, &mut scratch.delta[..OWNED]);
        let (lse, _) = scratch.lse.as_chunks::<COLUMNS>();
        let (delta, _) = scratch.delta.as_chunks::<COLUMNS>();
        sums.fill(S::Real::ZERO);
        for block in 0..shape.keys.div_ceil(BLOCK) {
            let count = (shape.keys - block * BLOCK).min(BLOCK);
            let [keys, values, keys_along] = [&self.keys, &self.values, &self.keys_along]
                .map(|streamed| streamed.block(item, head, block));
            let panels = queries
                .chunks_exact(COLUMNS * shape.width)
                .zip(outputs.chunks_exact(COLUMNS * shape.width))
                .zip(sums.chunks_exact_mut(COLUMNS * shape.padded_width()))
                .zip(lse.iter().zip(delta));
            for (((queries, outputs), sums), (lse, delta)) in panels.take(owned.div_ceil(COLUMNS)) {
                scores(tier, count, keys, queries, s);
                scores(tier, count, values, outputs, g);
                let gradients = &mut g[..count * COLUMNS];
                let scores = &mut s[..count * COLUMNS];
                tier.run(GradientDownColumns { scores, gradients, lse, delta });
                accumulate(tier, count, gradients, keys_along, sums);
            }
        }
    }
}

/// The sweep for the gradients of `k` and `v`.
struct OwnedKeys<'a, S: Element> {
    tier: Tier,
    shape: &'a AttentionShape,
    inputs: Inputs<'a, S>,
    outputs: Outputs<'a, S>,
    delta: &'a [S::Real],
    /// Queries times scale, which makes scores and, along, the gradient of `k`.
    queries: Streamed<S::Real>,
    queries_along: Streamed<S::Real>,
    gradients: Streamed<S::Real>,
    gradients_along: Streamed<S::Real>,
}

impl<'a, S: Element> OwnedKeys<'a, S> {
    fn new(
        tier: Tier,
        shape: &'a AttentionShape,
        inputs: Inputs<'a, S>,
        outputs: Outputs<'a, S>,
        delta: &'a [S::Real],
    ) -> Self {
        let q = Tokens::queries(shape, inputs.q);
        let g = Tokens::queries(shape, outputs.gradient);
        let (one, scale) = (S::Real::ONE, S::Real::from_f64(inputs.scale));
        let (queries, queries_along) = (Streamed::across(&q, scale), Streamed::along(&q, scale));
        let (gradients, gradients_along) = (Streamed::across(&g, one), Streamed::along(&g, one));
        Self {
            tier,
            shape,
            inputs,
            outputs,
            delta,
            queries,
            queries_along,
            gradients,
            gradients_along,
        }
    }

    fn run(&self, dk: &mut [S], dv: &mut [S]) {
        let (shape, row, one) = (self.shape, self.shape.channels(), S::Real::ONE);
        let item_size = shape.keys * row;
        let items = dk.par_chunks_mut(item_size).zip(dv.par_chunks_mut(item_size));
        items.enumerate().for_each(|(item, (dk, dv))| {
            let tasks = dk.par_chunks_mut(OWNED * row).zip(dv.par_chunks_mut(OWNED * row));
            tasks.enumerate().for_each_init(
                || Scratch::new(shape),
                |scratch, (task, (dk, dv))| {
                    for head in 0..shape.heads {
                        self.sweep(scratch, [item, head, task * OWNED], dk.len() / row);
                        write(shape, head, &scratch.sums[0], one, dk);
                        write(shape, head, &scratch.sums[1], one, dv);
                    }
                },
            );
        });
    }

    fn sweep(&self, scratch: &mut Scratch<S::Real>, at: [usize; 3], owned: usize) {
        let (tier, shape, [item, head, first]) = (self.tier, self.shape, at);
        let Scratch { owned: [keys, values], scores: s, gradients: g, sums: [dk, dv], .. } =
            scratch;
        let (one, range) = (S::Real::ONE, first..first + owned);
        let k = Tokens::keys(shape, self.inputs.k).head(item, head);
        k.pack_across::<COLUMNS>(range.clone(), one, keys);
        let v = Tokens::keys(shape, self.inputs.v).head(item, head);
        v.pack_across::<COLUMNS>(range, one, values);
        dk.fill(S::Real::ZERO);
        dv.fill(S::Real::ZERO);
        for block in 0..shape.queries.div_ceil(BLOCK) {
            let count = (shape.queries - block * BLOCK).min(BLOCK);
            gather(shape, self.outputs.lse, [item, head, block * BLOCK], &mut scratch.lse);
            gather(shape, self.delta, [item, head, block * BLOCK], &mut scratch.delta);
            let (lse, delta) = (&scratch.lse[..count], &scratch.delta[..count]);
            let panels = keys
                .chunks_exact(COLUMNS * shape.width)
                .zip(values.chunks_exact(COLUMNS * shape.width))
                .zip(dk.chunks_exact_mut(COLUMNS * shape.padded_width()))
                .zip(dv.chunks_exact_mut(COLUMNS * shape.padded_width()));
            for (((keys, values), dk), dv) in panels.take(owned.div_ceil(COLUMNS)) {
                scores(tier, count, self.queries.block(item, head, block), keys, s);
                scores(tier, count, self.gradients.block(item, head, block), values, g);
                let gradients = &mut g[..count * COLUMNS];
                let scores = &mut s[..count * COLUMNS];
                tier.run(GradientAlongRows { scores, gradients, lse, delta });
                accumulate(tier, count, scores, self.gradients_along.block(item, head, block), dv);
                accumulate(tier, count, gradients, self.queries_along.block(item, head, block), dk);
            }
        }
    }
}
