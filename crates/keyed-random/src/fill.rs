//! Filling buffers, on the widest vectors that the processor has.

use multiversion::multiversion;
use multiversion::target::match_target;

use crate::Key;
use crate::law::{Law, Normal, Real, Uniform, pair};

impl Key {
    /// Fills `out` with elements 0, 1, … of the uniform numbers in [0, 1): multiples of 2⁻⁵³ for
    /// `f64`, of 2⁻²⁴ for `f32`.
    pub fn fill_uniform<T: Real>(&self, out: &mut [T]) {
        self.fill_uniform_at(0, out);
    }

    /// Fills `out` with the uniform elements from `start` on: a shard of a larger buffer.
    pub fn fill_uniform_at<T: Real>(&self, start: u64, out: &mut [T]) {
        self.fill_uniform_on(Tier::widest(), start, out);
    }

    /// Fills `out` with elements 0, 1, … of the standard normal numbers.
    ///
    /// # Examples
    /// ```
    /// let mut noise = vec![0.0_f32; 64 * 64 * 64];
    /// keyed_random::Key::new(42).with("noise").fill_normal(&mut noise);
    /// let mean = noise.iter().sum::<f32>() / noise.len() as f32;
    /// assert!(mean.abs() < 0.01);
    /// ```
    pub fn fill_normal<T: Real>(&self, out: &mut [T]) {
        self.fill_normal_at(0, out);
    }

    /// Fills `out` with the standard normal elements from `start` on: a shard of a larger buffer.
    pub fn fill_normal_at<T: Real>(&self, start: u64, out: &mut [T]) {
        self.fill_normal_on(Tier::widest(), start, out);
    }

    /// [`Key::fill_uniform_at`] on a tier of choice, to test that it does not matter.
    #[doc(hidden)]
    pub fn fill_uniform_on<T: Real>(&self, tier: Tier, start: u64, out: &mut [T]) {
        tier.fill::<Uniform, T>(self, start, out);
    }

    /// [`Key::fill_normal_at`] on a tier of choice, to test that it does not matter.
    #[doc(hidden)]
    pub fn fill_normal_on<T: Real>(&self, tier: Tier, start: u64, out: &mut [T]) {
        tier.fill::<Normal, T>(self, start, out);
    }
}

/// The instructions a fill runs on. All give the same bits; one that the processor lacks runs as
/// the baseline.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What every processor of the target has.
    Baseline,
    /// x86-64 with AVX2: four lanes.
    Avx2,
    /// x86-64 with the AVX-512 of Ice Lake and later: eight lanes.
    Avx512,
}

impl Tier {
    /// The widest tier of this processor.
    pub fn widest() -> Self {
        widest()
    }

    /// The tiers that run on this processor, the baseline first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|&tier| tier <= Self::widest())
    }

    fn fill<L: Law<T>, T>(self, key: &Key, start: u64, out: &mut [T]) {
        match self {
            Self::Baseline => fill::<L, T>(key, start, out),
            Self::Avx2 => fill_avx2::<L, T>(key, start, out),
            Self::Avx512 => fill_avx512::<L, T>(key, start, out),
        }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn widest() -> Tier {
    match_target! {
        "x86_64+avx512f" => Tier::Avx512,
        "x86_64+avx2" => Tier::Avx2,
        _ => Tier::Baseline,
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn fill_avx2<L: Law<T>, T>(key: &Key, start: u64, out: &mut [T]) {
    fill::<L, T>(key, start, out);
}

#[multiversion(targets("x86_64+avx512f"))]
fn fill_avx512<L: Law<T>, T>(key: &Key, start: u64, out: &mut [T]) {
    fill::<L, T>(key, start, out);
}

/// Elements `start`, `start + 1`, …; a pair that the buffer cuts in half is made for its half.
#[inline(always)]
fn fill<L: Law<T>, T>(key: &Key, start: u64, out: &mut [T]) {
    let (head, rest) = out.split_at_mut(out.len().min((start & 1) as usize));
    for value in head {
        [_, *value] = pair::<L, T>(key, start);
    }
    let start = start.wrapping_add(start & 1);
    let (pairs, tail) = rest.as_chunks_mut::<2>();
    let after = start.wrapping_add(2 * pairs.len() as u64);
    // One pair per vector lane.
    for (index, two) in pairs.iter_mut().enumerate() {
        *two = pair::<L, T>(key, start.wrapping_add(2 * index as u64));
    }
    for value in tail {
        [*value, _] = pair::<L, T>(key, after);
    }
}
