//! What the sweeps of attention share: sizes, packed operands and the products over one block.

use rayon::prelude::*;

use super::panels::Rows;
use super::real::{Element, Real};
use super::tier::Tier;
use super::tile::{COLUMNS, ROWS, TileProduct};

/// Tokens that stream past at a time: their scores against a panel of 32 tokens, and a panel of
/// 32 channels of theirs, fill 16 KiB each and stay in the first-level cache.
/// Sums over tokens are made block by block, so this number is part of the result's last bits.
pub(crate) const BLOCK: usize = 128;
/// Tokens that one task owns. No bit depends on it.
pub(crate) const OWNED: usize = 128;

/// The sizes of an attention; none is zero.
///
/// Queries and outputs are `[batch, queries, heads · width]`, keys and values
/// `[batch, keys, heads · width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttentionShape {
    pub(crate) batch: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) heads: usize,
    /// Channels of one head.
    pub(crate) width: usize,
}

impl AttentionShape {
    pub(crate) fn channels(&self) -> usize {
        self.heads * self.width
    }

    /// The channels of one head, filled up to whole panels.
    pub(crate) fn padded_width(&self) -> usize {
        self.width.next_multiple_of(COLUMNS)
    }
}

/// A tensor `[batch, tokens, heads · width]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a, S> {
    pub(crate) values: &'a [S],
    pub(crate) tokens: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
}

impl<'a, S: Element> Tokens<'a, S> {
    pub(crate) fn queries(shape: &AttentionShape, values: &'a [S]) -> Self {
        Self { values, tokens: shape.queries, heads: shape.heads, width: shape.width }
    }

    pub(crate) fn keys(shape: &AttentionShape, values: &'a [S]) -> Self {
        Self { values, tokens: shape.keys, heads: shape.heads, width: shape.width }
    }

    /// One head of one item of the batch.
    pub(crate) fn head(&self, item: usize, head: usize) -> Rows<'a, S> {
        let channels = self.heads * self.width;
        let item = &self.values[item * self.tokens * channels..][..self.tokens * channels];
        Rows::new(item, channels).columns(head * self.width, self.width)
    }
}

/// Tokens packed once, in blocks of [`BLOCK`], for every task to read.
#[derive(Debug)]
pub(crate) struct Streamed<T> {
    values: Vec<T>,
    /// Elements of a block.
    size: usize,
    /// Blocks of one head.
    blocks: usize,
    heads: usize,
}

impl<T: Real> Streamed<T> {
    /// For products that sum over channels: `[panel of 8 tokens][channel][8]`.
    pub(crate) fn across<S: Element<Real = T>>(tokens: &Tokens<'_, S>, factor: T) -> Self {
        let size = Self::rows_of_a_block(tokens.tokens) * tokens.width;
        Self::packed(tokens, size, |rows, range, out| {
            rows.pack_across::<ROWS>(range, factor, out);
        })
    }

    /// For products that sum over tokens: `[panel of 32 channels][token][32]`.
    pub(crate) fn along<S: Element<Real = T>>(tokens: &Tokens<'_, S>, factor: T) -> Self {
        let padded_width = tokens.width.next_multiple_of(COLUMNS);
        let size = Self::rows_of_a_block(tokens.tokens) * padded_width;
        Self::packed(tokens, size, |rows, range, out| {
            rows.pack_along::<COLUMNS>(range, factor, out);
        })
    }

    fn rows_of_a_block(tokens: usize) -> usize {
        tokens.next_multiple_of(ROWS).min(BLOCK)
    }

    fn packed<S: Element<Real = T>>(
        tokens: &Tokens<'_, S>,
        size: usize,
        pack: impl Fn(&Rows<'_, S>, std::ops::Range<usize>, &mut [T]) + Sync,
    ) -> Self {
        let (blocks, heads) = (tokens.tokens.div_ceil(BLOCK), tokens.heads);
        let batch = tokens.values.len() / (tokens.tokens * heads * tokens.width);
        let mut values = vec![T::ZERO; batch * heads * blocks * size];
        values.par_chunks_exact_mut(size).enumerate().for_each(|(at, out)| {
            let (pair, block) = (at / blocks, at % blocks);
            let rows = tokens.head(pair / heads, pair % heads);
            pack(&rows, block * BLOCK..((block + 1) * BLOCK).min(tokens.tokens), out);
        });
        Self { values, size, blocks, heads }
    }

    /// One block of one head of one item of the batch.
    pub(crate) fn block(&self, item: usize, head: usize, block: usize) -> &[T] {
        let at = (item * self.heads + head) * self.blocks + block;
        &self.values[at * self.size..][..self.size]
    }
}

/// `scores[token][j] = Σ_c streamed[token][c] · owned[c][j]` for the first `count` tokens of a
/// block packed across, and 32 owned tokens packed across; some tokens beyond `count` are made too.
pub(crate) fn scores<T: Real>(
    tier: Tier,
    count: usize,
    streamed: &[T],
    owned: &[T],
    scores: &mut [T],
) {
    let depth = owned.len() / COLUMNS;
    let panels = streamed.chunks_exact(ROWS * depth).zip(scores.chunks_exact_mut(ROWS * COLUMNS));
    for (left, out) in panels.take(count.div_ceil(ROWS)) {
        T::multiply_tile(
            tier,
            TileProduct {
                depth,
                left,
                left_step: ROWS,
                right: owned,
                out,
                out_step: COLUMNS,
                accumulate: false,
            },
        );
    }
}

/// `sums[j][c] += Σ_token weights[token][j] · streamed[token][c]` for the first `count` tokens of a
/// block packed along, the 32 owned tokens `j` and every channel, filled up to whole panels.
pub(crate) fn accumulate<T: Real>(
    tier: Tier,
    count: usize,
    weights: &[T],
    streamed: &[T],
    sums: &mut [T],
) {
    let padded_width = sums.len() / COLUMNS;
    let height = streamed.len() / padded_width;
    for (panel, right) in streamed.chunks_exact(height * COLUMNS).enumerate() {
        for row in (0..COLUMNS).step_by(ROWS) {
            T::multiply_tile(
                tier,
                TileProduct {
                    depth: count,
                    left: &weights[row..],
                    left_step: COLUMNS,
                    right,
                    out: &mut sums[row * padded_width + panel * COLUMNS..],
                    out_step: padded_width,
                    accumulate: true,
                },
            );
        }
    }
}
