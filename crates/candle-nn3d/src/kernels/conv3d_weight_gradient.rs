//! The gradient of a convolution with respect to its weight.
//!
//! `dW[tap] = Σ_o dy[o] · x[o · stride + tap · dilation - padding]ᵀ`: per tap a sum of outer
//! products over voxels. Each task owns a block of one tap's matrix and adds all voxels to it in a
//! fixed order, so nothing depends on the threads, and no partial sums are held. Tasks go through
//! the volume together, a few planes at a time, so that all of them find those in a shared cache.

use std::ops::Range;

use rayon::prelude::*;

use super::conv3d::Conv3dAlgorithm;
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
/// read by vectors.
const BLOCK: [usize; 2] = [70, 128];

/// `dw` `[c_out, c_in / groups, taps]` from `x` and `dy`, channels last.
pub(crate) fn weight_gradient_f32(
    tier: Tier,
    algorithm: Conv3dAlgorithm,
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    // There is only the direct algorithm yet.
    let _ = algorithm;
    // Vectors want many channels; one voxel's numbers one by one can be few.
    let turned = shape.c_out_per_group() < 16 && shape.c_in_per_group() > shape.c_out_per_group();
    let plan = Plan { tier, shape, x, dy, turned };
    let mut tasks = plan.tasks();
    let [ox, oy, oz] = shape.output;
    let planes = (SLAB / (oy * oz)).max(1);
    for item in 0..shape.batch {
        for first in (0..ox).step_by(planes) {
            let slab = first..(first + planes).min(ox);
            tasks.par_iter_mut().for_each(|task| task.add_planes(&plan, item, slab.clone()));
        }
    }
    plan.write(&tasks, dw);
}

/// The whole computation.
struct Plan<'a> {
    tier: Tier,
    shape: &'a ConvShape,
    x: &'a [f32],
    dy: &'a [f32],
    /// Whether `dy` is the factor that is read number by number.
    turned: bool,
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
        [m.div_ceil(BLOCK[0]), n.div_ceil(BLOCK[1])]
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
    fn add_planes(&mut self, plan: &Plan<'_>, item: usize, planes: Range<usize>) {
        let shape = plan.shape;
        let [_, oy, oz] = shape.output;
        let rows = (CHUNK / oz).max(1);
        for ox in planes {
            let Some(ix) = shape.input_index(0, ox, self.tap[0]) else { continue };
            let planes = [item * shape.input[0] + ix, item * shape.output[0] + ox];
            for first in (0..oy).step_by(rows) {
                self.add_rows(plan, planes, first..(first + rows).min(oy));
            }
        }
    }

    /// Adds the products of some rows of one plane; `planes` are the input's and the output's.
    fn add_rows(&mut self, plan: &Plan<'_>, planes: [usize; 2], rows: Range<usize>) {
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
        let [a, b] = if plan.turned { [plan.dy, plan.x] } else { [plan.x, plan.dy] };
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
mod tests {
    use super::super::conv3d_reference::{self as reference, tests as oracle};
    use super::*;

    fn case(shape: &ConvShape) -> [Vec<f64>; 2] {
        let x = oracle::numbers(shape.batch * shape.n_in() * shape.c_in, 1);
        [x, oracle::numbers(shape.batch * shape.n_out() * shape.c_out, 2)]
    }

    fn narrow(values: &[f64]) -> Vec<f32> {
        values.iter().map(|&v| v as f32).collect()
    }

    #[test]
    fn every_tier_follows_the_definition() {
        for shape in oracle::odd_shapes() {
            let [x, dy] = case(&shape);
            let mut want = vec![0.0; shape.c_out * shape.c_in_per_group() * shape.n_taps()];
            reference::weight_gradient(&shape, &x, &dy, &mut want);
            for tier in Tier::available() {
                let mut got = vec![f32::NAN; want.len()];
                weight_gradient_f32(
                    tier,
                    Conv3dAlgorithm::Direct,
                    &shape,
                    &narrow(&x),
                    &narrow(&dy),
                    &mut got,
                );
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                oracle::assert_close(&got, &want, 1e-6, &shape);
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        for shape in oracle::odd_shapes() {
            let [x, dy] = case(&shape).map(|values| narrow(&values));
            for tier in Tier::available() {
                let bits = |threads| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let len = shape.c_out * shape.c_in_per_group() * shape.n_taps();
                    let mut dw = vec![0.0; len];
                    pool.install(|| {
                        weight_gradient_f32(tier, Conv3dAlgorithm::Direct, &shape, &x, &dy, &mut dw)
                    });
                    dw.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let one = bits(1);
                assert_eq!(one, bits(2));
                assert_eq!(one, bits(3));
            }
        }
    }
}
