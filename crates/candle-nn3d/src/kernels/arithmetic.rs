//! Sums and multiples of whole arrays.

use rayon::prelude::*;

use super::real::Element;
use super::tier::Tier;
use super::vectorise::Kernel;

/// Elements per task: three arrays of it stay in the second-level cache.
const CHUNK: usize = 1 << 14;

/// `y = a + b`
pub(crate) fn add<T: Element>(tier: Tier, a: &[T], b: &[T], y: &mut [T]) {
    let sources = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    let chunks = y.par_chunks_mut(CHUNK).zip(sources);
    chunks.for_each(|(y, (a, b))| tier.run(Add { a, b, y }));
}

/// `y = factor · x`
pub(crate) fn scale<T: Element>(tier: Tier, factor: T::Real, x: &[T], y: &mut [T]) {
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| tier.run(Scale { factor, x, y }));
}

struct Add<'a, T> {
    a: &'a [T],
    b: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Add<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((y, a), b) in self.y.iter_mut().zip(self.a).zip(self.b) {
            *y = T::store(a.load() + b.load());
        }
    }
}

struct Scale<'a, T: Element> {
    factor: T::Real,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Scale<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = T::store(self.factor * x.load());
        }
    }
}
