//! How often intervals cover the truth, by simulation.

use rayon::prelude::*;

use super::bootstrap::Estimate;
use super::resamples::in_order;
use crate::error::Result;

/// Trials, and how many of their intervals held the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// The intervals that held the truth.
    pub covered: usize,
    /// Those that lay above it.
    pub above: usize,
    /// All intervals.
    pub trials: usize,
    /// Their mean width.
    pub width: f64,
}

impl Coverage {
    /// The fraction that held the truth.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.covered as f64 / self.trials as f64
    }
}

/// Simulates: `estimate(t)` draws data of trial `t` from a law under which the statistic is `truth`
/// and gives its interval. Trials run in parallel.
///
/// # Errors
/// The first error of any trial.
pub fn coverage(
    trials: usize,
    truth: f64,
    estimate: impl Fn(u64) -> Result<Estimate> + Sync,
) -> Result<Coverage> {
    let ends = (0..trials).into_par_iter().map(|t| {
        let estimate = estimate(t as u64)?;
        Ok((estimate.lower, estimate.upper))
    });
    let ends = in_order(ends)?;
    let covered = ends.iter().filter(|(lower, upper)| (*lower..=*upper).contains(&truth)).count();
    let above = ends.iter().filter(|(lower, _)| *lower > truth).count();
    let width = ends.iter().map(|(lower, upper)| upper - lower).sum::<f64>() / trials as f64;
    Ok(Coverage { covered, above, trials, width })
}
