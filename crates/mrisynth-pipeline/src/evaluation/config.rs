//! What an evaluation depends on besides the scans.

use mrisynth_metrics::uncertainty::{BootstrapConfig, IntervalMethod};
use serde::{Deserialize, Serialize};

use super::feature_source::FeatureSource;
use crate::error::{Error, Result};

/// What an evaluation depends on besides the scans. The defaults are the papers' 1,000 resamples, and
/// features that need no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Resamples of every interval, at least 10.
    pub bootstrap: usize,
    /// The most pairs of a set to compare for diversity, at least 1.
    pub pairs: usize,
    /// The fewest scans, of either set, of a group that is looked at by itself; 2 if it is less.
    pub min_group: usize,
    /// Whether structures are named by their numbers, because the label maps are not by FreeSurfer's
    /// table.
    pub numbered_labels: bool,
    /// The seed of resamples and sampled pairs.
    pub seed: u64,
    /// What makes the features that distances are measured in.
    pub features: FeatureSource,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            bootstrap: 1000,
            pairs: 500,
            min_group: 5,
            numbered_labels: false,
            seed: 0,
            features: FeatureSource::Random,
        }
    }
}

impl EvaluationConfig {
    pub(super) fn check(&self) -> Result<()> {
        if self.bootstrap < 10 {
            return Err(Error::argument("bootstrap", self.bootstrap, "at least 10 resamples"));
        }
        if self.pairs == 0 {
            return Err(Error::argument("pairs", self.pairs, "at least 1 pair"));
        }
        Ok(())
    }

    /// Intervals by a method.
    pub(super) fn resampled(&self, method: IntervalMethod) -> BootstrapConfig {
        let Self { bootstrap: resamples, seed, .. } = *self;
        BootstrapConfig { resamples, method, seed, ..BootstrapConfig::default() }
    }
}
