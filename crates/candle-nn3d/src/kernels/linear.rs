//! Linear maps of rows: products of matrices with one packed operand, and sums over rows.

use rayon::prelude::*;

use super::panels::Rows;
use super::real::{Element, Real};
use super::tier::Tier;
use super::tile::{COLUMNS, ROWS, TileProduct};

/// Rows that one task owns. No bit depends on it.
const OWNED: usize = 64;
/// Rows over which one partial sum runs; partial sums are added in their order.
const SEGMENT: usize = 4096;
/// Rows that are packed at a time within a segment.
const BLOCK: usize = 256;

/// How a weight `[c_out, c_in]` stands in a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// `y = x wᵀ`: from `c_in` to `c_out` columns.
    Forward,
    /// `y = x w`: from `c_out` to `c_in` columns.
    Backward,
}

/// A matrix packed as the right operand, `[panel of 32 columns][depth][32]`.
#[derive(Debug)]
pub(crate) struct PackedMatrix<T> {
    panels: Vec<T>,
    depth: usize,
    columns: usize,
}

impl<T: Real> PackedMatrix<T> {
    pub(crate) fn new<S: Element<Real = T>>(weight: &[S], c_in: usize, use_as: Weight) -> Self {
        let (rows, c_out) = (Rows::new(weight, c_in), weight.len() / c_in);
        let [depth, columns] = match use_as {
            Weight::Forward => [c_in, c_out],
            Weight::Backward => [c_out, c_in],
        };
        let mut panels = vec![T::ZERO; columns.next_multiple_of(COLUMNS) * depth];
        panels.par_chunks_exact_mut(COLUMNS * depth).enumerate().for_each(|(panel, out)| {
            let range = panel * COLUMNS..((panel + 1) * COLUMNS).min(columns);
            match use_as {
                Weight::Forward => rows.pack_across::<COLUMNS>(range, T::ONE, out),
                Weight::Backward => rows.columns(range.start, range.len()).pack_along::<COLUMNS>(
                    0..c_out,
                    T::ONE,
                    out,
                ),
            }
        });
        Self { panels, depth, columns }
    }
}

/// `y = x · matrix + bias`, for each row of `x`.
pub(crate) fn multiply<S: Element>(
    tier: Tier,
    x: &[S],
    matrix: &PackedMatrix<S::Real>,
    bias: Option<&[S]>,
    y: &mut [S],
) {
    let PackedMatrix { depth, columns, .. } = *matrix;
    y.par_chunks_mut(OWNED * columns).zip(x.par_chunks(OWNED * depth)).for_each_init(
        || vec![S::Real::ZERO; OWNED * depth],
        |packed, (y, x)| {
            let rows = Rows::new(x, depth);
            let count = x.len() / depth;
            rows.pack_across::<ROWS>(0..count, S::Real::ONE, packed);
            for (panel, right) in matrix.panels.chunks_exact(COLUMNS * depth).enumerate() {
                let lefts = packed.chunks_exact(ROWS * depth).take(count.div_ceil(ROWS));
                for (left, y) in lefts.zip(y.chunks_mut(ROWS * columns)) {
                    let mut tile = [S::Real::ZERO; ROWS * COLUMNS];
                    S::Real::multiply_tile(
                        tier,
                        TileProduct {
                            depth,
                            left,
                            left_step: ROWS,
                            right,
                            out: &mut tile,
                            out_step: COLUMNS,
                            accumulate: false,
                        },
                    );
                    let range = panel * COLUMNS..((panel + 1) * COLUMNS).min(columns);
                    for (y, sums) in y.chunks_exact_mut(columns).zip(tile.chunks_exact(COLUMNS)) {
                        write(&mut y[range.clone()], sums, bias.map(|bias| &bias[range.clone()]));
                    }
                }
            }
        },
    );
}

fn write<S: Element>(y: &mut [S], sums: &[S::Real], bias: Option<&[S]>) {
    match bias {
        Some(bias) => {
            let terms = sums.iter().zip(bias);
            y.iter_mut().zip(terms).for_each(|(y, (&x, b))| *y = S::store(x + b.load()));
        }
        None => y.iter_mut().zip(sums).for_each(|(y, &x)| *y = S::store(x)),
    }
}

/// `Σ_row left[row]ᵀ right[row]`, a matrix of `left`'s width by `right`'s: the gradient of a weight
/// from those of the outputs and the inputs.
pub(crate) fn outer_products<S: Element>(
    tier: Tier,
    left: Rows<'_, S>,
    right: Rows<'_, S>,
    count: usize,
) -> Vec<S> {
    let (height, width) = (left.width(), right.width());
    let padded_width = width.next_multiple_of(COLUMNS);
    let size = height.next_multiple_of(ROWS) * padded_width;
    let mut partial = vec![S::Real::ZERO; count.div_ceil(SEGMENT) * size];
    partial.par_chunks_exact_mut(size).enumerate().for_each(|(segment, sums)| {
        let rows = segment * SEGMENT..((segment + 1) * SEGMENT).min(count);
        sums.par_chunks_mut(OWNED * padded_width).enumerate().for_each(|(task, sums)| {
            let first = task * OWNED;
            let left = left.columns(first, OWNED.min(height - first));
            for start in rows.clone().step_by(BLOCK) {
                let block = start..(start + BLOCK).min(rows.end);
                add_outer_products(tier, left, right, block, sums);
            }
        });
    });
    let mut out = S::zeros(height * width);
    out.par_chunks_mut(width).enumerate().for_each(|(row, out)| {
        for (column, out) in out.iter_mut().enumerate() {
            let sums = partial.iter().skip(row * padded_width + column).step_by(size);
            *out = S::store(sums.fold(S::Real::ZERO, |all, &sum| all + sum));
        }
    });
    out
}

fn add_outer_products<S: Element>(
    tier: Tier,
    left: Rows<'_, S>,
    right: Rows<'_, S>,
    block: std::ops::Range<usize>,
    sums: &mut [S::Real],
) {
    let (depth, one) = (block.len(), S::Real::ONE);
    let padded_width = right.width().next_multiple_of(COLUMNS);
    let mut packed_left = vec![one; depth * left.width().next_multiple_of(ROWS)];
    let mut packed_right = vec![one; depth * padded_width];
    left.pack_along::<ROWS>(block.clone(), one, &mut packed_left);
    right.pack_along::<COLUMNS>(block, one, &mut packed_right);
    for (panel, right) in packed_right.chunks_exact(depth * COLUMNS).enumerate() {
        for (group, left) in packed_left.chunks_exact(depth * ROWS).enumerate() {
            S::Real::multiply_tile(
                tier,
                TileProduct {
                    depth,
                    left,
                    left_step: ROWS,
                    right,
                    out: &mut sums[group * ROWS * padded_width + panel * COLUMNS..],
                    out_step: padded_width,
                    accumulate: true,
                },
            );
        }
    }
}

/// `Σ_row x[row]`: the gradient of a bias from that of the outputs.
pub(crate) fn sum_of_rows<S: Element>(x: &[S], width: usize) -> Vec<S> {
    let mut partial = vec![S::Real::ZERO; x.len().div_ceil(SEGMENT * width) * width];
    let segments = x.par_chunks(SEGMENT * width);
    partial.par_chunks_exact_mut(width).zip(segments).for_each(|(sums, rows)| {
        for row in rows.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.load());
        }
    });
    let column = |j: usize| partial.iter().skip(j).step_by(width);
    let sum = |j| column(j).fold(S::Real::ZERO, |all, &sum| all + sum);
    (0..width).map(|j| S::store(sum(j))).collect()
}
