//! Distances between the features of both sets.

use mrisynth_metrics::distribution::{
    Estimator, Gram, Kernel, KernelMatrix, Neighbourhoods, PrecisionRecall,
};
use mrisynth_metrics::uncertainty::{Draw, IntervalMethod};
use mrisynth_metrics::{Record, Results, Settings};

use super::comparison::{Comparison, unless_too_few};
use super::event::{Observer, told};
use super::features::Features;
use super::part::Part;
use crate::error::Result;

/// The percentile interval as papers report it, and the one without its bias.
const OF_SETS: [IntervalMethod; 2] =
    [IntervalMethod::BiasedPercentile, IntervalMethod::ExtrapolatedSubsampling { fraction: 0.5 }];
/// For what has no bias, or none that a power of n would describe.
const SUBSAMPLING: IntervalMethod = IntervalMethod::Subsampling { fraction: 0.5 };

/// FID, KID, MMD, precision and recall, density and coverage, of everybody and by group.
pub(super) fn measure(
    comparison: &Comparison<'_>,
    features: &Features,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let warnings = &mut results.warnings;
    let everybody = Gram::new(&features.real, &features.synthetic);
    let what = "FID, MMD, KID, precision and recall";
    let Some(everybody) = unless_too_few(what, everybody, warnings)? else { return Ok(()) };
    // Everybody's width in every group, so that their values can be compared.
    let rbf = unless_too_few("MMD", Kernel::rbf().resolved(&everybody), warnings)?;
    told(comparison.parts.iter(), "distances", observer, |part| -> Result<()> {
        let [real, synthetic] = &part.members;
        let gram = Gram::new(&features.real.select(real)?, &features.synthetic.select(synthetic)?)?;
        let of_part = Distances { gram, settings: &features.settings, comparison };
        let mut records = of_part.frechet(part, &mut results.warnings)?;
        records.extend(of_part.kernels(rbf.as_ref())?);
        records.extend(of_part.shares()?);
        results.records.extend(records.into_iter().map(|record| part.mark(record)));
        Ok(())
    })?;
    Ok(())
}

/// One of the four fractions.
type Share = fn(&PrecisionRecall) -> f64;

/// What is measured of one part.
struct Distances<'a> {
    gram: Gram,
    settings: &'a Settings,
    comparison: &'a Comparison<'a>,
}

impl Distances<'_> {
    fn sizes(&self) -> [usize; 2] {
        [self.gram.n_real(), self.gram.n_synthetic()]
    }

    fn frechet(&self, part: &Part, warnings: &mut Vec<String>) -> Result<Vec<Record>> {
        let found = self.gram.frechet_distance()?;
        // That holds for groups all the more; one warning is enough.
        if part.is_everybody() {
            warnings.extend(found.warning());
            if found.is_rank_deficient() {
                warnings.push(
                    "FID: with fewer samples than dimensions its bias is not proportional to 1/n, \
                     and the extrapolated interval does not hold the distance of the populations \
                     either; use it to compare sets of the same size"
                        .into(),
                );
            }
        }
        let settings = found.record(self.settings).settings;
        let of = |draw: &Draw| {
            let found = self.gram.frechet_distance_of(draw.indices(0), draw.indices(1));
            found.map_or(f64::NAN, |found| found.distance)
        };
        let records = OF_SETS.map(|method| {
            self.comparison.estimate("FID", &self.sizes(), of, method, settings.clone())
        });
        records.into_iter().collect()
    }

    fn kernels(&self, rbf: Option<&Kernel>) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        let named: [(&str, Option<&Kernel>, &[IntervalMethod]); 3] = [
            ("MMD", rbf, &OF_SETS),
            ("MMD, linear kernel", Some(&Kernel::Linear), &OF_SETS),
            ("KID", Some(&Kernel::kid()), &[SUBSAMPLING]),
        ];
        for (name, kernel, methods) in named {
            let Some(kernel) = kernel else { continue };
            let matrix = KernelMatrix::new(&self.gram, kernel)?;
            let settings = matrix.record(Estimator::Unbiased, self.settings).settings;
            let of = |draw: &Draw| {
                let found = matrix.mmd_of(draw.indices(0), draw.indices(1), Estimator::Unbiased);
                found.unwrap_or(f64::NAN)
            };
            for method in methods {
                let (sizes, settings) = (self.sizes(), settings.clone());
                records.push(self.comparison.estimate(name, &sizes, of, *method, settings)?);
            }
        }
        Ok(records)
    }

    fn shares(&self) -> Result<Vec<Record>> {
        let sizes = self.sizes();
        let k = 5.min(sizes[0].min(sizes[1]) - 1);
        let neighbourhoods = Neighbourhoods::new(&self.gram);
        let settings = Settings::new().with("neighbours", k).and(self.settings.clone());
        let named: [(&str, Share); 4] = [
            ("Precision", |found| found.precision),
            ("Recall", |found| found.recall),
            ("Density", |found| found.density),
            ("Coverage", |found| found.coverage),
        ];
        let records = named.map(|(name, share)| {
            let of = |draw: &Draw| {
                let (real, synthetic) = (draw.indices(0), draw.indices(1));
                let found = neighbourhoods.precision_recall_of(real, synthetic, k);
                found.map_or(f64::NAN, |found| share(&found))
            };
            self.comparison.estimate(name, &sizes, of, SUBSAMPLING, settings.clone())
        });
        records.into_iter().map(|record| record.map(within_domain)).collect()
    }
}

/// The ends of an interval around a share cannot lie beyond 0 and, but for density, 1.
fn within_domain(mut record: Record) -> Record {
    let most = if record.name == "Density" { f64::INFINITY } else { 1.0 };
    for end in [&mut record.lower, &mut record.upper].into_iter().flatten() {
        *end = end.clamp(0.0, most);
    }
    record
}
