//! Bootstrap and subsampling intervals of any statistic.

use keyed_random::Key;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bounds::{bca_bounds, percentile_bounds, sorted};
use super::draw::Draw;
use super::quantile;
use super::resamples::in_order;
use crate::error::{Error, Result};
use crate::record::{Record, Settings};
use crate::sample_moments::{mean, standard_deviation};

/// How an interval is made of resamples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IntervalMethod {
    /// Quantiles of the bootstrap distribution.
    Percentile,
    /// Bias-corrected and accelerated: second-order accurate where the percentile interval is
    /// first-order accurate.
    Bca,
    /// The percentile interval of a statistic of sets, as the papers report it for FID and MMD.
    /// Drawing with replacement biases it upward; it may not even contain the value.
    BiasedPercentile,
    /// Resamples of a fraction of each sample without replacement, their spread about their own
    /// mean scaled to full size by √(f/(1−f)), around the value. What it covers is the expected
    /// value of the statistic at this sample size.
    Subsampling {
        /// The fraction, between 0 and 1.
        fraction: f64,
    },
    /// The same, around the value extrapolated to infinitely many subjects by a bias in 1/n:
    /// `value − (mean of subsamples − value) · f/(1−f)`. What it covers is the distance of the
    /// populations.
    ExtrapolatedSubsampling {
        /// The fraction, between 0 and 1.
        fraction: f64,
    },
}

/// How to resample. The defaults are the papers': 1,000 resamples, 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapConfig {
    /// How many resamples, at least 10.
    pub resamples: usize,
    /// The level of the interval, between 0 and 1.
    pub level: f64,
    /// How the interval is made of them.
    pub method: IntervalMethod,
    /// The seed.
    pub seed: u64,
}

impl Default for BootstrapConfig {
    fn default() -> Self {
        Self { resamples: 1000, level: 0.95, method: IntervalMethod::Percentile, seed: 0 }
    }
}

/// A value with its interval, and how both came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The statistic of the samples as they are.
    pub value: f64,
    /// The value with its bias removed, where the method estimates it.
    pub corrected: Option<f64>,
    /// The lower end of the interval.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// The standard error by the same resamples.
    pub standard_error: f64,
    /// The sizes of the samples.
    pub sizes: Vec<usize>,
    /// How it was resampled.
    pub config: BootstrapConfig,
}

impl Estimate {
    /// The record of this estimate; how it was resampled joins the settings.
    #[must_use]
    pub fn record(&self, name: &str, settings: Settings) -> Record {
        let n = self.sizes.iter().copied().min().unwrap_or(0);
        let mut settings =
            settings.and(Settings::of(&self.config)).with("sizes", self.sizes.clone());
        if let Some(corrected) = self.corrected {
            settings = settings.with("corrected_value", corrected);
        }
        Record::new(name, self.value, n, settings).with_interval(
            self.lower,
            self.upper,
            self.config.level,
        )
    }
}

/// A statistic of one or more samples with its interval; `sizes` are the numbers of subjects.
///
/// A statistic of pairs or sets is one of subjects too: it reads its matrix at the drawn indices.
/// For a paired comparison the sample is the pairs.
///
/// # Errors
/// [`Error::TooFew`] for a sample of fewer than 2; [`Error::Argument`] for a configuration outside
/// its domain; [`Error::Undefined`] when the statistic is not finite.
///
/// # Examples
/// ```
/// use mrisynth_metrics::uncertainty::{BootstrapConfig, bootstrap};
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.5]);
/// let mean = |x: &[f64], drawn: &[usize]| {
///     drawn.iter().map(|&i| x[i]).sum::<f64>() / drawn.len() as f64
/// };
/// let difference = bootstrap(&[4, 3], |d| mean(&a, d.indices(0)) - mean(&b, d.indices(1)),
///     &BootstrapConfig::default())?;
/// assert!((difference.value - 5.0 / 3.0).abs() < 1e-12);
/// assert!(difference.lower < difference.value && difference.value < difference.upper);
/// # Ok::<(), mrisynth_metrics::Error>(())
/// ```
pub fn bootstrap(
    sizes: &[usize],
    statistic: impl Fn(&Draw) -> f64 + Sync,
    config: &BootstrapConfig,
) -> Result<Estimate> {
    check(sizes, config)?;
    let value = finite(statistic(&Draw::everybody(sizes)), "the samples".into())?;
    let amounts = amounts(sizes, config.method);
    let distribution = (0..config.resamples).into_par_iter().map(|r| {
        let key = Key::new(config.seed).with("bootstrap").with_index(r as u64);
        let draw = match &amounts {
            Some(amounts) => Draw::without_replacement(sizes, amounts, key),
            None => Draw::with_replacement(sizes, key),
        };
        finite(statistic(&draw), format!("resample {r}"))
    });
    let distribution = in_order(distribution)?;
    // Subsamples spread more than samples of full size.
    let scale = match (&amounts, sizes.first()) {
        (Some(amounts), Some(&n)) => (amounts[0] as f64 / (n - amounts[0]) as f64).sqrt(),
        _ => 1.0,
    };
    let mut corrected = None;
    let (lower, upper) = match config.method {
        IntervalMethod::Percentile | IntervalMethod::BiasedPercentile => {
            percentile_bounds(&distribution, config.level)
        }
        IntervalMethod::Bca => {
            bca_bounds(&distribution, value, &jackknife(sizes, &statistic)?, config.level)?
        }
        IntervalMethod::Subsampling { .. } => around(&distribution, value, scale, config.level),
        IntervalMethod::ExtrapolatedSubsampling { .. } => {
            let centre = value - (mean(&distribution) - value) * scale * scale;
            corrected = Some(centre);
            around(&distribution, centre, scale, config.level)
        }
    };
    let standard_error = scale * standard_deviation(&distribution);
    let sizes = sizes.to_vec();
    Ok(Estimate { value, corrected, lower, upper, standard_error, sizes, config: *config })
}

