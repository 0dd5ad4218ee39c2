//! The gradient of a convolution with respect to its weight: by the adjoint of the fast forward
//! algorithm where that pays, or from its definition, which is the rest of this module.
//!
//! `dW[tap] = Σ_o dy[o] · x[o · stride + tap · dilation - padding]ᵀ`: per tap a sum of outer
//! products over voxels. Each task owns a block of one tap's matrix and adds all voxels to it in a
//! fixed order, so nothing depends on the threads, and no partial sums are held. Tasks go through
//! the volume together, a few planes at a time, so that all of them find those in a shared cache.

use std::ops::Range;

use rayon::prelude::*;

use super::conv_element::Element;
use super::conv3d::{Conv3dAlgorithm, winograd::weight_gradient as fast};
use super::conv3d_reference::taps;
use super::outer_products::{Factors, Run, add_outer_products};
use super::tier::Tier;
use crate::conv_shape::ConvShape;

/// Voxels whose products are summed in registers before they are added to the sums so far: the
/// rounding of a long sum grows with the number of these chunks, and both factors stay in cache.
const CHUNK: usize = 192;

/// Voxels that all tasks work through before any goes on.
const SLAB: usize = 8192;

/// Channels of a task's block: of the factor that is read number by number, and of the one that is
/// read by vectors. Smaller ones where there are fewer than [`FEW_TASKS`] of these: no bit depends
/// on the blocks.
const BLOCK: [usize; 2] = [70, 128];
const SMALL_BLOCK: [usize; 2] = [28, 32];
const FEW_TASKS: usize = 16;

/// `dw` `[c_out, c_in / groups, taps]` from `x` and `dy`, channels last; bf16 is widened as it is
/// read, or a few planes at a time.
pub(crate) fn weight_gradient<T: Element>(
    tier: Tier,
    algorithm: Conv3dAlgorithm,
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    dw: &mut [f32],
) {
    let points = match algorithm {
        Conv3dAlgorithm::Auto => fast::x_points(shape),
        Conv3dAlgorithm::Direct => None,
    };
    match points {
        Some(points) => fast::weight_gradient(tier, shape, points, x, dy, dw),
        None => from_definition(tier, shape, x, dy, dw),
    }
}

fn from_definition<T: Element>(tier: Tier, shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [f32]) {
    // Vectors want many channels; one voxel's numbers one by one can be few.
    let turned = shape.c_out_per_group() < 16 && shape.c_in_per_group() > shape.c_out_per_group();
    let mut plan = Plan { tier, shape, turned, block: BLOCK };
    if plan.n_blocks().iter().product::<usize>() * shape.groups * shape.n_taps() < FEW_TASKS {
        plan.block = SMALL_BLOCK;
    }
    let mut tasks = plan.tasks();
    let mut wide = [Vec::new(), Vec::new()];
    let [ox, oy, oz] = shape.output;
    let planes = (SLAB / (oy * oz)).max(1);
    for item in 0..shape.batch {
        for first in (0..ox).step_by(planes) {
            let outputs = first..(first + planes).min(ox);
            let slab = Slab::new(shape, item, outputs, [x, dy], &mut wide);
            tasks.par_iter_mut().for_each(|task| task.add_planes(&plan, &slab));
        }
    }
    plan.write(&tasks, dw);
}

/// How the computation is cut up.
struct Plan<'a> {
    tier: Tier,
    shape: &'a ConvShape,
    /// Whether `dy` is the factor that is read number by number.
    turned: bool,
    /// Channels of a block.
    block: [usize; 2],
}

/// Some planes of the output of one item, and those of the input that they read.
struct Slab<'a> {
    outputs: Range<usize>,
    /// The first plane that `x` and `dy` hold, counted along x.
    first: [usize; 2],
    x: &'a [f32],
    dy: &'a [f32],
}

impl<'a> Slab<'a> {
    fn new<T: Element>(
        shape: &ConvShape,
        item: usize,
        outputs: Range<usize>,
        [x, dy]: [&'a [T]; 2],
        wide: &'a mut [Vec<f32>; 2],
    ) -> Self {
        let reach = (shape.kernel[0] - 1) * shape.dilation[0] + 1;
        let input = |padded: usize| padded.saturating_sub(shape.padding[0]).min(shape.input[0]);
        let start = input(outputs.start * shape.stride[0]);
        let end = input((outputs.end - 1) * shape.stride[0] + reach);
        let [of_x, of_dy] = wide;
        let plane = shape.input[1] * shape.input[2] * shape.c_in;
        let x = planes(x, plane, item * shape.input[0], start..end, of_x);
        let plane = shape.output[1] * shape.output[2] * shape.c_out;
        let dy = planes(dy, plane, item * shape.output[0], outputs.clone(), of_dy);
        Self { first: [start, outputs.start], outputs, x, dy }
    }
}

/// Some planes of an item, which begins with the plane `first`; widened into `wide` if need be.
fn planes<'a, T: Element>(
    values: &'a [T],
    plane: usize,
    first: usize,
    planes: Range<usize>,
    wide: &'a mut Vec<f32>,
) -> &'a [f32] {
    let values = &values[(first + planes.start) * plane..(first + planes.end) * plane];
    if let Some(values) = T::as_f32(values) {
        return values;
    }
    values.par_iter().map(|value| value.widen()).collect_into_vec(wide);
    wide
}

