//! From the sums at the points of y and z to the gradient of the taps.
#![expect(unsafe_code, reason = "vector loads and stores through pointers")]

use super::super::planes::{N, POINTS};
use super::super::points::tap_adjoint;
use crate::kernels::aligned::LINE;
use crate::kernels::gemm::Panels;
use crate::kernels::vector::{Task, Vector};

/// One vector of output channels.
pub(super) struct Taps<'a> {
    /// `[point][panel of c_out][c_in][tap along x][column]`.
    pub(super) sums: &'a [f32],
    pub(super) per_point: usize,
    pub(super) panels: Panels,
    pub(super) c_in: usize,
    /// The first output channel.
    pub(super) column: usize,
    /// `[c_out][c_in][tap]` of this vector's output channels.
    pub(super) dw: &'a mut [f32],
}

impl Task for Taps<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { sums, per_point, panels, c_in, column, dw } = self;
        let row = panels.index(3 * c_in, 1, column) - panels.index(3 * c_in, 0, column);
        let mut taps = [[0.0; LINE]; 27];
        for channel in 0..c_in {
            for x in 0..3 {
                let from = panels.index(3 * c_in, 3 * channel, column) + x * row;
                let end = (POINTS - 1) * per_point + from + V::LANES;
                assert!(end <= sums.len(), "sums beyond the buffer");
                // SAFETY: reads end at `end`; `taps` holds a whole vector for each tap; the caller
                // vouches for the instructions.
                unsafe {
                    let mut half = [[V::splat(0.0); N]; 3];
                    for j in 0..N {
                        let mut m = [V::splat(0.0); N];
                        for i in 0..N {
                            m[i] = V::load(sums.as_ptr().add((i * N + j) * per_point + from));
                        }
                        let m = tap_adjoint(m);
                        for i in 0..3 {
                            half[i][j] = m[i];
                        }
                    }
                    for i in 0..3 {
                        for (j, tap) in tap_adjoint(half[i]).into_iter().enumerate() {
                            tap.store(taps[(x * 3 + i) * 3 + j].as_mut_ptr());
                        }
                    }
                }
            }
            for (o, dw) in dw.chunks_exact_mut(27 * c_in).enumerate() {
                for (dw, taps) in dw[27 * channel..][..27].iter_mut().zip(&taps) {
                    *dw = taps[o];
                }
            }
        }
    }
}
