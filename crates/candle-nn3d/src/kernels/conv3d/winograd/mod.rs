//! Fast convolution for 3×3×3 kernels with stride and dilation 1: F(4×4, 3×3) over y and z and
//! F(2, 3) or F(4, 3) along x, which takes 6 or 8 times fewer multiplications than the definition;
//! where there are more weights than voxels F(2×2, 3×3) and F(4, 3), 4.5 times fewer.
//!
//! A block of tiles passes through three stages that stay in the caches of one core:
//! planes of x are transformed over y and z, each once; for each of the points rows of tiles
//! are transformed along x as they are packed, multiplied by the weights, and transformed back
//! along x; the sums are transformed back over y and z, and get their bias as they are stored.
//! With the x axis inside the product, memory holds the points of planes, not those of cubes:
//! half or less of what three-dimensional points would take.
//!
//! # Source
//! Winograd, *Arithmetic Complexity of Computations*, SIAM 1980; Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks*, CVPR 2016. The points of F(4, 3) are ours (see `points`): theirs,
//! 0, ±1, ±2, ∞, have three times the error on three axes.

mod block;
mod packing;
mod plan;
mod planes;
mod points;
pub(in crate::kernels) mod weight_gradient;

use rayon::prelude::*;

use crate::conv_shape::ConvShape;
use crate::kernels::aligned::{AlignedVec, give_back, take_kept, with_scratch};
use crate::kernels::conv_element::Element;
use crate::kernels::gemm::Panels;
use crate::kernels::tier::Tier;
use crate::kernels::vector::{dispatch, lanes};
use block::{Block, Item, Output, Sizes, Stages};
use packing::Packing;
use plan::Plan;
use planes::N;

/// Weights at the points of y and z: `[panel of c_out][y and z point][tap of x][c_in][columns]`.
///
/// Taps of x become points as a block of tiles needs them: a twentieth of the products' work, for
/// half of the memory (F(4, 3)) and of what every block brings from there.
pub(super) struct WinogradWeights {
    packed: AlignedVec,
    panels: Panels,
    points: Points,
}

/// Points along y and along z, and along x: two more than a tile has outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Points {
    pub(in crate::kernels) yz: usize,
    pub(in crate::kernels) x: usize,
}

/// The points with which the fast algorithm pays for a shape, if it does.
///
/// The rule counts, in multiplications that a vector unit could do meanwhile: those of the
/// products; `MOVE` for every number that a transform writes and the next stage reads; and
/// `STREAM` for every weight that a block of tiles brings from memory. It sees the shape alone,
/// so that a layer's bits do not depend on the machine; F(2, 3) must cost `FAVOUR`
/// times as much before the weights of F(4, 3), half again as large, are taken.
///
/// Where weights at 6 × 6 points would take more than `SPARE` times the memory of the layer's input and
/// output, there are 4 × 4: that is less than half of the memory, and of what is brought from there.
pub(super) fn points(shape: &ConvShape) -> Option<Points> {
    const MOVE: f64 = 20.0;
    const STREAM: f64 = 12.0;
    const FAVOUR: f64 = 1.15;
    const SPARE: usize = 3;
    let ConvShape { kernel, stride, dilation, groups, .. } = *shape;
    if kernel != [3; 3] || stride != [1; 3] || dilation != [1; 3] || groups != 1 {
        return None;
    }
    // Vectors are filled with output channels; depth of the products is that of input channels.
    let (c_in, c_out) = (shape.c_in as f64, shape.c_out.next_multiple_of(16) as f64);
    let direct = shape.n_out() as f64 * 27.0 * c_in * (c_out + 12.0);
    let fast = |x_points: usize| {
        let plan = Plan::new(shape, Points { yz: N, x: x_points });
        let tiles = plan.tiles.iter().product::<usize>() as f64;
        let points = (N * N * x_points) as f64;
        let overlap = (plan.x_tiles * (x_points - 2) + 2) as f64 / plan.x_tiles as f64;
        let moved = (N * N) as f64 * (overlap * c_in + (x_points - 2) as f64 * c_out);
        let weights = points * c_in * c_out;
        tiles * (weights + MOVE * moved) + STREAM * weights * plan.n_blocks() as f64
    };
    let (two, four) = (fast(4), fast(6) * FAVOUR);
    if direct <= two.min(four) {
        return None;
    }
    let weights = 3 * N * N * shape.c_in * shape.c_out;
    if weights > SPARE * (shape.n_in() * shape.c_in + shape.n_out() * shape.c_out) {
        return Some(Points { yz: 4, x: 6 });
    }
    Some(Points { yz: N, x: if four < two { 6 } else { 4 } })
}

