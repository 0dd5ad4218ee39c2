//! MS-SSIM of the pairs of each set.

use std::ops::ControlFlow;

use mrisynth_metrics::diversity::{Diversity, DiversityConfig, Pairs, diversity};
use mrisynth_metrics::image::{MsSsimConfig, WindowFit};
use mrisynth_metrics::uncertainty::IntervalMethod;
use mrisynth_metrics::{Error, Record, Results, Settings};

use super::comparison::{Comparison, unless_too_few, without_interval};
use super::event::{EvaluationEvent, Observer};
use super::part::Part;
use super::scan_set::intensity_settings;
use crate::error::Result;

/// The mean MS-SSIM of both sets, of everybody and by group; spread and pairs are in the settings.
pub(super) fn measure(
    comparison: &Comparison<'_>,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let config = DiversityConfig {
        ms_ssim: MsSsimConfig { fit: WindowFit::Auto, ..MsSsimConfig::default() },
        pairs: Pairs::Sampled { count: comparison.config.pairs, seed: comparison.config.seed },
        ..DiversityConfig::default()
    };
    let named = [("real", "MS-SSIM, real"), ("synthetic", "MS-SSIM, synthetic")];
    for (s, (set, what)) in named.into_iter().enumerate() {
        let found = diversity(comparison.sets[s], &config, |done, of| {
            observer(&EvaluationEvent::Progress { what, done, of });
            ControlFlow::Continue(())
        });
        let Some(found) = unless_too_few(what, found, &mut results.warnings)? else { continue };
        for part in &comparison.parts {
            let members = &part.members[s];
            match of_part(&found, members, comparison)? {
                Some(record) => {
                    results.records.push(part.mark(record.in_group("set", set)));
                }
                None => results.warnings.push(no_pair(set, part)),
            }
        }
    }
    Ok(())
}

/// The mean over the pairs within a group; none where no pair was sampled.
fn of_part(
    found: &Diversity,
    members: &[usize],
    comparison: &Comparison<'_>,
) -> Result<Option<Record>> {
    let values = match found.values.among(members) {
        Ok(values) => values,
        Err(Error::TooFew { .. }) => return Ok(None),
        Err(other) => return Err(other.into()),
    };
    let settings = Settings::of(&found.config)
        .and(intensity_settings())
        .with("n_pairs", values.pairs().len())
        .with("spread", values.spread());
    match values.interval(&comparison.config.resampled(IntervalMethod::Percentile)) {
        Ok(estimate) => Ok(Some(estimate.record("MS-SSIM", settings))),
        Err(reason @ Error::Undefined { .. }) => {
            let settings = without_interval(settings, &reason);
            Ok(Some(Record::new("MS-SSIM", values.mean(), values.n_subjects(), settings)))
        }
        Err(other) => Err(other.into()),
    }
}

fn no_pair(set: &str, part: &Part) -> String {
    let group = part.mark(Record::new("MS-SSIM", 0.0, 0, Settings::new())).group;
    format!("MS-SSIM, {set}, {group:?}: no sampled pair")
}
