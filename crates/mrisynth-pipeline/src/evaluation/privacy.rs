//! Whether the synthetic scans give real ones away.

use mrisynth_metrics::diversity::VolumeSource;
use mrisynth_metrics::privacy::{
    MembershipConfig, NearCopy, NearCopyConfig, NearCopySearch, NearestTraining,
    membership_inference,
};
use mrisynth_metrics::uncertainty::{Draw, IntervalMethod, quantile};
use mrisynth_metrics::{Results, Settings};

use super::comparison::{Comparison, unless_too_few};
use super::event::{Observer, told};
use super::features::Features;
use super::scan_set::intensity_settings;
use crate::error::{Error, Result};

/// Near copies, each by name among the warnings; distance ratios to the nearest real scans; with
/// scans that were held out, an attack. Groups are those of the synthetic scans, and any real scan
/// may be the neighbour.
pub(super) fn measure(
    comparison: &Comparison<'_>,
    features: &Features,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<()> {
    copies(comparison, results, observer)?;
    let nearest = NearestTraining::new(&features.real, &features.synthetic);
    if let Some(nearest) = unless_too_few("NNDR", nearest, &mut results.warnings)? {
        distance_ratios(&nearest, comparison, features, results)?;
    }
    if let Some(held_out) = &features.held_out {
        let bootstrap = comparison.config.resampled(IntervalMethod::Percentile);
        let config = MembershipConfig { bootstrap, ..MembershipConfig::default() };
        let attack = membership_inference(&features.real, held_out, &features.synthetic, &config);
        let what = "Membership-inference AUC";
        let attack = unless_too_few(what, attack, &mut results.warnings)?;
        results.records.extend(attack.map(|attack| attack.record(&features.settings)));
    }
    Ok(())
}

fn distance_ratios(
    nearest: &NearestTraining,
    comparison: &Comparison<'_>,
    features: &Features,
    results: &mut Results,
) -> Result<()> {
    let ratios: Vec<f64> = nearest.neighbours().iter().map(|found| found.ratio).collect();
    let settings =
        Settings::new().with("n_training", features.real.samples()).and(features.settings.clone());
    for part in &comparison.parts {
        let of_part: Vec<f64> = part.members[1].iter().map(|&i| ratios[i]).collect();
        for (name, p) in [("NNDR", 0.5), ("NNDR, 5 % quantile", 0.05)] {
            let of = |draw: &Draw| {
                let mut drawn: Vec<f64> = draw.indices(0).iter().map(|&i| of_part[i]).collect();
                drawn.sort_by(f64::total_cmp);
                quantile(&drawn, p)
            };
            let (sizes, percentile) = ([of_part.len()], IntervalMethod::Percentile);
            let record = comparison.estimate(name, &sizes, of, percentile, settings.clone())?;
            results.records.push(part.mark(record));
        }
    }
    Ok(())
}

fn copies(
    comparison: &Comparison<'_>,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let [real, synthetic] = comparison.sets;
    let shortest = real.volume(0)?.geometry().shape().into_iter().min().unwrap_or(0);
    let config = NearCopyConfig { max_shift: (shortest / 4).min(8), ..NearCopyConfig::default() };
    let search = NearCopySearch::new(&config, real.len(), |i| real.volume(i))?;
    let found = told(0..synthetic.len(), "near copies", observer, |i| {
        let fault = |source| Error::Scan { path: synthetic.path(i).to_owned(), source };
        search.most_alike(&synthetic.volume(i)?).map_err(fault)
    })?;
    for (i, copy) in found.iter().enumerate().filter(|(_, copy)| copy.is_copy) {
        let NearCopy { training, mirrored, shift, correlation, .. } = *copy;
        results.warnings.push(format!(
            "{} is a near copy of {}: correlation of detail {correlation:.3}, mirrored along \
             {mirrored:?}, shifted by {shift:?} voxels",
            synthetic.path(i).display(),
            real.path(training).display(),
        ));
    }
    for part in &comparison.parts {
        let of_part: Vec<NearCopy> = part.members[1].iter().map(|&i| found[i]).collect();
        let records = search.records(&of_part).into_iter();
        results
            .records
            .extend(records.map(|record| part.mark(record.with_settings(intensity_settings()))));
    }
    Ok(())
}
