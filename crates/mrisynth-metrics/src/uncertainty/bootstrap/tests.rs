use super::*;
use crate::uncertainty::{Coverage, PairValues, coverage};

/// Normals of a trial, with the mean and spread given.
fn normals(label: &str, trial: u64, n: usize, mean: f64, spread: f64) -> Vec<f64> {
    let mut values = vec![0.0; n];
    Key::new(7).with(label).with_index(trial).fill_normal(&mut values);
    values.iter().map(|z| mean + spread * z).collect()
}

fn config(method: IntervalMethod, resamples: usize) -> BootstrapConfig {
    BootstrapConfig { method, resamples, ..BootstrapConfig::default() }
}

fn assert_covers(found: Coverage) {
    assert!((0.93..=0.97).contains(&found.fraction()), "{found:?}");
}

#[test]
fn intervals_of_a_mean_of_86_cover_it_in_93_to_97_percent() {
    for method in [IntervalMethod::Percentile, IntervalMethod::Bca] {
        let found = coverage(1000, 3.0, |t| {
            bootstrap_mean(&normals("mean", t, 86, 3.0, 2.0), &config(method, 400))
        });
        assert_covers(found.unwrap());
    }
}

#[test]
fn intervals_of_a_paired_difference_of_86_cover_it_in_93_to_97_percent() {
    let found = coverage(1000, 0.1, |t| {
        // What both arms share does not matter to their difference.
        let shared = normals("shared", t, 86, 0.7, 5.0);
        let better = normals("better", t, 86, 0.1, 0.3);
        let worse = normals("worse", t, 86, 0.0, 0.3);
        let arms = (0..86).map(|i| (shared[i] + better[i]) - (shared[i] + worse[i]));
        bootstrap_mean(&arms.collect::<Vec<_>>(), &config(IntervalMethod::Bca, 400))
    });
    assert_covers(found.unwrap());
}

#[test]
fn pair_statistics_that_resample_subjects_cover_where_pairs_would_not() {
    // Value of a pair: the sum of what its subjects have. Mean 0; variance mostly of subjects.
    let n = 40;
    let of_trial = |t: u64| {
        let subjects = normals("subjects", t, n, 0.0, 1.0);
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs.map(|(i, j)| (i, j, subjects[i] + subjects[j])).collect::<Vec<_>>()
    };
    let config = config(IntervalMethod::Percentile, 200);
    let by_subject =
        coverage(300, 0.0, |t| PairValues::new(n, of_trial(t))?.interval(&config)).unwrap();
    assert!((0.90..=0.98).contains(&by_subject.fraction()), "{by_subject:?}");
    let by_pair = coverage(300, 0.0, |t| {
        let values: Vec<f64> = of_trial(t).iter().map(|pair| pair.2).collect();
        bootstrap_mean(&values, &config)
    });
    assert!(by_pair.unwrap().fraction() < 0.5);
}

/// The Fréchet distance of two samples of features taken as independent:
/// Σ over features of (μ₁ − μ₂)² + (σ₁ − σ₂)².
fn frechet(a: &[Vec<f64>], b: &[Vec<f64>], draw: &Draw) -> f64 {
    let moments = |x: &[f64], drawn: &[usize]| {
        let n = drawn.len() as f64;
        let mean = drawn.iter().map(|&i| x[i]).sum::<f64>() / n;
        let squares = drawn.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>();
        (mean, (squares / (n - 1.0)).sqrt())
    };
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let ((m1, s1), (m2, s2)) = (moments(a, draw.indices(0)), moments(b, draw.indices(1)));
            (m1 - m2).powi(2) + (s1 - s2).powi(2)
        })
        .sum()
}

