//! Direct convolution as a matrix product: a tile of output voxels times the packed weights.
//!
//! The voxels under the taps of a tile are copied into rows (padding as zeros), a block of taps at
//! a time, so that rows and one panel of weights stay in the second-level cache; the copy costs
//! one load and store where the product costs `c_out` multiplications. Along z the taps of one row
//! lie side by side in memory and are copied at once. A 1×1×1 kernel needs no copy at all.
#![expect(unsafe_code, reason = "passes on that the processor has the tier's instructions")]

use rayon::prelude::*;

use crate::conv_shape::ConvShape;
use crate::kernels::aligned::{AlignedVec, with_scratch};
use crate::kernels::conv_element::Element;
use crate::kernels::gemm::{Init, Order, Panels, Rows, multiply};
use crate::kernels::tier::Tier;
use crate::kernels::vector::{Task, Vector, dispatch, lanes};

/// Taps and channels that are summed before a tile's sums return to memory, about.
const BLOCK_DEPTH: usize = 512;
/// Numbers in a tile's copied rows, at most (if one block of rows fits).
const TILE_NUMBERS: usize = 64 * 1024;
/// Rows of a tile: a multiple of every tier's block of rows (12, 6 and 4), and its largest number.
const ROW_STEP: usize = 12;
const MAX_ROWS: usize = 20 * ROW_STEP;

/// Weights `[group][panel of c_out][tap][c_in][columns]`.
pub(crate) struct DirectWeights {
    packed: AlignedVec,
    panels: Panels,
    depth: usize,
}

impl DirectWeights {
    pub(crate) fn new(tier: Tier, shape: &ConvShape, weight: &[f32]) -> Self {
        let (c_in, c_out, taps) = (shape.c_in_per_group(), shape.c_out_per_group(), shape.n_taps());
        assert_eq!(weight.len(), shape.c_out * c_in * taps, "weight has not the shape's size");
        let panels = Panels::new(lanes(tier), c_out);
        let depth = taps * c_in;
        let mut packed = AlignedVec::zeros(shape.groups * depth * panels.padded);
        let groups = packed.as_mut_slice().par_chunks_exact_mut(depth * panels.padded);
        groups.zip(weight.par_chunks_exact(c_out * depth)).for_each(|(group, weight)| {
            let width = 2 * lanes(tier);
            let panels = group.par_chunks_mut(depth * width);
            panels.zip(weight.par_chunks(depth * width)).for_each(|(panel, weight)| {
                let width = panel.len() / depth;
                for (column, weight) in weight.chunks_exact(depth).enumerate() {
                    for (channel, weight) in weight.chunks_exact(taps).enumerate() {
                        for (tap, &weight) in weight.iter().enumerate() {
                            panel[(tap * c_in + channel) * width + column] = weight;
                        }
                    }
                }
            });
        });
        Self { packed, panels, depth }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.packed.as_slice())
    }

    /// The bias of each group, padded to whole vectors; zeros where there is none.
    pub(crate) fn padded_bias(&self, shape: &ConvShape, bias: Option<&[f32]>) -> Vec<f32> {
        let mut padded = vec![0.0; shape.groups * self.panels.padded];
        if let Some(bias) = bias {
            let c_out = shape.c_out_per_group();
            let groups = padded.chunks_exact_mut(self.panels.padded);
            for (padded, bias) in groups.zip(bias.chunks_exact(c_out)) {
                padded[..c_out].copy_from_slice(bias);
            }
        }
        padded
    }

    /// One item of a batch.
    pub(crate) fn forward<T: Element>(
        &self,
        tier: Tier,
        shape: &ConvShape,
        x: &[T],
        bias: &[f32],
        y: &mut [T],
    ) {
        let plan = Plan::new(shape);
        y.par_chunks_mut(plan.rows * shape.c_out).enumerate().for_each(|(tile, y)| {
            let first = tile * plan.rows;
            let rows = y.len() / shape.c_out;
            let tile = Tile { weights: self, shape, plan: &plan, x, bias, first, rows, y };
            dispatch(tier, tile);
        });
    }
}

/// How the work of one item is cut.
struct Plan {
    /// Taps along z of one (x, y) tap times channels: what one copy brings.
    run: usize,
    /// Runs that are summed before the sums return to memory.
    runs_per_block: usize,
    /// Voxels of a tile.
    rows: usize,
    /// Rows of x serve as they are.
    pointwise: bool,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let run = shape.kernel[2] * shape.c_in_per_group();
        let n_runs = shape.kernel[0] * shape.kernel[1];
        let runs_per_block = (BLOCK_DEPTH / run).clamp(1, n_runs);
        let rows = TILE_NUMBERS / (runs_per_block * run);
        let rows = (rows - rows % ROW_STEP).clamp(ROW_STEP, MAX_ROWS);
        let pointwise =
            shape.kernel == [1; 3] && shape.stride == [1; 3] && shape.input == shape.output;
        Self { run, runs_per_block, rows, pointwise }
    }
}

/// Consecutive output voxels from `first` on.
struct Tile<'a, T> {
    weights: &'a DirectWeights,
    shape: &'a ConvShape,
    plan: &'a Plan,
    x: &'a [T],
    bias: &'a [f32],
    first: usize,
    rows: usize,
    y: &'a mut [T],
}

