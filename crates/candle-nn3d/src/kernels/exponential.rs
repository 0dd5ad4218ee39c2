//! The exponential in single precision, without branches, so that loops over it vectorise.

/// Adding and subtracting it rounds to the nearest whole number, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has so few bits that its multiples below 2¹⁵ are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The coefficients of (eʳ - 1 - r) / r² on |r| ≤ ln 2 / 2, the highest first.
const SERIES: [f32; 6] =
    [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];

/// eˣ: infinite above 88.73, zero below -103.98, subnormal results rounded once, NaN for NaN;
/// within 2 units in the last place.
///
/// # Source
/// Reduction and polynomial of `expf` in S. L. Moshier's Cephes library (1989); the scaling by
/// 2ⁿ in two steps, which reaches the subnormal numbers, is ours.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Beyond these the result is 0 or infinite anyway. A NaN passes both comparisons.
    let x = if x < -106.0 { -106.0 } else { x };
    let x = if x > 90.0 { 90.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let mut series = SERIES[0];
    for coefficient in &SERIES[1..] {
        series = series * r + coefficient;
    }
    let mantissa = series * (r * r) + r + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let first = exponent >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) << 23) as u32);
    mantissa * power(first) * power(exponent.wrapping_sub(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_in_the_last_place_hold_from_underflow_to_overflow() {
        let mut worst = 0.0_f64;
        // Every 251st number of either sign: 8.5 million of them.
        for bits in (0..0x7f80_0000_u32).step_by(251).flat_map(|b| [b, b | 0x8000_0000]) {
            let x = f32::from_bits(bits);
            let want = f64::from(x).exp();
            let got = exp(x);
            if (want as f32).is_infinite() || got.is_infinite() {
                // The largest finite number may round either way.
                assert!(got.is_infinite() == (want as f32).is_infinite() || got > 3.402_82e38);
                continue;
            }
            let exponent = (want.log2().floor() as i32).max(-126);
            let unit = f64::from(exponent - 23).exp2();
            worst = worst.max((f64::from(got) - want).abs() / unit);
        }
        assert!(worst <= 2.0, "{worst} units");
    }

    #[test]
    fn special_values_are_exact() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::MIN_POSITIVE / 8.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::MAX), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
        assert!(exp(f32::NAN).is_nan());
        // The smallest positive number is 2⁻¹⁴⁹.
        assert_eq!(exp(-103.278_93), f32::from_bits(1));
    }
}
