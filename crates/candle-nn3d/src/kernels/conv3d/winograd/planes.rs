//! The transforms of one plane of voxels over y and z: 6 × 6 points of 4 × 4 outputs, or 4 × 4 of
//! 2 × 2.
#![expect(unsafe_code, reason = "vector instructions on pointers to single voxels")]

use super::points::{input_transform, output_adjoint, output_transform};
use crate::kernels::conv_element::Element;
use crate::kernels::vector::Vector;

/// Points along y or z, outputs along y or z, and points of a plane's tile, where nothing else is
/// said.
pub(super) const N: usize = 6;
pub(super) const TILE: usize = N - 2;
pub(super) const POINTS: usize = N * N;

/// Where the voxels under a tile begin: `N` of the input along each axis, [`TILE`] of the output's
/// gradient; padding is at zeros.
pub(super) type Voxels<T, const S: usize = N> = [[*const T; S]; S];

/// Takes one tile of `channels` channels to its P² points, `point_stride` apart in `to`, and
/// fetches the next: voxels of a tile are too scattered for the processor to foresee. Voxels of the
/// input take the forward transform, those of the output's gradient the adjoint of the outputs'.
///
/// # Safety
/// The processor has the instructions of `V`; every pointer of `voxels` is valid for `channels`
/// numbers.
#[inline(always)]
pub(super) unsafe fn tile_to_points<V: Vector, T: Element, const S: usize, const P: usize>(
    voxels: &Voxels<T, S>,
    next: &Voxels<T, S>,
    channels: usize,
    to: &mut [f32],
    point_stride: usize,
) {
    let end = (P * P - 1) * point_stride + channels.next_multiple_of(V::LANES);
    assert!(end <= to.len(), "points beyond the buffer");
    let to = to.as_mut_ptr();
    for c in (0..channels).step_by(V::LANES) {
        // SAFETY: reads end at `channels`; writes end at `end`, as asserted.
        unsafe {
            let mut half = [[V::splat(0.0); S]; P];
            for j in 0..S {
                let mut column = [V::splat(0.0); S];
                for i in 0..S {
                    V::prefetch(next[i][j].wrapping_add(c).cast());
                    column[i] = T::load(voxels[i][j].add(c), channels - c);
                }
                let column: [V; P] = to_points(column);
                for i in 0..P {
                    half[i][j] = column[i];
                }
            }
            for i in 0..P {
                let row: [V; P] = to_points(half[i]);
                for j in 0..P {
                    row[j].store(to.add((i * P + j) * point_stride + c));
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

/// Takes the P² points of one tile to its Q² outputs (Q = P − 2) plus bias, and plus what lies at
/// `added`, for `channels` channels; voxels without a place are dropped.
///
/// # Safety
/// The processor has the instructions of `V`; every place in `voxels` is null or valid for
/// writing `channels` numbers that nobody else reads or writes meanwhile; every place in `added` is
/// null or valid for reading as many.
#[inline(always)]
pub(super) unsafe fn points_to_tile<V: Vector, T: Element, const P: usize, const Q: usize>(
    from: &[f32],
    point_stride: usize,
    bias: &[f32],
    channels: usize,
    voxels: &[[*mut T; Q]; Q],
    added: &[[*const T; Q]; Q],
) {
    const { assert!(Q + 2 == P) }
    let padded = channels.next_multiple_of(V::LANES);
    assert!((P * P - 1) * point_stride + padded <= from.len(), "points beyond the buffer");
    assert!(padded <= bias.len(), "a bias that is too short");
    for c in (0..channels).step_by(V::LANES) {
        // SAFETY: reads end within what was asserted, writes at `channels`.
        unsafe {
            let from = from.as_ptr().add(c);
            let bias = V::load(bias.as_ptr().add(c));
            let mut half = [[bias; P]; Q];
            for j in 0..P {
                let mut column = [bias; P];
                for i in 0..P {
                    column[i] = V::load(from.add((i * P + j) * point_stride));
                }
                let column = output_transform(column);
                for i in 0..Q {
                    half[i][j] = column[i];
                }
            }
            for i in 0..Q {
                let row = output_transform(half[i]);
                for j in 0..Q {
                    let to = voxels[i][j];
                    if to.is_null() {
                        continue;
                    }
                    let mut sum = row[j].add(bias);
                    if !added[i][j].is_null() {
                        sum = sum.add(T::load(added[i][j].add(c), channels - c));
                    }
                    T::store(sum, to.add(c), channels - c);
                }
            }
        }
    }
}
