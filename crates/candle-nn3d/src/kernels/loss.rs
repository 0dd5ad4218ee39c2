//! Mean penalties of differences, summed in f64 within chunks of fixed size.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Elements per partial sum, and lanes within it: part of the result's definition, so that neither
/// threads nor vectors can change it.
const CHUNK: usize = 1 << 13;
const LANES: usize = 32;

/// What a difference costs.
pub(crate) trait Penalty: Copy + Send + Sync {
    /// What a GPU's kernels call it.
    #[cfg(feature = "cuda")]
    const NAME: &'static str;
    /// What the penalty depends on beside the difference.
    #[cfg(feature = "cuda")]
    fn parameter(self) -> f64 {
        0.0
    }
    fn value(self, difference: f64) -> f64;
    fn slope(self, difference: f64) -> f64;
}

/// d²
#[derive(Clone, Copy, Debug)]
pub(crate) struct Square;

impl Penalty for Square {
    #[cfg(feature = "cuda")]
    const NAME: &'static str = "square";

    #[inline(always)]
    fn value(self, d: f64) -> f64 {
        d * d
    }

    #[inline(always)]
    fn slope(self, d: f64) -> f64 {
        2.0 * d
    }
}

/// |d|
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absolute;

impl Penalty for Absolute {
    #[cfg(feature = "cuda")]
    const NAME: &'static str = "absolute";

    #[inline(always)]
    fn value(self, d: f64) -> f64 {
        d.abs()
    }

    #[inline(always)]
    fn slope(self, d: f64) -> f64 {
        // Zero stays zero, and NaN stays NaN.
        if d.abs() > 0.0 { 1.0_f64.copysign(d) } else { d }
    }
}

/// d² / 2 for |d| ≤ δ, δ (|d| − δ / 2) beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Huber(pub(crate) f64);

impl Penalty for Huber {
    #[cfg(feature = "cuda")]
    const NAME: &'static str = "huber";

    #[cfg(feature = "cuda")]
    fn parameter(self) -> f64 {
        self.0
    }

    #[inline(always)]
    fn value(self, d: f64) -> f64 {
        let (delta, size) = (self.0, d.abs());
        if size > delta { delta * (size - 0.5 * delta) } else { 0.5 * d * d }
    }

    #[inline(always)]
    fn slope(self, d: f64) -> f64 {
        if d.abs() > self.0 { self.0.copysign(d) } else { d }
    }
}

/// Σ over items of `weights[n]` · Σ penalty(a − b), over the number of elements.
///
/// `weights` holds one number per item.
pub(crate) fn mean<T: Element>(
    tier: Tier,
    penalty: impl Penalty,
    weights: &[f64],
    a: &[T],
    b: &[T],
) -> f64 {
    let item = a.len() / weights.len();
    let mut total = 0.0;
    for ((a, b), weight) in a.chunks_exact(item).zip(b.chunks_exact(item)).zip(weights) {
        let partials: Vec<f64> = a
            .par_chunks(CHUNK)
            .zip(b.par_chunks(CHUNK))
            .map(|(a, b)| {
                let mut lanes = [0.0; LANES];
                tier.run(Sum { penalty, a, b, lanes: &mut lanes });
                lanes.iter().sum::<f64>()
            })
            .collect();
        total += weight * partials.iter().sum::<f64>();
    }
    total / a.len() as f64
}

/// The gradient of `upstream` · [`mean`] with respect to `a`; that of `b` is its negative, which
/// `upstream` < 0 gives.
pub(crate) fn gradient<T: Element>(
    tier: Tier,
    penalty: impl Penalty,
    weights: &[f64],
    upstream: f64,
    [a, b]: [&[T]; 2],
    gradient: &mut [T],
) {
    let item = a.len() / weights.len();
    let items = gradient.par_chunks_mut(item).zip(a.par_chunks(item).zip(b.par_chunks(item)));
    items.zip(weights).for_each(|((gradient, (a, b)), weight)| {
        let factor = upstream * weight / (item * weights.len()) as f64;
        let sources = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
        gradient.par_chunks_mut(CHUNK).zip(sources).for_each(|(gradient, (a, b))| {
            tier.run(Slope { penalty, factor, a, b, gradient });
        });
    });
}

struct Sum<'a, P, T> {
    penalty: P,
    a: &'a [T],
    b: &'a [T],
    lanes: &'a mut [f64; LANES],
}

impl<P: Penalty, T: Element> Kernel for Sum<'_, P, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { penalty, a, b, lanes: out } = self;
        // A copy, which stays in registers.
        let mut lanes = *out;
        let cost = |a: T, b: T| penalty.value(a.load().to_f64() - b.load().to_f64());
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                lanes[lane] += cost(a[lane], b[lane]);
            }
        }
        for (lane, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
            lanes[lane] += cost(a, b);
        }
        *out = lanes;
    }
}

struct Slope<'a, P, T> {
    penalty: P,
    factor: f64,
    a: &'a [T],
    b: &'a [T],
    gradient: &'a mut [T],
}

impl<P: Penalty, T: Element> Kernel for Slope<'_, P, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { penalty, factor, a, b, gradient } = self;
        for ((gradient, a), b) in gradient.iter_mut().zip(a).zip(b) {
            let slope = penalty.slope(a.load().to_f64() - b.load().to_f64());
            *gradient = T::store(T::Real::from_f64(factor * slope));
        }
    }
}
