//! A separable linear map between channels-last volumes.
//!
//! Each line of the output along z gathers the input lines that it reads into a buffer that stays
//! in the cache, then its voxels gather from the buffer: the volume crosses memory once, not once
//! per axis. Threads own lines, and sums run in index order, so that the bits depend on neither
//! threads nor batch.

use rayon::prelude::*;

use super::axis_map::AxisMap;
use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Elements of the output that are worth handing to another thread.
const GRAIN: usize = 1 << 14;

/// `y[n, x, y, z, c] = Σ wx · wy · wz · x[n, ix, iy, iz, c]` over the taps of three axes.
///
/// Products of weights are taken in f64 and rounded once.
pub(crate) fn resample<T: Element>(
    tier: Tier,
    axes: &[AxisMap; 3],
    channels: usize,
    x: &[T],
    y: &mut [T],
) {
    let [along_x, along_y, along_z] = axes;
    let lines = along_x.outputs() * along_y.outputs();
    let (line_in, line_out) = (along_z.inputs() * channels, along_z.outputs() * channels);
    let item_in = along_x.inputs() * along_y.inputs() * line_in;
    let selections = (along_x.selection(), along_y.selection(), along_z.selection());
    let tasks = y.par_chunks_mut(line_out).with_min_len(GRAIN.div_ceil(line_out)).enumerate().map(
        |(line, out)| {
            let item = &x[line / lines * item_in..][..item_in];
            let at = line % lines;
            (item, at / along_y.outputs(), at % along_y.outputs(), out)
        },
    );
    if let (Some(from_x), Some(from_y), Some(from_z)) = selections {
        tasks.for_each(|(item, ox, oy, out)| {
            let start = (from_x[ox] * along_y.inputs() + from_y[oy]) * line_in;
            select_along_z(&item[start..][..line_in], &from_z, channels, out);
        });
        return;
    }
    let zero = <T::Real as Real>::ZERO;
    tasks.for_each_init(
        || (vec![zero; line_in], vec![zero; channels]),
        |(gathered, sums), (item, ox, oy, out)| {
            let taps = [along_x.taps(ox), along_y.taps(oy)];
            let rows = along_y.inputs();
            tier.run(Line { taps, rows, along_z, item, gathered, sums, out });
        },
    );
}

fn select_along_z<T: Copy>(line: &[T], from: &[usize], channels: usize, out: &mut [T]) {
    if channels == 1 {
        for (out, &from) in out.iter_mut().zip(from) {
            *out = line[from];
        }
        return;
    }
    for (out, &from) in out.chunks_exact_mut(channels).zip(from) {
        out.copy_from_slice(&line[from * channels..][..channels]);
    }
}

/// One line of the output along z.
struct Line<'a, T: Element> {
    /// The inputs along x and y.
    taps: [&'a [(usize, f64)]; 2],
    /// Input lines per x.
    rows: usize,
    along_z: &'a AxisMap,
    item: &'a [T],
    /// The combined input line.
    gathered: &'a mut [T::Real],
    /// One voxel of the output.
    sums: &'a mut [T::Real],
    out: &'a mut [T],
}

impl<T: Element> Kernel for Line<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { taps: [along_x, along_y], rows, along_z, item, gathered, sums, out } = self;
        let (length, channels) = (gathered.len(), sums.len());
        let mut untouched = true;
        for &(ix, wx) in along_x {
            for &(iy, wy) in along_y {
                let line = &item[(ix * rows + iy) * length..][..length];
                accumulate(T::Real::from_f64(wx * wy), line, gathered, untouched);
                untouched = false;
            }
        }
        if untouched {
            // No window reads this line: its gradient is zero.
            out.fill(T::store(T::Real::ZERO));
            return;
        }
        for (oz, out) in out.chunks_exact_mut(channels).enumerate() {
            let voxel = |i: usize| &gathered[i * channels..][..channels];
            match *along_z.taps(oz) {
                [] => out.fill(T::store(T::Real::ZERO)),
                [(i, w)] => {
                    let w = T::Real::from_f64(w);
                    for (out, &a) in out.iter_mut().zip(voxel(i)) {
                        *out = T::store(w * a);
                    }
                }
                [(i, w), (j, v)] => {
                    let (w, v) = (T::Real::from_f64(w), T::Real::from_f64(v));
                    for ((out, &a), &b) in out.iter_mut().zip(voxel(i)).zip(voxel(j)) {
                        *out = T::store(w * a + v * b);
                    }
                }
                ref taps => {
                    sums.fill(T::Real::ZERO);
                    for &(i, w) in taps {
                        let w = T::Real::from_f64(w);
                        for (sum, &a) in sums.iter_mut().zip(voxel(i)) {
                            *sum += w * a;
                        }
                    }
                    for (out, &sum) in out.iter_mut().zip(sums.iter()) {
                        *out = T::store(sum);
                    }
                }
            }
        }
    }
}

/// `sums += w · x`, or `sums = w · x` for the first term.
#[inline(always)]
fn accumulate<T: Element>(w: T::Real, x: &[T], sums: &mut [T::Real], first: bool) {
    if first {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum = w * x.load();
        }
    } else {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += w * x.load();
        }
    }
}
