//! What a block becomes: the laws numbers are drawn from, and the reals they are drawn in.

use crate::Key;
use crate::normal::{box_muller, exact};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`.
pub trait Real: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The leading bits of a word as a number in [0, 1): as many as the mantissa holds.
    #[doc(hidden)]
    fn unit(low: u64, high: u64) -> Self;

    /// The nearest number of this type.
    #[doc(hidden)]
    fn nearest(value: f64) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn unit(low: u64, high: u64) -> Self {
        const TWO_21: f64 = (1_u64 << 21) as f64;
        const TWO_MINUS_53: f64 = 1.0 / (1_u64 << 53) as f64;
        // 32 + 21 bits: every operation is exact.
        (exact(high) * TWO_21 + exact(low >> 11)) * TWO_MINUS_53
    }

    #[inline(always)]
    fn nearest(value: f64) -> Self {
        value
    }
}

impl Real for f32 {
    #[inline(always)]
    fn unit(_low: u64, high: u64) -> Self {
        const TWO_MINUS_24: f64 = 1.0 / (1_u64 << 24) as f64;
        (exact(high >> 8) * TWO_MINUS_24) as f32
    }

    #[inline(always)]
    fn nearest(value: f64) -> Self {
        value as f32
    }
}

/// How the two elements of a block are made.
pub(crate) trait Law<T> {
    /// The first block that this law reads. Laws share no block, so that elements of different laws
    /// are independent even at the same index.
    const FIRST_BLOCK: u64;

    /// The two elements of a block, from its words.
    fn pair(words: [u64; 4]) -> [T; 2];
}

/// 64 random bits.
pub(crate) struct Words;

/// The leading bits of a word, in [0, 1).
pub(crate) struct Uniform;

/// Mean 0, variance 1.
pub(crate) struct Normal;

impl Law<u64> for Words {
    const FIRST_BLOCK: u64 = 0;

    #[inline(always)]
    fn pair([a_low, a_high, b_low, b_high]: [u64; 4]) -> [u64; 2] {
        [a_low | a_high << 32, b_low | b_high << 32]
    }
}

impl<T: Real> Law<T> for Uniform {
    const FIRST_BLOCK: u64 = 0;

    #[inline(always)]
    fn pair([a_low, a_high, b_low, b_high]: [u64; 4]) -> [T; 2] {
        [T::unit(a_low, a_high), T::unit(b_low, b_high)]
    }
}

impl<T: Real> Law<T> for Normal {
    const FIRST_BLOCK: u64 = 1 << 63;

    #[inline(always)]
    fn pair(words: [u64; 4]) -> [T; 2] {
        let [x, y] = box_muller(words);
        [T::nearest(x), T::nearest(y)]
    }
}

/// The pair that holds `element` and the one beside it.
#[inline(always)]
pub(crate) fn pair<L: Law<T>, T>(key: &Key, element: u64) -> [T; 2] {
    L::pair(key.lanes(L::FIRST_BLOCK | element >> 1))
}

/// One element of a key.
pub(crate) fn element<L: Law<T>, T>(key: &Key, element: u64) -> T {
    let [even, odd] = pair::<L, T>(key, element);
    if element & 1 == 0 { even } else { odd }
}
