//! Activations of whole slices, on all cores.

use rayon::prelude::*;

use super::activation::{Activation, Gelu};
use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Elements of one task: long against the cost of handing it out, short against the last cache.
const CHUNK: usize = 1 << 15;

/// `y = f(x)`
pub(crate) fn map<T: Element>(tier: Tier, f: impl Activation, x: &[T], y: &mut [T]) {
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| tier.run(Map { f, x, y }));
}

/// `dx = dy · f'(x)`
pub(crate) fn map_gradient<T: Element>(
    tier: Tier,
    f: impl Activation,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let chunks = dx.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(dy.par_chunks(CHUNK));
    chunks.for_each(|((dx, x), dy)| tier.run(MapGradient { f, x, dy, dx }));
}

/// `y = a · gelu(b)` for rows of `x` that hold first `a`, then `b`, `width` elements each.
pub(crate) fn geglu<T: Element>(tier: Tier, width: usize, x: &[T], y: &mut [T]) {
    let rows = (CHUNK / width).max(1);
    let chunks = y.par_chunks_mut(rows * width).zip(x.par_chunks(rows * 2 * width));
    chunks.for_each(|(y, x)| tier.run(Geglu { width, x, y }));
}

/// The gradient of [`geglu`]: `dy · gelu(b)` for `a`, `dy · a · gelu'(b)` for `b`.
pub(crate) fn geglu_gradient<T: Element>(
    tier: Tier,
    width: usize,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let rows = (CHUNK / width).max(1);
    let x = x.par_chunks(rows * 2 * width).zip(dy.par_chunks(rows * width));
    let chunks = dx.par_chunks_mut(rows * 2 * width).zip(x);
    chunks.for_each(|(dx, (x, dy))| tier.run(GegluGradient { width, x, dy, dx }));
}

struct Map<'a, T, F> {
    f: F,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element, F: Activation> Kernel for Map<'_, T, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = T::store(self.f.value::<FUSED, _>(x.load()));
        }
    }
}

struct MapGradient<'a, T, F> {
    f: F,
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Element, F: Activation> Kernel for MapGradient<'_, T, F> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for ((dx, x), dy) in self.dx.iter_mut().zip(self.x).zip(self.dy) {
            *dx = T::store(dy.load() * self.f.slope::<FUSED, _>(x.load()));
        }
    }
}

struct Geglu<'a, T> {
    width: usize,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Geglu<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let width = self.width;
        for (y, x) in self.y.chunks_exact_mut(width).zip(self.x.chunks_exact(2 * width)) {
            let (a, b) = x.split_at(width);
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                *y = T::store(a.load() * Gelu.value::<FUSED, _>(b.load()));
            }
        }
    }
}

struct GegluGradient<'a, T> {
    width: usize,
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Element> Kernel for GegluGradient<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let width = self.width;
        let rows = self.x.chunks_exact(2 * width).zip(self.dy.chunks_exact(width));
        for (dx, (x, dy)) in self.dx.chunks_exact_mut(2 * width).zip(rows) {
            let (a, b) = x.split_at(width);
            let (da, db) = dx.split_at_mut(width);
            for ((((da, db), a), b), dy) in da.iter_mut().zip(db).zip(a).zip(b).zip(dy) {
                let (dy, b) = (dy.load(), b.load());
                let (distribution, density) = b.normal::<FUSED>();
                *da = T::store(dy * (b * distribution));
                *db = T::store(dy * a.load() * (distribution + b * density));
            }
        }
    }
}
