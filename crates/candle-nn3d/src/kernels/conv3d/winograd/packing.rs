//! Weights from taps to points, into the panels that the products read.
#![expect(unsafe_code, reason = "vector instructions on panels")]

use super::points::{tap_matrix, tap_transform};
use crate::kernels::vector::Vector;
use crate::kernels::vectorise::Kernel;

/// Input channels that are transformed before they are put where they belong: the places of one
/// channel are too far apart to be written one by one.
const CHANNELS: usize = 8;

/// One panel of output channels. It is computed in f64 and rounded once.
pub(super) struct Packing<'a> {
    /// `[column][c_in][tap]`
    pub(super) weight: &'a [f32],
    pub(super) c_in: usize,
    /// Columns, padded to whole vectors.
    pub(super) width: usize,
    /// Points along y and along z.
    pub(super) points: usize,
    /// `[y and z point][tap of x][c_in][column]`
    pub(super) packed: &'a mut [f32],
}

impl Kernel for Packing<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { weight, c_in, width, points, packed } = self;
        let (matrix, plane_points) = (tap_matrix(points), points * points);
        let mut taps = vec![0.0; 27 * width];
        let mut z = vec![0.0; 9 * points * width];
        let mut y = vec![0.0; 3 * plane_points * width];
        let mut rows = vec![0.0; 3 * plane_points * CHANNELS * width];
        for first in (0..c_in).step_by(CHANNELS) {
            let channels = CHANNELS.min(c_in - first);
            for channel in 0..channels {
                for (column, from) in weight.chunks_exact(27 * c_in).enumerate() {
                    let from = &from[(first + channel) * 27..][..27];
                    for (taps, &from) in taps.chunks_exact_mut(width).zip(from) {
                        taps[column] = f64::from(from);
                    }
                }
                // Axis by axis, the last first, so that the result is [tap of x][y][z][column].
                expand(&taps, &matrix, width, &mut z);
                expand(&z, &matrix, points * width, &mut y);
                for (row, from) in y.chunks_exact(width).enumerate() {
                    let to = &mut rows[(row * CHANNELS + channel) * width..][..width];
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = from as f32;
                    }
                }
            }
            for (row, from) in rows.chunks_exact(CHANNELS * width).enumerate() {
                let (x, plane) = (row / plane_points, row % plane_points);
                let to = ((plane * 3 + x) * c_in + first) * width;
                packed[to..][..channels * width].copy_from_slice(&from[..channels * width]);
            }
        }
    }
}

/// Three taps to factors along one axis: `[outer][3][inner]` to `[outer][rows of matrix][inner]`.
#[inline(always)]
fn expand(taps: &[f64], matrix: &[[f64; 3]], inner: usize, out: &mut [f64]) {
    let outer = out.chunks_exact_mut(matrix.len() * inner);
    for (out, taps) in outer.zip(taps.chunks_exact(3 * inner)) {
        let (first, rest) = taps.split_at(inner);
        let (second, third) = rest.split_at(inner);
        for (out, row) in out.chunks_exact_mut(inner).zip(matrix) {
            for (((out, first), second), third) in out.iter_mut().zip(first).zip(second).zip(third)
            {
                *out = row[0] * first + row[1] * second + row[2] * third;
            }
        }
    }
}

/// Takes a panel's three taps of x to `X` points.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn taps_to_points<V: Vector, const X: usize>(taps: &[f32], panel: &mut [f32]) {
    let step = taps.len() / 3;
    assert!(step.is_multiple_of(V::LANES) && X * step <= panel.len(), "points beyond the panel");
    let (taps, panel) = (taps.as_ptr(), panel.as_mut_ptr());
    for at in (0..step).step_by(V::LANES) {
        // SAFETY: reads end at `3 * step`, writes at `X * step`; the caller vouches for the
        // instructions.
        unsafe {
            let load = |tap: usize| V::load(taps.add(tap * step + at));
            let points: [V; X] = tap_transform([load(0), load(1), load(2)]);
            for (s, point) in points.into_iter().enumerate() {
                point.store(panel.add(s * step + at));
            }
        }
    }
}
