//! The transforms of one plane of voxels over y and z, 6 × 6 points of 4 × 4 outputs.
#![expect(unsafe_code, reason = "vector instructions on pointers to single voxels")]

use super::points::{input_transform, output_adjoint, output_transform};
use crate::kernels::conv_element::Element;
use crate::kernels::vector::Vector;

/// Points along y or z, outputs along y or z, and points of a plane's tile.
pub(super) const N: usize = 6;
pub(super) const TILE: usize = N - 2;
pub(super) const POINTS: usize = N * N;

/// Where the voxels under a tile begin: `N` of the input along each axis, [`TILE`] of the output's
/// gradient; padding is at zeros.
pub(super) type Voxels<T, const S: usize = N> = [[*const T; S]; S];

/// Takes one tile of `channels` channels to its 36 points, `point_stride` apart in `to`, and
/// fetches the next: voxels of a tile are too scattered for the processor to foresee. Voxels of the
/// input take the forward transform, those of the output's gradient the adjoint of the outputs'.
///
/// # Safety
/// The processor has the instructions of `V`; every pointer of `voxels` is valid for `channels`
/// numbers.
#[inline(always)]
pub(super) unsafe fn tile_to_points<V: Vector, T: Element, const S: usize>(
    voxels: &Voxels<T, S>,
    next: &Voxels<T, S>,
    channels: usize,
    to: &mut [f32],
    point_stride: usize,
) {
    let end = (POINTS - 1) * point_stride + channels.next_multiple_of(V::LANES);
    assert!(end <= to.len(), "points beyond the buffer");
    let to = to.as_mut_ptr();
    for c in (0..channels).step_by(V::LANES) {
        // SAFETY: reads end at `channels`; writes end at `end`, as asserted.
        unsafe {
            let mut half = [[V::splat(0.0); S]; N];
            for j in 0..S {
                let mut column = [V::splat(0.0); S];
                for i in 0..S {
                    V::prefetch(next[i][j].wrapping_add(c).cast());
                    column[i] = T::load(voxels[i][j].add(c), channels - c);
                }
                let column: [V; N] = to_points(column);
                for i in 0..N {
                    half[i][j] = column[i];
                }
            }
            for i in 0..N {
                let row: [V; N] = to_points(half[i]);
                for j in 0..N {
                    row[j].store(to.add((i * N + j) * point_stride + c));
                }
            }
        }
    }
}

/// Takes `S` numbers along one axis to `P` points: `P` inputs, or `P − 2` numbers of the output's
/// gradient.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn to_points<V: Vector, const S: usize, const P: usize>(d: [V; S]) -> [V; P] {
    const { assert!(S == P || S + 2 == P) }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        if S == P {
            let mut all = [V::splat(0.0); P];
            all[..S].copy_from_slice(&d);
            return input_transform(all);
        }
        let mut outputs = [V::splat(0.0); TILE];
        outputs[..S].copy_from_slice(&d);
        output_adjoint(outputs)
    }
}

/// Takes the 36 points of one tile to its outputs plus bias, for `channels` channels; voxels
/// without a place are dropped.
///
/// # Safety
/// The processor has the instructions of `V`; every place in `voxels` is null or valid for
/// writing `channels` numbers that nobody else reads or writes meanwhile.
#[inline(always)]
pub(super) unsafe fn points_to_tile<V: Vector, T: Element>(
    from: &[f32],
    point_stride: usize,
    bias: &[f32],
    channels: usize,
    voxels: &[[*mut T; TILE]; TILE],
) {
    let padded = channels.next_multiple_of(V::LANES);
    assert!((POINTS - 1) * point_stride + padded <= from.len(), "points beyond the buffer");
    assert!(padded <= bias.len(), "a bias that is too short");
    for c in (0..channels).step_by(V::LANES) {
        // SAFETY: reads end within what was asserted, writes at `channels`.
        unsafe {
            let from = from.as_ptr().add(c);
            let bias = V::load(bias.as_ptr().add(c));
            let mut half = [[bias; N]; TILE];
            for j in 0..N {
                let mut column = [bias; N];
                for i in 0..N {
                    column[i] = V::load(from.add((i * N + j) * point_stride));
                }
                let column = output_transform(column);
                for i in 0..TILE {
                    half[i][j] = column[i];
                }
            }
            for i in 0..TILE {
                let row = output_transform(half[i]);
                for j in 0..TILE {
                    let to = voxels[i][j];
                    if to.is_null() {
                        continue;
                    }
                    let sum = row[j].add(bias);
                    T::store(sum, to.add(c), channels - c);
                }
            }
        }
    }
}
