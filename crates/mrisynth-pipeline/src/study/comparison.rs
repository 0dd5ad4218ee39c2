//! Arms beside each other: means, paired differences, and the share of a gap that is closed.
//!
//! A subject's value is the mean over seeds and sessions; subjects are resampled, and signs are flipped by
//! subject, because neither seeds nor sessions are further people.

use std::collections::BTreeMap;

use mrisynth_metrics::uncertainty::{
    BootstrapConfig, Draw, PermutationConfig, bootstrap, bootstrap_mean, sign_flip_test,
};
use mrisynth_metrics::{Record, Results, Settings};

use crate::error::Result;
use crate::segmentation::{MEAN, METRICS, SegmentationScores, mean_record, subject_means};

/// The names of records beside those of [`METRICS`].
pub(crate) const GAP_SHARE: &str = "share of the gap closed";

/// The scores of one arm, by seed.
#[derive(Clone, Debug)]
pub(super) struct ArmScores {
    pub(super) name: String,
    pub(super) seeds: Vec<SegmentationScores>,
}

/// How arms are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison<'a> {
    pub(super) arms: &'a [ArmScores],
    pub(super) ceiling: Option<&'a str>,
    pub(super) bootstrap: &'a BootstrapConfig,
    pub(super) permutation: &'a PermutationConfig,
}

/// The name of the difference of a metric between two arms.
pub(super) fn difference_of(metric: &str) -> String {
    format!("{metric} difference")
}

impl ArmScores {
    fn tables(&self) -> Vec<&SegmentationScores> {
        self.seeds.iter().collect()
    }

    fn settings(&self) -> Settings {
        self.seeds.first().map_or_else(Settings::new, SegmentationScores::settings)
    }

    /// The mean over subjects for each seed by itself: how much is chance in the training.
    fn means_of_seeds(&self, structure: usize, metric: usize) -> Vec<Option<f64>> {
        let mean = |table: &SegmentationScores| {
            let of = subject_means(&[table], structure, metric);
            (!of.is_empty()).then(|| of.values().sum::<f64>() / of.len() as f64)
        };
        self.seeds.iter().map(mean).collect()
    }
}

impl Comparison<'_> {
    /// The record of every arm, then of every pair of arms, then of the gap.
    pub(super) fn results(&self) -> Result<Results> {
        let mut results = Results::new(Vec::new());
        for arm in self.arms {
            self.each(|structure, place, metric| {
                results.records.push(self.of_arm(arm, structure, place, metric)?);
                Ok(())
            })?;
        }
        for (place, earlier) in self.arms.iter().enumerate() {
            for later in &self.arms[place + 1..] {
                self.each(|structure, place, metric| {
                    let pair = [later, earlier];
                    results.records.push(self.of_pair(pair, structure, place, metric)?);
                    Ok(())
                })?;
            }
        }
        self.gap(&mut results);
        Ok(results)
    }

    /// Calls for every structure, by its name and place, and every metric.
    fn each(&self, mut call: impl FnMut(&str, usize, usize) -> Result<()>) -> Result<()> {
        let structures = self.arms.first().and_then(|arm| arm.seeds.first());
        for (place, structure) in structures.iter().flat_map(|s| &s.structures).enumerate() {
            for metric in 0..METRICS.len() {
                call(structure, place, metric)?;
            }
        }
        Ok(())
    }

    fn of_arm(
        &self,
        arm: &ArmScores,
        structure: &str,
        place: usize,
        metric: usize,
    ) -> Result<Record> {
        let values: Vec<f64> = subject_means(&arm.tables(), place, metric).into_values().collect();
        let seeds = arm.means_of_seeds(place, metric);
        let settings = arm.settings().with("means_of_seeds", seeds);
        let record = mean_record(METRICS[metric], &values, settings, self.bootstrap)?;
        Ok(record.in_group("arm", &arm.name).in_group("structure", structure))
    }

    /// The mean of the differences of the subjects for whom both arms have a value, with the probability
    /// of one as large if it were chance.
    fn of_pair(
        &self,
        [later, earlier]: [&ArmScores; 2],
        structure: &str,
        place: usize,
        metric: usize,
    ) -> Result<Record> {
        let base = subject_means(&earlier.tables(), place, metric);
        let values = subject_means(&later.tables(), place, metric);
        let difference = |(subject, value): (&&str, &f64)| Some(value - base.get(subject)?);
        let differences: Vec<f64> = values.iter().filter_map(difference).collect();
        let mut settings = later.settings();
        if differences.len() > 1 {
            let test = sign_flip_test(&differences, self.permutation)?;
            settings = settings
                .with("p_value", test.p_value)
                .with("permutations", test.permutations)
                .with("exact", test.exact);
        }
        let name = difference_of(METRICS[metric]);
        let record = mean_record(&name, &differences, settings, self.bootstrap)?;
        let record = record.in_group("arm", &later.name).in_group("against", &earlier.name);
        Ok(record.in_group("structure", structure))
    }

    /// What part of the way from the first arm to the ceiling, in mean Dice, each arm between them goes.
    fn gap(&self, results: &mut Results) {
        let by_name = |name: &str| self.arms.iter().find(|arm| arm.name == name);
        let (Some(floor), Some(ceiling)) = (self.arms.first(), self.ceiling.and_then(by_name))
        else {
            return;
        };
        let of = |arm: &ArmScores| -> BTreeMap<String, f64> {
            let place = arm.seeds.first().map_or(0, |table| table.structures.len() - 1);
            let means = subject_means(&arm.tables(), place, 0);
            means.into_iter().map(|(subject, value)| (subject.to_owned(), value)).collect()
        };
        let (low, high) = (of(floor), of(ceiling));
        let between = |(subject, low): (&String, &f64)| Some(high.get(subject)? - low);
        let gap: Vec<f64> = low.iter().filter_map(between).collect();
        let is_clear = bootstrap_mean(&gap, self.bootstrap).is_ok_and(|gap| gap.lower > 0.0);
        if !is_clear {
            let (from, to) = (&floor.name, &ceiling.name);
            results.warnings.push(format!(
                "The gap from {from} to {to} is not clear of zero: shares of it say little."
            ));
        }
        for arm in &self.arms[1..] {
            if arm.name == ceiling.name {
                continue;
            }
            let of_arm = of(arm);
            let three = |(subject, low): (&String, &f64)| {
                Some([*low, *of_arm.get(subject)?, *high.get(subject)?])
            };
            let values: Vec<[f64; 3]> = low.iter().filter_map(three).collect();
            let share = |draw: &Draw| {
                let sum =
                    |place: usize| draw.indices(0).iter().map(|&i| values[i][place]).sum::<f64>();
                (sum(1) - sum(0)) / (sum(2) - sum(0))
            };
            match bootstrap(&[values.len()], share, self.bootstrap) {
                Ok(estimate) => {
                    let settings = arm.settings().with("metric", METRICS[0]);
                    let record = estimate.record(GAP_SHARE, settings);
                    let record = record.in_group("arm", &arm.name).in_group("from", &floor.name);
                    let record = record.in_group("to", &ceiling.name).in_group("structure", MEAN);
                    results.records.push(record);
                }
                Err(reason) => {
                    results.warnings.push(format!("{GAP_SHARE} by {}: {reason}", arm.name));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
