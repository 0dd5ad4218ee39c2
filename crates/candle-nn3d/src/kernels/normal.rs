//! The standard normal distribution, which the exact GELU weighs its argument with.

use super::real::Real;

/// Coefficients of (1 + 2z) exp(z²) erfc(z) in t = (z - 3.75) / (z + 3.75), the highest first.
///
/// # Source
/// M. M. Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x in
/// 0 ≤ x < ∞", Math. Comp. 36 (1981). They print a Chebyshev series; these are our own
/// interpolations in Chebyshev points, written out in powers of t: its coefficients stay below 1.3,
/// so that nothing cancels. Relative error 1.6e-8.
pub(crate) const SINGLE: [f32; 12] = [
    -2.287_472_3e-4,
    3.967_046_4e-4,
    1.688_662_2e-3,
    -9.845_491e-3,
    2.839_648_2e-2,
    -5.864_598_3e-2,
    9.229_636_8e-2,
    -1.088_145_85e-1,
    8.227_742e-2,
    3.586_310_2e-3,
    -1.402_406_1e-1,
    1.237_512_6,
];

/// The same, relative error 4e-15.
pub(crate) const DOUBLE: [f64; 21] = [
    1.731_220_908_311_893_3e-8,
    8.512_559_451_761_331e-9,
    -2.132_136_040_986_460_3e-7,
    -2.768_566_384_970_094_5e-8,
    1.693_925_447_827_617_6e-6,
    -1.008_471_372_554_623_3e-6,
    -1.139_762_528_792_165_5e-5,
    2.241_015_775_977_701e-5,
    5.162_479_200_942_778e-5,
    -2.901_663_913_614_389_3e-4,
    2.937_218_341_919_264e-4,
    1.755_629_548_763_431_3e-3,
    -9.746_581_262_494_456e-3,
    2.836_227_674_782_648e-2,
    -5.869_339_838_397_541e-2,
    9.230_432_122_771_155e-2,
    -1.088_039_301_543_306_3e-1,
    8.227_673_848_704_045e-2,
    3.585_415_485_762_785_7e-3,
    -1.402_405_985_855_057_5e-1,
    1.237_512_630_837_826_4,
];

/// Φ(x) = erfc(-x / √2) / 2 and φ(x) = exp(-x² / 2) / √(2π).
///
/// Of a negative argument Φ is small but as precise as exp is there: `1 + erf` would cancel. In
/// single precision the error is below 1e-7 everywhere.
#[inline(always)]
pub(crate) fn normal<R: Real>(x: R, coefficients: &[R]) -> (R, R) {
    let magnitude = if x < R::ZERO { -x } else { x };
    // Beyond this exp(-x² / 2) is 0 even in double precision. A NaN passes the comparison.
    let furthest = R::from_f64(40.0);
    let magnitude = if magnitude > furthest { furthest } else { magnitude };
    let z = magnitude * R::from_f64(std::f64::consts::FRAC_1_SQRT_2);
    let pole = R::from_f64(3.75);
    let t = (z - pole) / (z + pole);
    let mut scaled = coefficients[0];
    for &coefficient in &coefficients[1..] {
        scaled = scaled * t + coefficient;
    }
    let half = R::from_f64(0.5);
    let bell = (-(magnitude * magnitude) * half).exp();
    let tail = half * bell * scaled / (R::ONE + z + z);
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
            let (got, density) = normal(x, &DOUBLE);
            assert!((got - reference(x)).abs() < 4e-15, "{x}");
            let bell = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((density - bell).abs() < 1e-15);
        }
        // Φ(1.96), Φ(-3) and Φ(-10), from tables.
        assert!((normal(1.96, &DOUBLE).0 - 0.975_002_104_851_779_5).abs() < 1e-15);
        assert!((normal(-3.0, &DOUBLE).0 / 1.349_898_031_630_094_6e-3 - 1.0).abs() < 1e-14);
        assert!((normal(-10.0, &DOUBLE).0 / 7.619_853_024_160_526e-24 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn single_precision_is_right_to_a_ten_millionth_and_relatively_to_the_left() {
        let mut worst = [0.0_f64; 3];
        for i in -130_000..=130_000 {
            let x = i as f32 / 10_000.0;
            let (got, density) = normal(x, &SINGLE);
            let (want, want_density) = normal(f64::from(x), &DOUBLE);
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
        assert_eq!(normal(f32::NEG_INFINITY, &SINGLE), (0.0, 0.0));
        assert_eq!(normal(f32::INFINITY, &SINGLE), (1.0, 0.0));
        assert_eq!(normal(f32::MIN, &SINGLE), (0.0, 0.0));
        assert_eq!(normal(f64::INFINITY, &DOUBLE), (1.0, 0.0));
        assert_eq!(normal(0.0_f64, &DOUBLE).0, 0.5);
        assert!(normal(f32::NAN, &SINGLE).0.is_nan());
    }
}
