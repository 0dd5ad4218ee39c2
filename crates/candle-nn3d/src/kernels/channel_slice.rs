//! Channels put side by side, and taken apart.

use rayon::prelude::*;

/// Voxels per task: what they hold stays in the first caches.
const VOXELS: usize = 256;

/// `y[v] = a[v] ‖ b[v]` for every voxel `v`, with `c` channels of `a` and `b`.
pub(crate) fn interleave<T: Copy + Send + Sync>(a: &[T], b: &[T], c: [usize; 2], y: &mut [T]) {
    let [c_a, c_b] = c;
    let sources = a.par_chunks(VOXELS * c_a).zip(b.par_chunks(VOXELS * c_b));
    y.par_chunks_mut(VOXELS * (c_a + c_b)).zip(sources).for_each(|(y, (a, b))| {
        copy_columns(a, [c_a, 0], y, [c_a + c_b, 0], c_a);
        copy_columns(b, [c_b, 0], y, [c_a + c_b, c_a], c_b);
    });
}

/// `y[v] = x[v][first..first + taken]` for every voxel `v`, with `c` channels of `x`.
pub(crate) fn take<T: Copy + Send + Sync>(
    x: &[T],
    c: usize,
    first: usize,
    taken: usize,
    y: &mut [T],
) {
    let chunks = y.par_chunks_mut(VOXELS * taken).zip(x.par_chunks(VOXELS * c));
    chunks.for_each(|(y, x)| copy_columns(x, [c, first], y, [taken, 0], taken));
}

/// Copies `count` channels of every voxel; the others stay. Source and target have a width and the
/// first of the channels.
fn copy_columns<T: Copy>(x: &[T], from: [usize; 2], y: &mut [T], to: [usize; 2], count: usize) {
    // A call that copies a few bytes takes longer than the copy.
    match count {
        1 => copy_few::<T, 1>(x, from, y, to),
        2 => copy_few::<T, 2>(x, from, y, to),
        3 => copy_few::<T, 3>(x, from, y, to),
        4 => copy_few::<T, 4>(x, from, y, to),
        _ => {
            for (y, x) in y.chunks_exact_mut(to[0]).zip(x.chunks_exact(from[0])) {
                y[to[1]..][..count].copy_from_slice(&x[from[1]..][..count]);
            }
        }
    }
}

fn copy_few<T: Copy, const N: usize>(x: &[T], from: [usize; 2], y: &mut [T], to: [usize; 2]) {
    for (y, x) in y.chunks_exact_mut(to[0]).zip(x.chunks_exact(from[0])) {
        if let (Some(y), Some(x)) = (y[to[1]..].first_chunk_mut::<N>(), x[from[1]..].first_chunk())
        {
            *y = *x;
        }
    }
}
