//! Permutation tests: how often chance alone does as much.

use keyed_random::Key;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::resamples::in_order;
use crate::error::{Error, Result};

/// What counts as more extreme than what was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alternative {
    /// A larger absolute value.
    TwoSided,
    /// A larger value; the one for distances.
    Greater,
    /// A smaller value.
    Less,
}

/// How to permute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PermutationConfig {
    /// How many random permutations, at least 1. Where all sign patterns are no more than that,
    /// all are tried instead and the test is exact.
    pub permutations: usize,
    /// What counts as more extreme.
    pub alternative: Alternative,
    /// The seed.
    pub seed: u64,
}

impl Default for PermutationConfig {
    fn default() -> Self {
        Self { permutations: 9999, alternative: Alternative::TwoSided, seed: 0 }
    }
}

/// What a test found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermutationTest {
    /// The statistic as observed.
    pub statistic: f64,
    /// The probability of one as extreme under the null hypothesis. Of random permutations it is
    /// `(1 + as extreme)/(1 + permutations)`, which is never 0 and keeps the level.
    pub p_value: f64,
    /// How many permutations were tried.
    pub permutations: usize,
    /// True when they were all there are.
    pub exact: bool,
}

/// Tests whether paired differences are symmetric about 0, by flipping signs; the statistic is
/// their mean.
///
/// # Errors
/// [`Error::TooFew`] for fewer than 2 pairs; [`Error::NotFinite`]; [`Error::Argument`] without
/// permutations.
///
/// # Source
/// Fisher's test of paired differences. Phipson and Smyth, "Permutation P-values Should Never Be
/// Zero", Statistical Applications in Genetics and Molecular Biology 9 (2010), equation 2.
///
/// # Examples
/// ```
/// use mrisynth_metrics::uncertainty::{PermutationConfig, sign_flip_test};
/// let test = sign_flip_test(&[1.0, 2.0, 3.0], &PermutationConfig::default())?;
/// assert_eq!(test.p_value, 0.25); // 2 of the 8 patterns
/// # Ok::<(), mrisynth_metrics::Error>(())
/// ```
pub fn sign_flip_test(differences: &[f64], config: &PermutationConfig) -> Result<PermutationTest> {
    crate::finite::check(differences, "the differences")?;
    check(&[differences.len()], config)?;
    let n = differences.len();
    let mean = |flipped: &dyn Fn(usize) -> bool| {
        let signed = differences.iter().enumerate();
        signed.map(|(i, d)| if flipped(i) { -d } else { *d }).sum::<f64>() / n as f64
    };
    let observed = mean(&|_| false);
    let patterns = u32::try_from(n).ok().and_then(|n| 1_usize.checked_shl(n));
    if let Some(patterns) = patterns.filter(|&all| all > 0 && all <= config.permutations) {
        let values = (0..patterns).into_par_iter().map(|p| mean(&|i| p >> i & 1 == 1)).collect();
        return Ok(verdict(observed, values, config.alternative, true));
    }
    let value = |r: usize| {
        let mut stream = Key::new(config.seed).with("sign flip").with_index(r as u64).stream();
        let words: Vec<u64> = (0..n.div_ceil(64)).map(|_| stream.next_u64()).collect();
        mean(&|i| words[i / 64] >> (i % 64) & 1 == 1)
    };
    let values = (0..config.permutations).into_par_iter().map(value).collect();
    Ok(verdict(observed, values, config.alternative, false))
}

/// Tests whether two samples come from one population, by dealing their members anew; `statistic`
/// takes the members of both groups as indices into the first sample followed by the second.
///
/// # Errors
/// [`Error::TooFew`] for fewer than 2 in a sample; [`Error::Undefined`] when the statistic is not
/// finite; [`Error::Argument`] without permutations.
pub fn two_sample_test(
    sizes: [usize; 2],
    statistic: impl Fn(&[usize], &[usize]) -> f64 + Sync,
    config: &PermutationConfig,
) -> Result<PermutationTest> {
    check(&sizes, config)?;
    let value = |order: &[usize], what: &dyn Fn() -> String| {
        let (first, second) = order.split_at(sizes[0]);
        let value = statistic(first, second);
        if value.is_finite() { Ok(value) } else { Err(Error::Undefined { what: what(), value }) }
    };
    let everybody: Vec<usize> = (0..sizes[0] + sizes[1]).collect();
    let observed = value(&everybody, &|| "the samples".into())?;
    let values = (0..config.permutations).into_par_iter().map(|r| {
        let mut stream = Key::new(config.seed).with("deal").with_index(r as u64).stream();
        value(&stream.permutation(everybody.len()), &|| format!("permutation {r}"))
    });
    Ok(verdict(observed, in_order(values)?, config.alternative, false))
}

fn check(sizes: &[usize], config: &PermutationConfig) -> Result<()> {
    if let Some((i, &found)) = sizes.iter().enumerate().find(|(_, n)| **n < 2) {
        return Err(Error::TooFew { what: format!("sample {i}"), found, needed: 2 });
    }
    if config.permutations == 0 {
        return Err(Error::argument("permutations", 0, "at least 1"));
    }
    Ok(())
}

fn verdict(
    statistic: f64,
    values: Vec<f64>,
    alternative: Alternative,
    exact: bool,
) -> PermutationTest {
    // Sums in another order differ in their last bits, and are ties all the same.
    let slack = 1e-12 * statistic.abs();
    let as_extreme = values.iter().filter(|value| match alternative {
        Alternative::TwoSided => value.abs() >= statistic.abs() - slack,
        Alternative::Greater => **value >= statistic - slack,
        Alternative::Less => **value <= statistic + slack,
    });
    let (count, permutations) = (as_extreme.count() as f64, values.len());
    let p_value = if exact {
        count / permutations as f64
    } else {
        (count + 1.0) / (permutations as f64 + 1.0)
    };
    PermutationTest { statistic, p_value, permutations, exact }
}

#[cfg(test)]
mod tests;
