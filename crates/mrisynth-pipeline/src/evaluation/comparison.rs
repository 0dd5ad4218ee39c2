//! What every metric starts from, and what it ends in: a record, with an interval where that can be.

use mrisynth_metrics::uncertainty::{Draw, IntervalMethod, bootstrap};
use mrisynth_metrics::{Error, Record, Settings};

use super::config::EvaluationConfig;
use super::part::Part;
use super::scan_set::ScanSet;
use crate::error::Result;

/// The two sets, the groups in them, and how to measure.
pub(super) struct Comparison<'a> {
    /// The real and the synthetic scans.
    pub(super) sets: [&'a ScanSet; 2],
    /// Everybody, then groups.
    pub(super) parts: Vec<Part>,
    pub(super) config: &'a EvaluationConfig,
}

impl Comparison<'_> {
    /// A statistic with its interval; of samples too small for one the value alone, and why.
    pub(super) fn estimate(
        &self,
        name: &str,
        sizes: &[usize],
        statistic: impl Fn(&Draw) -> f64 + Sync,
        method: IntervalMethod,
        settings: Settings,
    ) -> Result<Record> {
        match bootstrap(sizes, &statistic, &self.config.resampled(method)) {
            Ok(found) => Ok(found.record(name, settings)),
            Err(reason @ (Error::Undefined { .. } | Error::TooFew { .. })) => {
                let (value, n) = (statistic(&Draw::everybody(sizes)), sizes.iter().copied().min());
                let settings = without_interval(settings, &reason).with("sizes", sizes.to_vec());
                Ok(Record::new(name, value, n.unwrap_or(0), settings))
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// The settings of a value without interval, with the reason why.
pub(super) fn without_interval(settings: Settings, reason: &Error) -> Settings {
    settings.with("interval", format!("none of so few: {reason}"))
}

/// What was found; of too few scans, or scans that do not differ, nothing but a warning.
pub(super) fn unless_too_few<T>(
    what: &str,
    found: mrisynth_metrics::Result<T>,
    warnings: &mut Vec<String>,
) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(reason @ (Error::TooFew { .. } | Error::Constant { .. })) => {
            warnings.push(format!("left out, {what}: {reason}"));
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}
