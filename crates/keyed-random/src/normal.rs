//! The Box-Muller transform from +, −, ×, ÷ and √ alone.
//!
//! libm differs between platforms, and Rust promises nothing of `ln` and `cos`. The five operations
//! here are correctly rounded everywhere. The arguments come from integers, so that reducing them
//! costs nothing: the angle to an eighth of a turn, the radius to a mantissa around 1.
//!
//! # Source
//! Box and Muller, "A note on the generation of random normal deviates", 1958. The series are
//! Taylor's, cut where the next term is below 2⁻⁵³ of the sum (shown at each). Against 60-digit
//! decimals the logarithm and the circle are within 2.6 · 2⁻⁵³ relative (`tests/golden.py`). All of
//! it is free of branches, so that it runs in vector lanes.

use std::f64::consts::{LN_2, SQRT_2, TAU};

const TWO_32: f64 = 4_294_967_296.0;
const TWO_MINUS_64: f64 = 1.0 / (TWO_32 * TWO_32);

/// The bits of 2⁵²: a number below 2⁵² written into its mantissa is 2⁵² + the number.
const TWO_52_BITS: u64 = 0x4330_0000_0000_0000;
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// A number below 2⁵² as `f64`, exactly, on instruction sets that cannot convert 64-bit integers.
#[inline(always)]
pub(crate) fn exact(integer: u64) -> f64 {
    f64::from_bits(TWO_52_BITS | integer) - TWO_52
}

/// Two independent standard normals from the four words of a block.
///
/// radius = √(−2 ln((a + ½) / 2⁶⁴)), angle = 2π (b + ½) / 2⁶⁴, where a is words 0 and 1, b words 2
/// and 3, low word first; the pair is radius · (cos, sin). |z| reaches 9.49, beyond which a normal
/// has probability 2·10⁻²¹.
#[inline(always)]
pub(crate) fn box_muller(words: [u64; 4]) -> [f64; 2] {
    let [a_low, a_high, b_low, b_high] = words;
    let u = (exact(a_high) * TWO_32 + (exact(a_low) + 0.5)) * TWO_MINUS_64;
    let radius = (-2.0 * ln(u)).sqrt();
    let [cos, sin] = cos_sin(b_low, b_high);
    [radius * cos, radius * sin]
}

/// ln of a positive, normal number.
///
/// u = 2ᵏ m with m in [√½, √2); ln m = 2 atanh(s) = 2 Σ s²ʲ⁺¹ / (2j + 1) with s = (m − 1)/(m + 1).
/// s² ≤ 0.02944, so that the first term left out, j = 11, is below 7·10⁻¹⁹ of the sum.
#[inline(always)]
fn ln(u: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    const SQRT_HALF_BITS: u64 = (0.5 * SQRT_2).to_bits();
    // The exponent is counted from √½, and kept positive by a bias of 1024.
    let shifted = u.to_bits().wrapping_sub(SQRT_HALF_BITS).wrapping_add(1024 << 52);
    let k = exact(shifted >> 52) - 1024.0;
    let m = f64::from_bits((shifted & MANTISSA).wrapping_add(SQRT_HALF_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let w = s * s;
    let mut tail = 1.0 / 21.0;
    tail = tail * w + 1.0 / 19.0;
    tail = tail * w + 1.0 / 17.0;
    tail = tail * w + 1.0 / 15.0;
    tail = tail * w + 1.0 / 13.0;
    tail = tail * w + 1.0 / 11.0;
    tail = tail * w + 1.0 / 9.0;
    tail = tail * w + 1.0 / 7.0;
    tail = tail * w + 1.0 / 5.0;
    tail = tail * w + 1.0 / 3.0;
    let twice = s + s;
    k * LN_2 + (twice + twice * (w * tail))
}

/// (cos, sin) of 2π (b + ½) / 2⁶⁴, where b = low + 2³² high.
///
/// The nearest quarter turn comes off in integers, which leaves |t| ≤ π/4, t² ≤ 0.617. The first
/// terms left out, t¹⁷/17! and t¹⁸/18!, are below 6·10⁻¹⁷ and 4·10⁻¹⁸ of the sums.
#[inline(always)]
fn cos_sin(low: u64, high: u64) -> [f64; 2] {
    const EIGHTH: u64 = 1 << 29;
    let turned = high.wrapping_add(EIGHTH);
    let quarter = turned >> 30;
    let rest = exact(turned & ((1 << 30) - 1)) - EIGHTH as f64;
    let t = (rest * TWO_32 + (exact(low) + 0.5)) * (TAU * TWO_MINUS_64);
    let w = t * t;

    let mut sin = -1.0 / 1_307_674_368_000.0;
    sin = sin * w + 1.0 / 6_227_020_800.0;
    sin = sin * w - 1.0 / 39_916_800.0;
    sin = sin * w + 1.0 / 362_880.0;
    sin = sin * w - 1.0 / 5_040.0;
    sin = sin * w + 1.0 / 120.0;
    sin = sin * w - 1.0 / 6.0;
    let sin = t + t * (w * sin);

    let mut cos = 1.0 / 20_922_789_888_000.0;
    cos = cos * w - 1.0 / 87_178_291_200.0;
    cos = cos * w + 1.0 / 479_001_600.0;
    cos = cos * w - 1.0 / 3_628_800.0;
    cos = cos * w + 1.0 / 40_320.0;
    cos = cos * w - 1.0 / 720.0;
    cos = cos * w + 1.0 / 24.0;
    cos = cos * w - 0.5;
    let cos = 1.0 + w * cos;

    // Quarter turns carry (cos, sin) to (−sin, cos), (−cos, −sin), (sin, −cos).
    let odd = quarter & 1 == 1;
    let x = if odd { sin } else { cos };
    let y = if odd { cos } else { sin };
    let x_sign = (quarter.wrapping_add(1) & 2) << 62;
    let y_sign = (quarter & 2) << 62;
    [f64::from_bits(x.to_bits() ^ x_sign), f64::from_bits(y.to_bits() ^ y_sign)]
}

#[cfg(test)]
mod tests;
