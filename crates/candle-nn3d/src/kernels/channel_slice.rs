//! Channels put side by side, and taken apart.

use rayon::prelude::*;

/// Voxels per task.
const VOXELS: usize = 1024;

/// `y[v] = a[v] ‖ b[v]` for every voxel `v`, with `c` channels of `a` and `b`.
pub(crate) fn interleave<T: Copy + Send + Sync>(a: &[T], b: &[T], c: [usize; 2], y: &mut [T]) {
    let [c_a, c_b] = c;
    let sources = a.par_chunks(VOXELS * c_a).zip(b.par_chunks(VOXELS * c_b));
    y.par_chunks_mut(VOXELS * (c_a + c_b)).zip(sources).for_each(|(y, (a, b))| {
        let voxels = a.chunks_exact(c_a).zip(b.chunks_exact(c_b));
        for (y, (a, b)) in y.chunks_exact_mut(c_a + c_b).zip(voxels) {
            let (y_a, y_b) = y.split_at_mut(c_a);
            y_a.copy_from_slice(a);
            y_b.copy_from_slice(b);
        }
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
    chunks.for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(taken).zip(x.chunks_exact(c)) {
            y.copy_from_slice(&x[first..][..taken]);
        }
    });
}
