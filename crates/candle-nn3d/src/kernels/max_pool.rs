//! The largest value of every window, and its gradient.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// The windows of a pooling, per axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: [usize; 3],
    pub(crate) padding: [usize; 3],
    pub(crate) channels: usize,
}

impl Windows {
    /// The inputs that window `o` holds; not empty, since padding is at most half the kernel.
    #[inline(always)]
    fn inputs(&self, axis: usize, o: usize) -> std::ops::Range<usize> {
        let start = o * self.stride[axis];
        let end = start + self.kernel[axis] - self.padding[axis];
        start.saturating_sub(self.padding[axis])..end.min(self.input[axis])
    }

    /// The windows that hold input `i`.
    #[inline(always)]
    fn outputs(&self, axis: usize, i: usize) -> std::ops::Range<usize> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let padded = i + self.padding[axis];
        let first = (padded + 1).saturating_sub(kernel).div_ceil(stride);
        first..(padded / stride + 1).min(self.output[axis])
    }

    /// The place of an input in its window, in scan order.
    #[inline(always)]
    fn tap(&self, input: [usize; 3], output: [usize; 3]) -> u32 {
        let along =
            |axis: usize| input[axis] + self.padding[axis] - output[axis] * self.stride[axis];
        let [_, ky, kz] = self.kernel;
        ((along(0) * ky + along(1)) * kz + along(2)) as u32
    }

    fn item_in(&self) -> usize {
        self.input.iter().product::<usize>() * self.channels
    }

    fn item_out(&self) -> usize {
        self.output.iter().product::<usize>() * self.channels
    }

    /// Item, x and y of line `line` of volumes of this size.
    fn position(line: usize, size: [usize; 3]) -> (usize, usize, usize) {
        (line / (size[0] * size[1]), line / size[1] % size[0], line % size[1])
    }
}

/// The largest value of each window; the last NaN, if it holds one.
pub(crate) fn forward<T: Element>(tier: Tier, windows: &Windows, x: &[T], y: &mut [T]) {
    let line_out = windows.output[2] * windows.channels;
    y.par_chunks_mut(line_out).enumerate().for_each(|(line, best)| {
        let (item, ox, oy) = Windows::position(line, windows.output);
        let x = &x[item * windows.item_in()..][..windows.item_in()];
        tier.run(MaxLine { windows, x, ox, oy, best, taps: None });
    });
}

/// The gradient of the input: each output's goes to the input that gave its value.
pub(crate) fn gradient<T: Element>(
    tier: Tier,
    windows: &Windows,
    x: &[T],
    upstream: &[T],
    gradient: &mut [T],
) {
    let (zero, line_out) = (<T::Real as Real>::ZERO, windows.output[2] * windows.channels);
    let mut taps = vec![0_u32; upstream.len()];
    taps.par_chunks_mut(line_out).enumerate().for_each_init(
        || T::zeros(line_out),
        |best, (line, taps)| {
            let (item, ox, oy) = Windows::position(line, windows.output);
            let x = &x[item * windows.item_in()..][..windows.item_in()];
            tier.run(MaxLine { windows, x, ox, oy, best, taps: Some(taps) });
        },
    );
    let line_in = windows.input[2] * windows.channels;
    gradient.par_chunks_mut(line_in).enumerate().for_each_init(
        || vec![zero; windows.channels],
        |sums, (line, out)| {
            let (item, ix, iy) = Windows::position(line, windows.input);
            let range = item * windows.item_out()..(item + 1) * windows.item_out();
            let (taps, upstream) = (&taps[range.clone()], &upstream[range]);
            tier.run(GradientLine { windows, taps, upstream, ix, iy, sums, out });
        },
    );
}

/// One line of the output along z.
struct MaxLine<'a, T> {
    windows: &'a Windows,
    x: &'a [T],
    ox: usize,
    oy: usize,
    best: &'a mut [T],
    taps: Option<&'a mut [u32]>,
}

impl<T: Element> Kernel for MaxLine<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { windows, x, ox, oy, best, mut taps } = self;
        let channels = windows.channels;
        let [_, sy, sz] = windows.input;
        for (oz, best) in best.chunks_exact_mut(channels).enumerate() {
            let mut taps = taps.as_mut().map(|taps| &mut taps[oz * channels..][..channels]);
            let mut first = true;
            for ix in windows.inputs(0, ox) {
                for iy in windows.inputs(1, oy) {
                    for iz in windows.inputs(2, oz) {
                        let x = &x[((ix * sy + iy) * sz + iz) * channels..][..channels];
                        let tap = windows.tap([ix, iy, iz], [ox, oy, oz]);
                        if let Some(taps) = taps.as_mut() {
                            for ((tap_of_best, best), x) in taps.iter_mut().zip(&*best).zip(x) {
                                let larger = first || exceeds(x.load(), best.load());
                                *tap_of_best = if larger { tap } else { *tap_of_best };
                            }
                        }
                        for (best, x) in best.iter_mut().zip(x) {
                            let larger = first || exceeds(x.load(), best.load());
                            *best = if larger { *x } else { *best };
                        }
                        first = false;
                    }
                }
            }
        }
    }
}

/// NaN exceeds everything, and nothing but NaN exceeds NaN.
#[inline(always)]
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
fn exceeds<R: Real>(x: R, best: R) -> bool {
    (x > best) | (x != x)
}

/// One line of the gradient along z.
struct GradientLine<'a, T: Element> {
    windows: &'a Windows,
    taps: &'a [u32],
    upstream: &'a [T],
    ix: usize,
    iy: usize,
    sums: &'a mut [T::Real],
    out: &'a mut [T],
}

impl<T: Element> Kernel for GradientLine<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { windows, taps, upstream, ix, iy, sums, out } = self;
        let channels = windows.channels;
        let [_, sy, sz] = windows.output;
        for (iz, out) in out.chunks_exact_mut(channels).enumerate() {
            sums.fill(T::Real::ZERO);
            for ox in windows.outputs(0, ix) {
                for oy in windows.outputs(1, iy) {
                    for oz in windows.outputs(2, iz) {
                        let at = ((ox * sy + oy) * sz + oz) * channels;
                        let mine = windows.tap([ix, iy, iz], [ox, oy, oz]);
                        let taps = &taps[at..][..channels];
                        let upstream = &upstream[at..][..channels];
                        for ((sum, &tap), g) in sums.iter_mut().zip(taps).zip(upstream) {
                            *sum += if tap == mine { g.load() } else { T::Real::ZERO };
                        }
                    }
                }
            }
            for (out, &sum) in out.iter_mut().zip(sums.iter()) {
                *out = T::store(sum);
            }
        }
    }
}
