//! Moments, distribution, independence: what a wrong transform or mapping would disturb.
//!
//! Seeds are fixed, so that a test passes always or never. Bounds are five standard errors, or
//! say otherwise.

use std::collections::HashMap;
use std::num::NonZero;

use keyed_random::Key;

const DRAWS: usize = 1_000_000;

fn normals(key: Key) -> Vec<f64> {
    let mut values = vec![0.0; DRAWS];
    key.fill_normal(&mut values);
    values
}

fn uniforms(key: Key) -> Vec<f64> {
    let mut values = vec![0.0; DRAWS];
    key.fill_uniform(&mut values);
    values
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Five standard errors of a mean over all draws, for draws of the given variance.
fn bound(variance: f64) -> f64 {
    5.0 * (variance / DRAWS as f64).sqrt()
}

/// Correlation of two samples of known mean 0 and variance 1.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    mean(a.iter().zip(b).map(|(a, b)| a * b))
}

/// Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/(3·5) + …): Marsaglia, "Evaluating the normal distribution", 2004.
fn normal_cdf(x: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

/// √n times the largest distance between the empirical distribution and `cdf`.
fn kolmogorov_smirnov(mut values: Vec<f64>, cdf: fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let distance = |(i, &x): (usize, &f64)| {
        let p = cdf(x);
        (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
    };
    values.iter().enumerate().map(distance).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn normals_have_the_first_four_moments() {
    let z = normals(Key::new(1).with("moments"));
    let moment = |power| mean(z.iter().map(|z| z.powi(power)));
    // Var zᵏ = (2k − 1)!! − ((k − 1)!!)² for even k, (2k − 1)!! for odd.
    assert!(moment(1).abs() < bound(1.0));
    assert!((moment(2) - 1.0).abs() < bound(2.0));
    assert!(moment(3).abs() < bound(15.0));
    assert!((moment(4) - 3.0).abs() < bound(96.0));
}

#[test]
fn uniforms_have_the_first_four_moments() {
    let u = uniforms(Key::new(1).with("moments"));
    for power in 1..=4 {
        let k = f64::from(power);
        let (expected, square) = (1.0 / (k + 1.0), 1.0 / (2.0 * k + 1.0));
        let moment = mean(u.iter().map(|u| u.powi(power)));
        assert!((moment - expected).abs() < bound(square - expected * expected), "{power}");
    }
    assert!(u.iter().all(|u| (0.0..1.0).contains(u)));
}

/// 1.95 is exceeded with probability 0.001.
#[test]
fn the_distributions_are_the_normal_and_the_uniform() {
    let key = Key::new(1).with("distribution");
    assert!(kolmogorov_smirnov(normals(key), normal_cdf) < 1.95);
    assert!(kolmogorov_smirnov(uniforms(key), |u| u) < 1.95);
    // The two halves of a pair each by itself: cosine and sine.
    for half in 0..2 {
        let values = normals(key).into_iter().skip(half).step_by(2).collect();
        assert!(kolmogorov_smirnov(values, normal_cdf) < 1.95, "half {half}");
    }
}

#[test]
fn the_tail_is_as_heavy_as_it_must_be() {
    let z = normals(Key::new(1).with("tail"));
    for sigma in [3.0, 4.0] {
        let expected = 2.0 * normal_cdf(-sigma) * DRAWS as f64;
        let found = z.iter().filter(|z| z.abs() > sigma).count() as f64;
        assert!((found - expected).abs() < 5.0 * expected.sqrt(), "{found} beyond {sigma}");
    }
    assert!(z.iter().any(|z| *z > 4.5) && z.iter().any(|z| *z < -4.5));
}

#[test]
fn the_halves_of_a_pair_are_independent() {
    let z = normals(Key::new(1).with("pairs"));
    let (even, odd): (Vec<f64>, Vec<f64>) =
        z.as_chunks::<2>().0.iter().map(|&[even, odd]| (even, odd)).unzip();
    let standard_error = 1.0 / (even.len() as f64).sqrt();
    assert!(correlation(&even, &odd).abs() < 5.0 * standard_error);
    // Squares too: a radius used twice, or a poor angle, shows only there.
    let squares = |values: &[f64]| -> Vec<f64> {
        values.iter().map(|z| (z * z - 1.0) / 2_f64.sqrt()).collect()
    };
    assert!(correlation(&squares(&even), &squares(&odd)).abs() < 5.0 * standard_error);
}

#[test]
fn neighbouring_elements_and_keys_are_uncorrelated() {
    let key = Key::new(1).with("neighbours");
    let here = normals(key.with_index(0));
    for lag in [1, 2, 3, 4, 8, 16] {
        assert!(correlation(&here[lag..], &here[..DRAWS - lag]).abs() < bound(1.0), "lag {lag}");
    }
    let others = [
        ("index", normals(key.with_index(1))),
        ("label", normals(key.with("0"))),
        ("parent", normals(key)),
        ("seed", normals(Key::new(2).with("neighbours").with_index(0))),
        // The same indices of the same key under another law.
        ("law", uniforms(key.with_index(0)).iter().map(|u| (u - 0.5) * 12_f64.sqrt()).collect()),
    ];
    for (what, other) in others {
        assert!(correlation(&here, &other).abs() < bound(1.0), "{what}");
    }
}

#[test]
fn every_bit_of_a_word_is_fair() {
    let mut stream = Key::new(1).with("bits").stream();
    let mut ones = [0_u32; 64];
    for _ in 0..100_000 {
        let word = stream.next_u64();
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += (word >> bit & 1) as u32;
        }
    }
    for (bit, count) in ones.into_iter().enumerate() {
        assert!((f64::from(count) - 50_000.0).abs() < 5.0 * 25_000_f64.sqrt(), "bit {bit}");
    }
}

/// Pearson's statistic for equally likely outcomes.
fn chi_square(counts: impl IntoIterator<Item = usize>, outcomes: usize) -> f64 {
    let counts: Vec<usize> = counts.into_iter().collect();
    assert_eq!(counts.len(), outcomes, "every outcome must occur, and no other");
    let expected = counts.iter().sum::<usize>() as f64 / outcomes as f64;
    counts.into_iter().map(|count| (count as f64 - expected).powi(2) / expected).sum()
}

fn tally<T: Eq + std::hash::Hash>(outcomes: impl Iterator<Item = T>) -> Vec<usize> {
    let mut counts = HashMap::new();
    outcomes.for_each(|outcome| *counts.entry(outcome).or_insert(0) += 1);
    counts.into_values().collect()
}

/// Bounds are the 0.999 quantiles of χ² with one degree of freedom less than there are outcomes.
#[test]
fn choices_are_fair() {
    let mut stream = Key::new(1).with("choices").stream();
    let seven = NonZero::new(7).unwrap();
    let below = tally((0..70_000).map(|_| stream.below(seven)));
    assert!(chi_square(below, 7) < 22.46);
    let range = tally((0..70_000).filter_map(|_| stream.range(-3..=3)));
    assert!(chi_square(range, 7) < 22.46);
    let chosen = tally((0..40_000).filter_map(|_| stream.choose(&["a", "b", "c", "d"])));
    assert!(chi_square(chosen, 4) < 16.27);
    let orders = tally((0..60_000).map(|_| stream.permutation(3)));
    assert!(chi_square(orders, 6) < 20.52);
    // 5 · 4 ordered pairs.
    let pairs = tally((0..60_000).map(|_| stream.sample_indices(5, 2)));
    assert!(chi_square(pairs, 20) < 43.82);
    let heads = (0..100_000).filter(|_| stream.bool(0.3)).count() as f64;
    assert!((heads - 30_000.0).abs() < 5.0 * 21_000_f64.sqrt());
}

/// Scaling without refusal would give every third integer twice as often.
#[test]
fn a_bound_of_three_quarters_of_the_range_is_unbiased() {
    let bound = NonZero::new(3 << 62).unwrap();
    let mut stream = Key::new(1).with("bias").stream();
    let thirds = tally((0..30_000).map(|_| stream.below(bound) % 3));
    assert!(chi_square(thirds, 3) < 13.82);
}