#[test]
fn the_percentile_interval_of_a_set_distance_lies_too_high_and_extrapolation_mends_it() {
    let (n, features) = (86, 32);
    // Means differ by 0.2 in every feature.
    let truth = 32.0 * 0.2_f64.powi(2);
    let coverage_of = |method| {
        coverage(200, truth, |t| {
            let sample = |label: &str, mean| {
                let of = |f: u64| normals(label, t * 1000 + f, n, mean, 1.0);
                (0..features).map(of).collect::<Vec<_>>()
            };
            let (a, b) = (sample("real", 0.2), sample("synthetic", 0.0));
            bootstrap(&[n, n], |draw| frechet(&a, &b, draw), &config(method, 100))
        })
        .unwrap()
    };
    let biased = coverage_of(IntervalMethod::BiasedPercentile);
    assert!(biased.fraction() < 0.5 && biased.above > 100, "{biased:?}");
    let mended = coverage_of(IntervalMethod::ExtrapolatedSubsampling { fraction: 0.5 });
    assert!((0.88..=0.99).contains(&mended.fraction()), "{mended:?}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let values = normals("threads", 0, 50, 0.0, 1.0);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bootstrap_mean(&values, &config(IntervalMethod::Bca, 200)).unwrap())
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn a_seed_decides_the_resamples() {
    let values = normals("seed", 0, 50, 0.0, 1.0);
    let of = |seed| {
        bootstrap_mean(&values, &BootstrapConfig { seed, ..BootstrapConfig::default() }).unwrap()
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).lower, of(2).lower);
}

#[test]
fn subsampling_of_a_mean_gives_its_standard_error() {
    let values = normals("subsampling", 0, 200, 0.0, 1.0);
    for fraction in [0.25, 0.5, 0.8] {
        let method = IntervalMethod::Subsampling { fraction };
        let found = bootstrap_mean(&values, &config(method, 4000)).unwrap().standard_error;
        let expected = standard_deviation(&values) / 200_f64.sqrt();
        assert!((found / expected - 1.0).abs() < 0.05, "{fraction}: {found} {expected}");
    }
}

/// Three of ten resamples or so leave the first subject out; which of them is told is not for threads to
/// decide.
#[test]
fn the_first_resample_without_a_value_is_the_one_that_is_told() {
    let statistic = |draw: &Draw| match draw.counts(0)[0] {
        0 => f64::NAN,
        count => f64::from(count),
    };
    let config = config(IntervalMethod::Percentile, 400);
    let told = || bootstrap(&[20], statistic, &config).unwrap_err().to_string();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(told);
    let many = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    for _ in 0..50 {
        assert_eq!(many.install(told), alone);
    }
}

#[test]
fn bad_samples_and_configurations_are_refused() {
    let ok = BootstrapConfig::default();
    assert!(matches!(bootstrap_mean(&[1.0], &ok), Err(Error::TooFew { found: 1, .. })));
    assert!(matches!(bootstrap_mean(&[1.0, f64::NAN], &ok), Err(Error::Undefined { .. })));
    assert!(bootstrap(&[], |_| 0.0, &ok).is_err());
    let refused =
        |config| matches!(bootstrap_mean(&[1.0, 2.0], &config), Err(Error::Argument { .. }));
    assert!(refused(BootstrapConfig { resamples: 9, ..ok }));
    assert!(refused(BootstrapConfig { level: 1.0, ..ok }));
    assert!(refused(BootstrapConfig {
        method: IntervalMethod::Subsampling { fraction: 1.0 },
        ..ok
    }));
    assert!(PairValues::new(3, Vec::new()).is_err());
    assert!(PairValues::new(3, vec![(1, 1, 0.0)]).is_err());
    assert!(PairValues::new(3, vec![(0, 1, f64::NAN)]).is_err());
}

#[test]
fn a_record_says_how_it_was_resampled() {
    let estimate =
        bootstrap_mean(&[1.0, 2.0, 3.0], &BootstrapConfig { seed: 9, ..Default::default() });
    let record = estimate.unwrap().record("Dice", Settings::new().with("label", 17));
    assert_eq!((record.n, record.level), (3, Some(0.95)));
    let told = "label 17, level 0.95, method percentile, resamples 1000, seed 9, sizes [3]";
    assert_eq!(record.settings.to_string(), told);
}
