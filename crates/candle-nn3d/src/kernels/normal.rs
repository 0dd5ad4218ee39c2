//! The standard normal distribution, which the exact GELU weighs its argument with.

use super::real::Real;

/// Coefficients of q in (1 + 2z) exp(z²) erfc(z) = 1 + (1 + t) q(t), t = (z - 3.75) / (z + 3.75), the
/// highest first.
///
/// # Source
/// M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
/// 0 ≤ x < ∞", Math. Comp. 36 (1981). They print a Chebyshev series of the whole; these are our own
/// interpolations in Chebyshev points of what is left when its value at 0 is taken out, so that
/// rounding does little there. Relative error 3.6e-8.
pub(crate) const SINGLE: [f32; 11] = [
    -2.355_001_6e-4,
    6.262_961e-4,
    1.079_762_9e-3,
    -1.091_038e-2,
    3.929_093_5e-2,
    -9.795_005e-2,
    1.902_525_6e-1,
    -2.990_624e-1,
    3.813_389_2e-1,
    -3.777_532e-1,
    2.375_126_3e-1,
];

/// The same, relative error 4e-15.
pub(crate) const DOUBLE: [f64; 21] = [
    3.587_760_101_979_44e-10,
    1.743_205_979_660_407e-8,
    -1.079_403_832_893_416_4e-8,
    -2.047_309_244_152_466e-7,
    1.812_410_726_066_941_2e-7,
    1.517_402_671_161_063_2e-6,
    -2.531_128_017_482_062_6e-6,
    -8.871_792_845_301_83e-6,
    3.128_598_240_433_566e-5,
    2.034_236_876_975_667_7e-5,
    -3.105_107_127_077_131_7e-4,
    6.042_310_843_414_962e-4,
    1.151_399_056_691_788_6e-3,
    -1.089_797_995_948_491_7e-2,
    3.926_025_659_946_431e-2,
    -9.795_365_503_296_596e-2,
    1.902_579_762_714_376_2e-1,
    -2.990_619_064_224_613_3e-1,
    3.813_386_449_090_139e-1,
    -3.777_532_294_233_258e-1,
    2.375_126_308_378_264_2e-1,
];

/// Φ(x) = erfc(-x / √2) / 2 and φ(x) = exp(-x² / 2) / √(2π).
///
/// Of a negative argument Φ is small but as precise as exp is there: `1 + erf` would cancel. In
/// single precision the error is below 1e-7 everywhere.
#[inline(always)]
pub(crate) fn normal<const FUSED: bool, R: Real, const N: usize>(
    x: R,
    coefficients: &[R; N],
) -> (R, R) {
    let magnitude = if x < R::ZERO { -x } else { x };
    // Beyond this exp(-x² / 2) is 0 even in double precision. A NaN passes the comparison.
    let furthest = R::from_f64(40.0);
    let magnitude = if magnitude > furthest { furthest } else { magnitude };
    let z = magnitude * R::from_f64(std::f64::consts::FRAC_1_SQRT_2);
    let pole = R::from_f64(3.75);
    let t = (z - pole) / (z + pole);
    let mut quotient = coefficients[0];
    for i in 1..N {
        quotient = quotient.mul_add::<FUSED>(t, coefficients[i]);
    }
    // erfc(z) exp(z²), near 0 as 1 less something small, elsewhere as a quotient: each is precise
    // where it is taken. 2z / (z + 3.75) is 1 + t.
    let (twice, denominator) = (z + z, R::ONE + (z + z));
    let share = quotient / (z + pole);
    let near = R::ONE - twice * (R::ONE - share) / denominator;
    let far = (R::ONE + twice * share) / denominator;
    let scaled = if z < R::ONE { near } else { far };
    let half = R::from_f64(0.5);
    let bell = (-(magnitude * magnitude) * half).exp_of_nonpositive::<FUSED>();
    let tail = half * bell * scaled;
    let distribution = if x < R::ZERO { tail } else { R::ONE - tail };
    let inverse_root_of_two_pi = 0.398_942_280_401_432_7;
    (distribution, bell * R::from_f64(inverse_root_of_two_pi))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ by the series φ(x) Σ x²ⁿ⁺¹ / (2n + 1)!!, whose terms all have one sign, and beyond 5 by
    /// the continued fraction of the tail.
    fn reference(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if x < -5.0 {
            return density / (1..200).rev().fold(-x, |rest, k| -x + f64::from(k) / rest);
        }
        if x > 5.0 {
            return 1.0 - reference(-x);
        }
        let (mut term, mut sum) = (x, 0.0);
        for n in 1..300 {
            sum += term;
            term *= x * x / f64::from(2 * n + 1);
        }
        0.5 + density * sum
    }

    #[test]
    fn double_precision_matches_the_series() {
        for i in -8000..=8000 {
            let x = f64::from(i) / 1000.0;
            let (got, density) = normal::<false, _, _>(x, &DOUBLE);
            assert!((got - reference(x)).abs() < 4e-15, "{x}");
            let bell = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((density - bell).abs() < 1e-15);
        }
        // Φ(1.96), Φ(-3) and Φ(-10), from tables.
        assert!((normal::<false, _, _>(1.96, &DOUBLE).0 - 0.975_002_104_851_779_5).abs() < 1e-15);
        assert!(
            (normal::<false, _, _>(-3.0, &DOUBLE).0 / 1.349_898_031_630_094_6e-3 - 1.0).abs()
                < 1e-14
        );
        assert!(
            (normal::<false, _, _>(-10.0, &DOUBLE).0 / 7.619_853_024_160_526e-24 - 1.0).abs()
                < 1e-12
        );
    }

    #[test]
    fn single_precision_is_right_to_a_ten_millionth_and_relatively_to_the_left() {
        let mut worst = [0.0_f64; 3];
        for i in -130_000..=130_000 {
            let x = i as f32 / 10_000.0;
            let (got, density) = normal::<false, _, _>(x, &SINGLE);
            let (want, want_density) = normal::<false, _, _>(f64::from(x), &DOUBLE);
            worst[0] = worst[0].max((f64::from(got) - want).abs());
            worst[1] = worst[1].max((f64::from(density) - want_density).abs());
            if x > -4.0 {
                worst[2] = worst[2].max((f64::from(got) / want - 1.0).abs());
            }
        }
        assert!(worst[0] < 1e-7 && worst[1] < 1e-7 && worst[2] < 1e-6, "{worst:?}");
    }

    #[test]
    fn the_ends_are_zero_and_one_and_nan_stays() {
        assert_eq!(normal::<false, _, _>(f32::NEG_INFINITY, &SINGLE), (0.0, 0.0));
        assert_eq!(normal::<false, _, _>(f32::INFINITY, &SINGLE), (1.0, 0.0));
        assert_eq!(normal::<false, _, _>(f32::MIN, &SINGLE), (0.0, 0.0));
        assert_eq!(normal::<false, _, _>(f64::INFINITY, &DOUBLE), (1.0, 0.0));
        assert_eq!(normal::<false, _, _>(0.0_f64, &DOUBLE).0, 0.5);
        assert!(normal::<false, _, _>(f32::NAN, &SINGLE).0.is_nan());
    }
}
