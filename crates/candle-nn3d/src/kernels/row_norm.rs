//! Normalisation of every row by itself, with an affine map per channel.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Partial sums of a row, added up in their order at its end.
const LANES: usize = 16;

/// Rows whose parameter gradients are summed in the precision of the kernel.
const BLOCK: usize = 64;

/// A normalisation over the rows of `[rows, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowNorm<'a, T> {
    pub(crate) tier: Tier,
    pub(crate) eps: f64,
    pub(crate) weight: &'a [T],
    pub(crate) bias: &'a [T],
}

impl<T: Element> RowNorm<'_, T> {
    /// Elements of one task, whole blocks of rows.
    fn chunk(&self) -> usize {
        let block = BLOCK * self.weight.len();
        block * ((1 << 16) / block).max(1)
    }

    /// Normalises.
    pub(crate) fn forward(&self, x: &[T], y: &mut [T]) {
        let chunks = y.par_chunks_mut(self.chunk()).zip(x.par_chunks(self.chunk()));
        chunks.for_each(|(y, x)| self.tier.run(Forward { norm: *self, x, y }));
    }

    /// Writes the gradient of x; returns those of weight and bias.
    pub(crate) fn backward(&self, x: &[T], dy: &[T], dx: &mut [T]) -> [Vec<f64>; 2] {
        let channels = self.weight.len();
        let rows = x.par_chunks(self.chunk()).zip(dy.par_chunks(self.chunk()));
        let chunks = dx.par_chunks_mut(self.chunk()).zip(rows);
        let parts = chunks.map(|(dx, (x, dy))| {
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            let partial = [vec![T::Real::ZERO; channels], vec![T::Real::ZERO; channels]];
            self.tier.run(Backward { norm: *self, x, dy, dx, partial, sums: &mut sums });
            sums
        });
        let mut total = [vec![0.0; channels], vec![0.0; channels]];
        for part in parts.collect::<Vec<_>>() {
            for (total, part) in total.iter_mut().flatten().zip(part.iter().flatten()) {
                *total += part;
            }
        }
        total
    }
}

/// x̂ = (x - centre) · rstd + shift
struct RowStandard<R> {
    centre: R,
    rstd: R,
    shift: R,
}

#[inline(always)]
fn standard<T: Element>(x: &[T], eps: f64) -> RowStandard<T::Real> {
    let count = x.len() as f64;
    let centre = T::Real::from_f64(sums(x, x, |x, _: T| [x, T::Real::ZERO])[0] / count);
    // The second reading is from the first-level cache, and squares of deviations do not cancel.
    let deviations = |x, _: T| [x - centre, (x - centre) * (x - centre)];
    let [left, squares] = sums(x, x, deviations).map(|sum| sum / count);
    // Rounding may leave a tiny negative number where all are equal; a NaN stays one.
    let variance = squares - left * left;
    let rstd = 1.0 / (if variance < 0.0 { 0.0 } else { variance } + eps).sqrt();
    let shift = T::Real::from_f64(-left * rstd);
    RowStandard { centre, rstd: T::Real::from_f64(rstd), shift }
}

/// The sums of two terms of the elements of two rows.
#[inline(always)]
fn sums<T: Element, U: Copy>(
    x: &[T],
    y: &[U],
    terms: impl Fn(T::Real, U) -> [T::Real; 2],
) -> [f64; 2] {
    let (mut first, mut second) = ([T::Real::ZERO; LANES], [T::Real::ZERO; LANES]);
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            let [a, b] = terms(x[lane].load(), y[lane]);
            first[lane] += a;
            second[lane] += b;
        }
    }
    let rest = x_rest.iter().zip(y_rest);
    for ((first, second), (x, y)) in first.iter_mut().zip(&mut second).zip(rest) {
        let [a, b] = terms(x.load(), *y);
        *first += a;
        *second += b;
    }
    [total(&first), total(&second)]
}

/// Halves the lanes until one is left, so that this too is done in vectors.
#[inline(always)]
fn total<R: Real>(lanes: &[R; LANES]) -> f64 {
    let mut wide = lanes.map(Real::to_f64);
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            wide[lane] += wide[lane + half];
        }
        half /= 2;
    }
    wide[0]
}

struct Forward<'a, T> {
    norm: RowNorm<'a, T>,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let RowNorm { eps, weight, bias, .. } = self.norm;
        let channels = weight.len();
        for (y, x) in self.y.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels)) {
            let RowStandard { centre, rstd, shift } = standard(x, eps);
            for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                let normal = (x.load() - centre) * rstd + shift;
                *y = T::store(normal * weight.load() + bias.load());
            }
        }
    }
}

struct Backward<'a, T: Element> {
    norm: RowNorm<'a, T>,
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
    partial: [Vec<T::Real>; 2],
    sums: &'a mut [Vec<f64>; 2],
}

impl<T: Element> Kernel for Backward<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let channels = self.norm.weight.len();
        let mut scratch = vec![T::Real::ZERO; channels];
        let block = BLOCK * channels;
        let blocks = self.x.chunks(block).zip(self.dy.chunks(block));
        for (dx, (x, dy)) in self.dx.chunks_mut(block).zip(blocks) {
            let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
            for (dx, (x, dy)) in dx.chunks_exact_mut(channels).zip(rows) {
                row(&self.norm, x, dy, (dx, &mut scratch), &mut self.partial);
            }
            for (sums, partial) in self.sums.iter_mut().zip(&mut self.partial) {
                for (sum, partial) in sums.iter_mut().zip(partial) {
                    *sum += partial.to_f64();
                    *partial = T::Real::ZERO;
                }
            }
        }
    }
}

/// With g = w · dy: dx = rstd · (g - mean of g - x̂ · mean of g x̂).
#[inline(always)]
fn row<T: Element>(
    norm: &RowNorm<'_, T>,
    x: &[T],
    dy: &[T],
    (dx, scratch): (&mut [T], &mut [T::Real]),
    partial: &mut [Vec<T::Real>; 2],
) {
    let n = x.len();
    let (dy, dx, weight, scratch) = (&dy[..n], &mut dx[..n], &norm.weight[..n], &mut scratch[..n]);
    let [weight_sums, bias_sums] = partial;
    let (weight_sums, bias_sums) = (&mut weight_sums[..n], &mut bias_sums[..n]);
    let RowStandard { centre, rstd, shift } = standard(x, norm.eps);
    for i in 0..n {
        let (dy, normal) = (dy[i].load(), (x[i].load() - centre) * rstd + shift);
        scratch[i] = weight[i].load() * dy;
        weight_sums[i] += dy * normal;
        bias_sums[i] += dy;
    }
    let means = sums(x, scratch, |x, g: T::Real| [g, g * ((x - centre) * rstd + shift)]);
    let [plain, weighted] = means.map(|sum| T::Real::from_f64(sum / n as f64));
    for i in 0..n {
        let normal = (x[i].load() - centre) * rstd + shift;
        dx[i] = T::store(rstd * ((scratch[i] - plain) - normal * weighted));
    }
}