/// A block of one tap's matrix.
struct Task {
    tap: [usize; 3],
    /// Channels of the two factors, counted over all groups.
    channels: [Range<usize>; 2],
    sums: Vec<f32>,
    runs: Vec<Run>,
}

impl Plan<'_> {
    /// Channels in one group of the two factors.
    fn in_group(&self) -> [usize; 2] {
        let channels = [self.shape.c_in_per_group(), self.shape.c_out_per_group()];
        if self.turned { [channels[1], channels[0]] } else { channels }
    }

    /// Blocks of one tap and group.
    fn n_blocks(&self) -> [usize; 2] {
        let [m, n] = self.in_group();
        [m.div_ceil(self.block[0]), n.div_ceil(self.block[1])]
    }

    /// All blocks: by group, tap, and channels of the two factors.
    fn tasks(&self) -> Vec<Task> {
        let ([m, n], [rows, columns]) = (self.in_group(), self.n_blocks());
        let mut tasks = Vec::new();
        for group in 0..self.shape.groups {
            for tap in taps(self.shape) {
                for row in 0..rows {
                    for column in 0..columns {
                        let channels = [
                            group * m + row * m / rows..group * m + (row + 1) * m / rows,
                            group * n + column * n / columns
                                ..group * n + (column + 1) * n / columns,
                        ];
                        let sums = vec![0.0; channels[0].len() * channels[1].len()];
                        tasks.push(Task { tap, channels, sums, runs: Vec::new() });
                    }
                }
            }
        }
        tasks
    }

    /// Puts the blocks where they belong.
    fn write(&self, tasks: &[Task], dw: &mut [f32]) {
        let taps = self.shape.n_taps();
        let (in_group, out_group) = (self.shape.c_in_per_group(), self.shape.c_out_per_group());
        let per_tap = tasks.len() / (self.shape.groups * taps);
        dw.par_chunks_mut(in_group * taps).enumerate().for_each(|(o, dw)| {
            let group = o / out_group;
            for tap in 0..taps {
                let blocks = &tasks[(group * taps + tap) * per_tap..][..per_tap];
                for task in blocks {
                    let [a, b] = &task.channels;
                    if self.turned && a.contains(&o) {
                        let row = &task.sums[(o - a.start) * b.len()..][..b.len()];
                        for (c, &sum) in b.clone().zip(row) {
                            dw[(c - group * in_group) * taps + tap] = sum;
                        }
                    } else if !self.turned && b.contains(&o) {
                        let column = task.sums.iter().skip(o - b.start).step_by(b.len());
                        for (c, &sum) in a.clone().zip(column) {
                            dw[(c - group * in_group) * taps + tap] = sum;
                        }
                    }
                }
            }
        });
    }
}

impl Task {
    /// Adds the products of some planes of the output.
    fn add_planes(&mut self, plan: &Plan<'_>, slab: &Slab<'_>) {
        let shape = plan.shape;
        let [_, oy, oz] = shape.output;
        let rows = (CHUNK / oz).max(1);
        for ox in slab.outputs.clone() {
            let Some(ix) = shape.input_index(0, ox, self.tap[0]) else { continue };
            let planes = [ix - slab.first[0], ox - slab.first[1]];
            for first in (0..oy).step_by(rows) {
                self.add_rows(plan, slab, planes, first..(first + rows).min(oy));
            }
        }
    }

    /// Adds the products of some rows of one plane; `planes` are the input's and the output's.
    fn add_rows(
        &mut self,
        plan: &Plan<'_>,
        slab: &Slab<'_>,
        planes: [usize; 2],
        rows: Range<usize>,
    ) {
        let shape = plan.shape;
        let (steps, along_z) = (plan.steps(), valid(shape, 2, self.tap[2]));
        let Some(iz) = shape.input_index(2, along_z.start, self.tap[2]) else { return };
        self.runs.clear();
        for oy in rows {
            let Some(iy) = shape.input_index(1, oy, self.tap[1]) else { continue };
            let x = ((planes[0] * shape.input[1] + iy) * shape.input[2] + iz) * shape.c_in;
            let dy = ((planes[1] * shape.output[1] + oy) * shape.output[2] + along_z.start)
                * shape.c_out;
            let [a, b] = if plan.turned { [dy, x] } else { [x, dy] };
            let (a, b) = (a + self.channels[0].start, b + self.channels[1].start);
            self.runs.push(Run { a, b, len: along_z.len() });
        }
        let [a, b] = if plan.turned { [slab.dy, slab.x] } else { [slab.x, slab.dy] };
        let factors = Factors { a, b, steps, runs: &self.runs };
        let size = [self.channels[0].len(), self.channels[1].len()];
        add_outer_products(plan.tier, &factors, size, &mut self.sums);
    }
}

impl Plan<'_> {
    /// Distance of neighbours along z in the two factors.
    fn steps(&self) -> [usize; 2] {
        let (x, dy) = (self.shape.stride[2] * self.shape.c_in, self.shape.c_out);
        if self.turned { [dy, x] } else { [x, dy] }
    }
}

/// The outputs along an axis for which this tap reads no padding.
fn valid(shape: &ConvShape, axis: usize, tap: usize) -> Range<usize> {
    let (reach, stride) = (tap * shape.dilation[axis], shape.stride[axis]);
    let start = shape.padding[axis].saturating_sub(reach).div_ceil(stride);
    let end = (shape.input[axis] + shape.padding[axis]).saturating_sub(reach).div_ceil(stride);
    start..end.min(shape.output[axis]).max(start)
}

#[cfg(test)]
mod tests;
