//! Dropout whose mask is a pure function of a key per item.

use keyed_random::Key;
use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Elements per task; even, so that each starts on a whole block of random bits.
const CHUNK: usize = 1 << 13;

/// What is dropped together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Element `i` of the item, by uniform number `i` of its key.
    Element,
    /// Channel `c` of the item, by uniform number `c` of its key.
    Channel,
}

/// Which elements of a batch are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    /// One per item.
    pub(crate) keys: Vec<Key>,
    /// The probability to be dropped.
    pub(crate) p: f64,
    pub(crate) unit: Unit,
}

/// Each unit of item `n` is 0 where its uniform number is below `p`, else scaled by 1 / (1 − p).
pub(crate) fn dropout<T: Element>(tier: Tier, mask: &Mask, channels: usize, x: &[T], y: &mut [T]) {
    let Mask { ref keys, p, unit } = *mask;
    let scale = T::Real::from_f64(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 });
    let threshold = p as f32;
    let item = x.len() / keys.len();
    let items = y.par_chunks_mut(item).zip(x.par_chunks(item)).zip(keys);
    match unit {
        Unit::Element => items.for_each(|((y, x), key)| {
            let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate();
            chunks.for_each_init(
                || vec![0.0_f32; CHUNK],
                |uniform, (chunk, (y, x))| {
                    let uniform = &mut uniform[..x.len()];
                    key.fill_uniform_at((chunk * CHUNK) as u64, uniform);
                    tier.run(DropBelow { uniform, threshold, scale, x, y });
                },
            );
        }),
        Unit::Channel => items.for_each(|((y, x), key)| {
            let mut uniform = vec![0.0_f32; channels];
            key.fill_uniform(&mut uniform);
            let voxels = y.par_chunks_mut(channels).zip(x.par_chunks(channels));
            voxels.with_min_len(CHUNK.div_ceil(channels)).for_each(|(y, x)| {
                tier.run(DropBelow { uniform: &uniform, threshold, scale, x, y });
            });
        }),
    }
}

struct DropBelow<'a, T: Element> {
    uniform: &'a [f32],
    threshold: f32,
    scale: T::Real,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for DropBelow<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { uniform, threshold, scale, x, y } = self;
        for ((y, x), &u) in y.iter_mut().zip(x).zip(uniform) {
            *y = T::store(if u < threshold { T::Real::ZERO } else { scale * x.load() });
        }
    }
}