impl<T: Element> Task for Tile<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let (shape, plan) = (self.shape, self.plan);
        let c_out = shape.c_out_per_group();
        let rows = self.rows;
        let y = std::mem::take(&mut self.y);
        let padded = self.weights.panels.padded;
        let in_place = plan.pointwise && T::as_f32(self.x).is_some();
        let copied = if in_place { 0 } else { rows * plan.runs_per_block * plan.run };
        // Columns that do not fill whole vectors take a detour.
        let no_detour = c_out == padded && T::as_f32(self.x).is_some();
        let detour = if no_detour { 0 } else { rows * padded };
        with_scratch(copied + detour, |scratch| {
            let (copied, detour) = scratch.split_at_mut(copied);
            if let Some(y) = T::as_f32_mut(y).filter(|_| no_detour) {
                for group in 0..shape.groups {
                    let y = &mut y[group * c_out..];
                    // SAFETY: the caller vouches for the instructions.
                    unsafe { self.group::<V>(group, copied, y, shape.c_out) };
                }
                return;
            }
            for group in 0..shape.groups {
                // SAFETY: the caller vouches for the instructions.
                unsafe { self.group::<V>(group, copied, detour, padded) };
                let voxels = y.chunks_exact_mut(shape.c_out).zip(detour.chunks_exact(padded));
                for (y, sums) in voxels {
                    for (y, &sum) in y[group * c_out..][..c_out].iter_mut().zip(sums) {
                        *y = T::round(sum);
                    }
                }
            }
        });
    }
}

impl<T: Element> Tile<'_, T> {
    /// The sums of one group of channels.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    #[inline(always)]
    unsafe fn group<V: Vector>(
        &self,
        group: usize,
        copied: &mut [f32],
        c: &mut [f32],
        c_stride: usize,
    ) {
        let (shape, plan, depth) = (self.shape, self.plan, self.weights.depth);
        let Panels { padded, .. } = self.weights.panels;
        let packed = &self.weights.packed.as_slice()[group * depth * padded..];
        let bias = &self.bias[group * padded..][..padded];
        let n_runs = shape.kernel[0] * shape.kernel[1];
        let rows = self.rows;
        for first_run in (0..n_runs).step_by(plan.runs_per_block) {
            let runs = first_run..(first_run + plan.runs_per_block).min(n_runs);
            let k = runs.len() * plan.run;
            let in_place = T::as_f32(self.x).filter(|_| plan.pointwise);
            let a = if let Some(x) = in_place {
                let data = &x[self.first * shape.c_in + group * k..];
                Rows { data, order: Order::Strided(shape.c_in), rows, k }
            } else {
                for (row, to) in copied.chunks_exact_mut(k).take(rows).enumerate() {
                    self.copy(self.first + row, group, runs.clone(), to);
                }
                Rows { data: copied, order: Order::Strided(k), rows, k }
            };
            for (column, vectors) in self.weights.panels.iter() {
                let panel = &packed[column * depth..];
                let panel = &panel[first_run * plan.run * vectors * V::LANES..];
                let init =
                    if first_run == 0 { Init::Row(&bias[column..]) } else { Init::Destination };
                // SAFETY: the caller vouches for the instructions.
                unsafe { multiply::<V>(a, panel, vectors, init, &mut c[column..], c_stride) };
            }
        }
    }

    /// The input under some runs of taps of one output voxel, zeros where it is padding.
    fn copy(&self, voxel: usize, group: usize, runs: std::ops::Range<usize>, to: &mut [f32]) {
        let shape = self.shape;
        let [_, ny, nz] = shape.output;
        let (ox, oy, oz) = (voxel / (ny * nz), voxel / nz % ny, voxel % nz);
        let c = shape.c_in_per_group();
        for (run, to) in runs.zip(to.chunks_exact_mut(self.plan.run)) {
            let (tx, ty) = (run / shape.kernel[1], run % shape.kernel[1]);
            let x = shape.input_index(0, ox, tx).zip(shape.input_index(1, oy, ty));
            let Some((ix, iy)) = x else {
                to.fill(0.0);
                continue;
            };
            let row = (ix * shape.input[1] + iy) * shape.input[2];
            let row = &self.x[row * shape.c_in..][..shape.input[2] * shape.c_in];
            if shape.groups == 1 && shape.dilation[2] == 1 {
                // Tap t reads index start + t, for start = first - padding.
                let (first, padding) = (oz * shape.stride[2], shape.padding[2]);
                let before = padding.saturating_sub(first).min(shape.kernel[2]);
                let after = (first + shape.kernel[2])
                    .saturating_sub(shape.input[2] + padding)
                    .min(shape.kernel[2] - before);
                let (zeros, rest) = to.split_at_mut(before * c);
                let (taps, more_zeros) = rest.split_at_mut(rest.len() - after * c);
                zeros.fill(0.0);
                more_zeros.fill(0.0);
                if !taps.is_empty() {
                    let start = (first + before - padding) * c;
                    widen(&row[start..start + taps.len()], taps);
                }
                continue;
            }
            for (tap, to) in to.chunks_exact_mut(c).enumerate() {
                match shape.input_index(2, oz, tap) {
                    Some(iz) => {
                        widen(&row[iz * shape.c_in + group * c..][..c], to);
                    }
                    None => to.fill(0.0),
                }
            }
        }
    }
}

/// Copies numbers as f32.
#[inline(always)]
fn widen<T: Element>(from: &[T], to: &mut [f32]) {
    match T::as_f32(from) {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, from)| *to = from.widen()),
    }
}