/// What is added to the products of a batch.
#[derive(Clone, Copy)]
pub(super) struct Addends<'a, T> {
    /// Padded to whole vectors; one for each item, or the same for all.
    pub(super) biases: &'a [Vec<f32>],
    /// As the output.
    pub(super) residual: Option<&'a [T]>,
}

impl WinogradWeights {
    pub(super) fn new(tier: Tier, shape: &ConvShape, points: Points, weight: &[f32]) -> Self {
        let len = Self::length(tier, shape, points);
        Self::new_in(AlignedVec::zeros(len), tier, shape, points, weight)
    }

    /// Weights for one call, in memory that the process keeps for the next.
    pub(super) fn temporary(tier: Tier, shape: &ConvShape, points: Points, weight: &[f32]) -> Self {
        Self::new_in(take_kept(Self::length(tier, shape, points)), tier, shape, points, weight)
    }

    /// Ends [`Self::temporary`].
    pub(super) fn give_back(self) {
        give_back(self.packed);
    }

    /// How many numbers they are.
    fn length(tier: Tier, shape: &ConvShape, points: Points) -> usize {
        points.yz * points.yz * 3 * shape.c_in * Panels::new(lanes(tier), shape.c_out).padded
    }

    fn new_in(
        mut packed: AlignedVec,
        tier: Tier,
        shape: &ConvShape,
        points: Points,
        weight: &[f32],
    ) -> Self {
        let (c_in, c_out) = (shape.c_in, shape.c_out);
        assert_eq!(weight.len(), c_out * c_in * 27, "weight has not the shape's size");
        let lanes = lanes(tier);
        let panels = Panels::new(lanes, c_out);
        let depth = points.yz * points.yz * 3 * c_in;
        let chunks = packed.first(depth * panels.padded).par_chunks_mut(depth * 2 * lanes);
        chunks.enumerate().for_each(|(panel, packed)| {
            let columns = panel * 2 * lanes..(panel * 2 * lanes + 2 * lanes).min(c_out);
            let weight = &weight[columns.start * c_in * 27..columns.end * c_in * 27];
            let width = packed.len() / depth;
            tier.run(Packing { weight, c_in, width, points: points.yz, packed });
        });
        Self { packed, panels, points }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.packed.as_slice())
    }

    /// All items of a batch.
    pub(super) fn forward<T: Element>(
        &self,
        tier: Tier,
        shape: &ConvShape,
        x: &[T],
        Addends { biases, residual }: Addends<'_, T>,
        y: &mut [T],
    ) {
        let plan = Plan::new(shape, self.points);
        let (n_in, n_out) = (shape.n_in() * shape.c_in, shape.n_out() * shape.c_out);
        let output = Output::new(y);
        let per_item = plan.n_blocks() * plan.column_ranges();
        (0..shape.batch * per_item).into_par_iter().for_each(|index| {
            let (item, index) = (index / per_item, index % per_item);
            let (x, bias) = (&x[item * n_in..][..n_in], &biases[item % biases.len()]);
            let residual = residual.map(|residual| &residual[item * n_out..][..n_out]);
            // Each index has voxels or columns of its own.
            let y = output.part(item * n_out);
            let item = Item { weights: self, shape, x, bias, residual, y };
            let block = Block::new(item, &plan, index);
            let sizes = Sizes::new(&block, lanes(tier));
            with_scratch(sizes.scratch(), |scratch| {
                dispatch(tier, Stages { block, sizes, scratch });
            });
        });
    }

    pub(super) fn padded_bias(&self, bias: Option<&[f32]>) -> Vec<f32> {
        let mut padded = bias.unwrap_or_default().to_vec();
        padded.resize(self.panels.padded, 0.0);
        padded
    }
}
