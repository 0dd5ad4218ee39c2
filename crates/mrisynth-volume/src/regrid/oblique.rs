//! Sampling where the axes are at an angle: every target voxel on its own.

use std::ops::Range;

use rayon::prelude::*;

use super::Shape;
use super::voxel_map::ROUNDING;

/// Target voxels of one parallel task, about.
const TASK_VOXELS: usize = 4096;

/// Bits of a [`FixedPoint`] behind the binary point.
const FRACTION_BITS: u32 = 40;

/// The longest source axis whose indices a [`FixedPoint`] holds.
const MAX_FIXED: usize = 1 << 22;

/// Voxels after which fixed-point coordinates start afresh from `f64`, so that the rounding of
/// their step, 2⁻⁴¹ voxel, cannot add up to 10⁻⁹.
const RESTART: usize = 1024;

/// How far from the border of the interior a voxel counts as outside it, in source voxels: more
/// than any rounding below, also that of positions in a vote.
const GUARD: f64 = 1e-4;

/// Continuous source indices in units of 2⁻⁴⁰ voxel: taking them apart into voxel and fraction is
/// a shift, several times faster than rounding an `f64`.
pub(super) type FixedPoint = [i64; 3];

/// What a way of sampling does at a continuous source index.
pub(super) trait Probe<T>: Sync {
    /// How far from the outer voxel centres the interior begins, in voxels.
    const MARGIN: f64;
    /// The value at a point anywhere in the field of view.
    fn at(&self, point: [f64; 3]) -> T;
    /// The value at a point of the interior, where no voxel drawn on is missing.
    fn at_interior(&self, point: FixedPoint) -> T;
}

/// The voxel at the low corner of the cell around a point.
#[inline(always)]
pub(super) fn voxel(point: FixedPoint) -> [usize; 3] {
    point.map(|c| (c >> FRACTION_BITS) as usize)
}

/// Where in its cell a point lies, 0 to 1 along each axis.
#[inline(always)]
pub(super) fn fraction(point: FixedPoint) -> [f32; 3] {
    // The upper 24 bits of the fraction: what an f32 holds.
    let bits = |c: i64| (c >> (FRACTION_BITS - 24)) as i32 & 0xff_ffff;
    point.map(|c| bits(c) as f32 * (1.0 / 16_777_216.0))
}

/// The point shifted by the same part of a voxel along each axis.
#[inline(always)]
pub(super) fn shifted(point: FixedPoint, by: f64) -> FixedPoint {
    let by = (by * (1_u64 << FRACTION_BITS) as f64) as i64;
    point.map(|c| c + by)
}

/// Fills the target with what the probe finds at the source index of each voxel, `outside` where
/// that lies outside the field of view.
///
/// Coordinates are computed from the indices of the row, never carried from one to the next, so
/// they do not depend on where a task begins.
pub(super) fn sample<T: Copy + Send + Sync, P: Probe<T>>(
    rows: &[[f64; 4]; 3],
    source_shape: Shape,
    probe: &P,
    outside: T,
    (target, target_shape): (&mut [T], Shape),
) {
    let [nx, ny, _] = target_shape;
    let task_rows = (TASK_VOXELS / nx).max(1);
    let step = rows.map(|row| row[0]);
    target.par_chunks_mut(nx * task_rows).enumerate().for_each(|(task, part)| {
        for (row, out) in part.chunks_mut(nx).enumerate() {
            let row = task * task_rows + row;
            let (y, z) = ((row % ny) as f64, (row / ny) as f64);
            let start = rows.map(|row| row[1] * y + row[2] * z + row[3]);
            sample_row(&Line { start, step }, source_shape, probe, outside, out);
        }
    });
}

fn sample_row<T: Copy, P: Probe<T>>(
    line: &Line,
    source_shape: Shape,
    probe: &P,
    outside: T,
    out: &mut [T],
) {
    let last = source_shape.map(|n| n as f64 - 1.0);
    let rim = 0.5 + ROUNDING;
    let interior = if source_shape.iter().all(|&n| n <= MAX_FIXED) {
        let margin = P::MARGIN + GUARD;
        line.span(out.len(), [margin; 3], last.map(|l| l - margin))
    } else {
        0..0
    };
    let inside = if interior == (0..out.len()) {
        interior.clone()
    } else {
        line.span(out.len(), [-rim; 3], last.map(|l| l + rim))
    };
    let interior = if interior.is_empty() { inside.end..inside.end } else { interior };
    out[..inside.start].fill(outside);
    out[inside.end..].fill(outside);
    for x in (inside.start..interior.start).chain(interior.end..inside.end) {
        out[x] = probe.at(line.at(x));
    }
    for (block, out) in out[interior.clone()].chunks_mut(RESTART).enumerate() {
        let (mut point, step) = line.fixed_point(interior.start + block * RESTART);
        for out in out {
            *out = probe.at_interior(point);
            // Wraps only after the last voxel, when a step leaves the axis by far.
            (0..3).for_each(|s| point[s] = point[s].wrapping_add(step[s]));
        }
    }
}

/// The source indices along a target row: `start + x · step`.
struct Line {
    start: [f64; 3],
    step: [f64; 3],
}

impl Line {
    fn at(&self, x: usize) -> [f64; 3] {
        std::array::from_fn(|s| self.step[s] * x as f64 + self.start[s])
    }

    /// The point at `x` and the step to the next, in fixed point.
    fn fixed_point(&self, x: usize) -> (FixedPoint, FixedPoint) {
        let fixed = |c: f64| (c * (1_u64 << FRACTION_BITS) as f64).round() as i64;
        (self.at(x).map(fixed), self.step.map(fixed))
    }

    /// The `x` below `n` whose points lie between `low` and `high`: one run, because each
    /// coordinate grows or falls all along.
    fn span(&self, n: usize, low: [f64; 3], high: [f64; 3]) -> Range<usize> {
        let within = |x| {
            let point = self.at(x);
            (0..3).all(|s| point[s] >= low[s] && point[s] <= high[s])
        };
        if within(0) && within(n - 1) {
            return 0..n;
        }
        let mut span = 0..n;
        for s in 0..3 {
            let forward = self.step[s] >= 0.0;
            let entered = |x| {
                let c = self.at(x)[s];
                if forward { c >= low[s] } else { c <= high[s] }
            };
            let left = |x| {
                let c = self.at(x)[s];
                if forward { c > high[s] } else { c < low[s] }
            };
            span.start = span.start.max(first(n, entered));
            span.end = span.end.min(first(n, left));
        }
        if span.is_empty() { 0..0 } else { span }
    }
}

/// The first `x` below `n` from which on `holds` is true, or `n`.
fn first(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}
