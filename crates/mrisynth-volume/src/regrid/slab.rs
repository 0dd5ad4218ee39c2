//! Volumes cut into slabs and lines: sweeps along any axis run in parallel, with their inner loop
//! along contiguous memory.

use ndarray::{ArrayViewMut2, ArrayViewMut3};
use rayon::prelude::*;

/// How many rows along x are filtered side by side: enough independent recursions to hide the
/// latency of one, few enough to stay in the first-level cache.
const LANES: usize = 32;

/// Runs `work` on every slab of one index along `axis` (1 for y, 2 for z), in parallel. A slab is
/// handed over as its rows along x, in the order of the remaining axis.
pub(super) fn for_each_slab<T: Send>(
    voxels: &mut [T],
    shape: [usize; 3],
    axis: usize,
    work: impl Fn(usize, &mut [&mut [T]]) + Sync,
) {
    let [nx, ny, nz] = shape;
    let Ok(mut view) = ArrayViewMut3::from_shape((nz, ny, nx), voxels) else {
        debug_assert!(false, "the voxels have another shape");
        return;
    };
    view.swap_axes(0, 2 - axis);
    let slabs: Vec<ArrayViewMut2<'_, T>> = view.into_outer_iter_mut().collect();
    slabs.into_par_iter().enumerate().for_each(|(index, slab)| {
        let rows = slab.into_outer_iter_mut().filter_map(|row| row.into_slice());
        work(index, &mut rows.collect::<Vec<_>>());
    });
}

/// Runs a filter in place along each axis that is `active`, x first.
///
/// The filter is handed the axis and a bundle of parallel lines along it, turned so that entry `i`
/// of the bundle holds voxel `i` of every line: what it does to whole entries vectorises, whatever
/// the axis.
pub(super) fn sweep(
    voxels: &mut [f32],
    shape: [usize; 3],
    active: [bool; 3],
    filter: impl Fn(usize, &mut [&mut [f32]]) + Sync,
) {
    if active[0] || active[1] {
        for_each_slab(voxels, shape, 2, |_, rows| {
            if active[0] {
                for rows in rows.chunks_mut(LANES) {
                    along_rows(rows, |lines| filter(0, lines));
                }
            }
            if active[1] {
                filter(1, rows);
            }
        });
    }
    if active[2] {
        for_each_slab(voxels, shape, 1, |_, rows| filter(2, rows));
    }
}

/// Runs a filter along up to [`LANES`] rows, turned into a bundle of lines and back.
fn along_rows(rows: &mut [&mut [f32]], filter: impl Fn(&mut [&mut [f32]])) {
    let n = rows.first().map_or(0, |row| row.len());
    let mut turned = vec![0.0; n * LANES];
    for (lane, row) in rows.iter().enumerate() {
        for (entry, &value) in turned.chunks_exact_mut(LANES).zip(row.iter()) {
            entry[lane] = value;
        }
    }
    filter(&mut turned.chunks_exact_mut(LANES).collect::<Vec<_>>());
    for (lane, row) in rows.iter_mut().enumerate() {
        for (entry, value) in turned.chunks_exact(LANES).zip(row.iter_mut()) {
            *value = entry[lane];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_is_swept_along_its_own_lines() {
        let shape = [3, 40, 5];
        let index = |i: usize| [i % 3, i / 3 % 40, i / 120];
        for axis in 0..3 {
            let mut voxels: Vec<f32> = (0..600).map(|i| i as f32).collect();
            let active = std::array::from_fn(|a| a == axis);
            sweep(&mut voxels, shape, active, |swept, lines| {
                assert_eq!((swept, lines.len()), (axis, shape[axis]));
                // Each voxel becomes the difference from the first of its line.
                let (first, rest) = lines.split_at_mut(1);
                for line in rest {
                    line.iter_mut().zip(first[0].iter()).for_each(|(v, f)| *v -= f);
                }
                first[0].fill(0.0);
            });
            let stride = [1, 3, 120][axis];
            for (i, &voxel) in voxels.iter().enumerate() {
                assert_eq!(voxel, (index(i)[axis] * stride) as f32, "axis {axis}, voxel {i}");
            }
        }
    }
}