/// The mean with its interval; a paired difference is the mean of the differences.
///
/// # Errors
/// Those of [`bootstrap`].
pub fn bootstrap_mean(values: &[f64], config: &BootstrapConfig) -> Result<Estimate> {
    let mean = |draw: &Draw| {
        let drawn = draw.indices(0);
        drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64
    };
    bootstrap(&[values.len()], mean, config)
}

fn check(sizes: &[usize], config: &BootstrapConfig) -> Result<()> {
    if sizes.is_empty() {
        return Err(Error::argument("sizes", sizes, "at least one sample"));
    }
    if let Some((i, &found)) = sizes.iter().enumerate().find(|(_, n)| **n < 2) {
        return Err(Error::TooFew { what: format!("sample {i}"), found, needed: 2 });
    }
    if config.resamples < 10 {
        return Err(Error::argument("resamples", config.resamples, "at least 10"));
    }
    if !(config.level > 0.0 && config.level < 1.0) {
        return Err(Error::argument("level", config.level, "between 0 and 1"));
    }
    match config.method {
        IntervalMethod::Subsampling { fraction }
        | IntervalMethod::ExtrapolatedSubsampling { fraction }
            if !(fraction > 0.0 && fraction < 1.0) =>
        {
            Err(Error::argument("fraction", fraction, "between 0 and 1"))
        }
        _ => Ok(()),
    }
}

/// How many to draw of each sample, for the methods that draw without replacement.
fn amounts(sizes: &[usize], method: IntervalMethod) -> Option<Vec<usize>> {
    let (IntervalMethod::Subsampling { fraction }
    | IntervalMethod::ExtrapolatedSubsampling { fraction }) = method
    else {
        return None;
    };
    let amount = |&n: &usize| ((fraction * n as f64).round() as usize).clamp(1, n - 1);
    Some(sizes.iter().map(amount).collect())
}

/// The statistic without each subject in turn, sample by sample.
fn jackknife(sizes: &[usize], statistic: &(impl Fn(&Draw) -> f64 + Sync)) -> Result<Vec<Vec<f64>>> {
    let without = |sample: usize, subject: usize| {
        let what = || format!("sample {sample} without subject {subject}");
        finite(statistic(&Draw::without(sizes, sample, subject)), what())
    };
    let samples = sizes.iter().enumerate();
    samples.map(|(s, &n)| in_order((0..n).into_par_iter().map(|i| without(s, i)))).collect()
}

/// Quantiles of the distribution about its mean, scaled, around `centre`.
fn around(distribution: &[f64], centre: f64, scale: f64, level: f64) -> (f64, f64) {
    let (sorted, mean) = (sorted(distribution), mean(distribution));
    let end = |p| centre + scale * (quantile(&sorted, p) - mean);
    let tail = 0.5 * (1.0 - level);
    (end(tail), end(1.0 - tail))
}

fn finite(value: f64, what: String) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::Undefined { what, value }) }
}

#[cfg(test)]
mod tests;
