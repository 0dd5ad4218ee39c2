//! The exponential of numbers at or below zero, in a form that vectorises. Softmax, sigmoid and the
//! normal distribution need no other.

/// Below this the result would be subnormal; it is 0 instead.
const LOWEST: f32 = -87.3;
/// Above this 2ⁿ would overflow. A softmax only meets it in lanes that it throws away.
const HIGHEST: f32 = 88.0;
/// ln 2 in two parts; the first has so few bits that its multiples up to 2⁸ are exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// 1.5 · 2²³: a number added to it is rounded to whole, and stands in its lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// 1/7!, 1/6!, … 1/2!: for |r| ≤ ln 2 / 2 what is left out is below 6e-9.
const COEFFICIENTS: [f32; 6] =
    [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];

/// eˣ for x ≤ 0 within 2 units in the last place; NaN stays NaN, −∞ gives 0.
///
/// x = n ln 2 + r, and eʳ is a polynomial. `FUSED` fuses multiplications and additions, which is
/// fast only where the processor can.
///
/// # Source
/// The reduction by ln 2 in two parts of `expf` in S. L. Moshier's Cephes library (1989); the
/// polynomial is Taylor's, not his.
#[inline(always)]
pub(crate) fn exp_of_nonpositive<const FUSED: bool>(x: f32) -> f32 {
    let fused = |a: f32, b: f32, c: f32| if FUSED { a.mul_add(b, c) } else { a * b + c };
    let bounded = if x > HIGHEST { HIGHEST } else { x };
    let shifted = fused(bounded, std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = fused(-n, LN_2_LOW, fused(-n, LN_2_HIGH, bounded));
    let mut series = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        series = fused(series, r, *coefficient);
    }
    let power = fused(series * r, r, r) + 1.0;
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < LOWEST { 0.0 } else { power * two_to_n }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_error<const FUSED: bool>() -> f64 {
        let error = |i: u32| {
            let x = -(i as f32) * 2.1e-5;
            let want = f64::from(x).exp();
            let ulp = 2.0_f64.powi((want.log2().floor() as i32) - 23);
            (f64::from(exp_of_nonpositive::<FUSED>(x)) - want).abs() / ulp
        };
        (0..4_150_000).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn the_error_is_at_most_two_units_in_the_last_place() {
        assert!(largest_error::<false>() < 2.0, "{}", largest_error::<false>());
        assert!(largest_error::<true>() < 2.0, "{}", largest_error::<true>());
    }

    #[test]
    fn special_numbers_keep_their_meaning() {
        assert_eq!(exp_of_nonpositive::<false>(0.0), 1.0);
        assert_eq!(exp_of_nonpositive::<false>(-0.0), 1.0);
        assert_eq!(exp_of_nonpositive::<false>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_of_nonpositive::<false>(-1e30), 0.0);
        assert!(exp_of_nonpositive::<false>(f32::NAN).is_nan());
        assert!(exp_of_nonpositive::<false>(1e-4) > 1.0);
        assert!(exp_of_nonpositive::<false>(f32::INFINITY).is_finite());
    }
}
