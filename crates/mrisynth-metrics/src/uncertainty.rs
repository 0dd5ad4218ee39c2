//! How sure a value is: bootstrap intervals, permutation tests, and how often intervals cover.
//!
//! A statistic is a function of a [`Draw`]: of which subjects were drawn from which sample, as
//! indices and as counts. Whoever has a matrix of pair values or kernels computes it once and
//! weighs it by counts; nothing is computed anew in a resample. Resample `r` is a function of seed
//! and `r`, so the number of threads changes nothing.
//!
//! # Which interval
//! - [`IntervalMethod::Percentile`] and [`IntervalMethod::Bca`] for means, paired differences and
//!   pair statistics: the bootstrap is nearly unbiased for them.
//! - Drawing with replacement biases set statistics such as the Fréchet distance and the MMD upward:
//!   a resample of `n` has about `0.63 n` distinct members. [`IntervalMethod::BiasedPercentile`] is
//!   what papers report; [`IntervalMethod::Subsampling`] and
//!   [`IntervalMethod::ExtrapolatedSubsampling`] draw without replacement and do not have that bias.

mod bootstrap;
mod bounds;
mod coverage;
mod draw;
mod normal_law;
mod pair_values;
mod permutation;
mod resamples;

pub use bootstrap::{BootstrapConfig, Estimate, IntervalMethod, bootstrap, bootstrap_mean};
pub use bounds::{bca_bounds, percentile_bounds, quantile};
pub use coverage::{Coverage, coverage};
pub use draw::Draw;
pub use pair_values::PairValues;
pub use permutation::{
    Alternative, PermutationConfig, PermutationTest, sign_flip_test, two_sample_test,
};
