//! How alike a synthetic scan and the real scan are that share a mask.
//!
//! The mask does not fix contrast, noise or what lies within a structure, so no generator is to reach
//! the values of a copy, and one that does has learnt the scans by heart.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use durable_file::Sha256Digest;
use mrisynth_metrics::diversity::VolumeSource;
use mrisynth_metrics::image::{
    DataRange, GaussianWindow, ImagePair, MsSsimConfig, SsimConfig, WindowFit, mae, ms_ssim, psnr,
    ssim,
};
use mrisynth_metrics::uncertainty::{Draw, IntervalMethod};
use mrisynth_metrics::{Results, Settings};
use mrisynth_volume::LabelMap;

use super::comparison::Comparison;
use super::event::{Observer, told};
use super::part::Part;
use super::scan_set::{Scan, ScanSet, intensity_settings};
use crate::error::Result;
use crate::mask_file::mask_identity;

/// The range of rescaled intensities.
const RANGE: DataRange = DataRange::Fixed(1.0);

/// MAE, PSNR, SSIM and MS-SSIM of every synthetic scan against the real one of the same subject with
/// the same mask, as means over subjects, of everybody and by group.
pub(super) fn measure(
    comparison: &Comparison<'_>,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let [real, synthetic] = comparison.sets;
    let pairs = match pairs(real, synthetic) {
        Ok(pairs) if !pairs.is_empty() => pairs,
        other => {
            let nobody = "no synthetic scan has a real one of the same subject and modality with \
                          the same mask";
            let reason = other.map_or_else(|error| error.to_string(), |_| nobody.to_owned());
            results.warnings.push(format!("paired image metrics are left out: {reason}"));
            return Ok(());
        }
    };
    let metrics = Metrics::of(real.volume(0)?.geometry().shape())?;
    let values = told(pairs.iter(), "pairs", observer, |&[r, s]| {
        metrics.values(&ImagePair::new(&real.volume(r)?, &synthetic.volume(s)?)?)
    })?;
    for part in &comparison.parts {
        for (column, (name, settings)) in metrics.names().into_iter().enumerate() {
            let of_pairs = pairs.iter().zip(&values).map(|(pair, values)| (*pair, values[column]));
            mean(name, settings, of_pairs, part, comparison, results)?;
        }
    }
    Ok(())
}

/// The mean over the subjects of a group, each the mean over its pairs; subjects are resampled.
fn mean(
    name: &str,
    settings: Settings,
    of_pairs: impl Iterator<Item = ([usize; 2], f64)>,
    part: &Part,
    comparison: &Comparison<'_>,
    results: &mut Results,
) -> Result<()> {
    let [real, synthetic] = &part.members;
    let mut subjects = BTreeMap::<&str, Vec<f64>>::new();
    let mut n_pairs = 0;
    for ([r, s], value) in of_pairs {
        if real.contains(&r) && synthetic.contains(&s) {
            let subject = comparison.sets[1].scans()[s].visit.subject.as_str();
            subjects.entry(subject).or_default().push(value);
            n_pairs += 1;
        }
    }
    if subjects.is_empty() {
        return Ok(());
    }
    let average = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = subjects.values().map(average).collect();
    let settings = settings
        .and(intensity_settings())
        .with("paired_by", "subject, modality and mask")
        .with("n_pairs", n_pairs)
        .with("n_synthetic", synthetic.len());
    let of = |draw: &Draw| {
        let drawn = draw.indices(0);
        drawn.iter().map(|&i| means[i]).sum::<f64>() / drawn.len() as f64
    };
    let sizes = [means.len()];
    let record = comparison.estimate(name, &sizes, of, IntervalMethod::Percentile, settings)?;
    results.records.push(part.mark(record));
    Ok(())
}

/// What is measured of volumes of one shape.
struct Metrics {
    ssim: SsimConfig,
    ms_ssim: MsSsimConfig,
}

impl Metrics {
    /// Windows of 11 voxels, or the largest that fit.
    fn of(shape: [usize; 3]) -> Result<Self> {
        let shortest = shape.into_iter().min().unwrap_or(0);
        let odd = shortest.saturating_sub(usize::from(shortest.is_multiple_of(2)));
        let usual = SsimConfig::default().window;
        let window = GaussianWindow { size: usual.size.min(odd), ..usual };
        let ssim = SsimConfig { window, data_range: RANGE, ..SsimConfig::default() };
        let fit = WindowFit::Auto;
        let ms_ssim = MsSsimConfig { fit, data_range: RANGE, ..MsSsimConfig::default() };
        Ok(Self { ssim, ms_ssim: ms_ssim.resolved(shape)? })
    }

    fn names(&self) -> [(&'static str, Settings); 4] {
        let range = serde_json::to_value(RANGE).unwrap_or_default();
        let of_psnr = Settings::new().with("data_range", range).with("unit", "dB");
        [
            ("MAE, paired", Settings::new()),
            ("PSNR, paired", of_psnr),
            ("SSIM, paired", Settings::of(&self.ssim)),
            ("MS-SSIM, paired", Settings::of(&self.ms_ssim)),
        ]
    }

    /// In the order of the names.
    fn values(&self, pair: &ImagePair<'_>) -> Result<[f64; 4]> {
        let ms_ssim = ms_ssim(pair, &self.ms_ssim)?.value;
        Ok([mae(pair), psnr(pair, RANGE)?, ssim(pair, &self.ssim)?, ms_ssim])
    }
}

/// The real and the synthetic scan of each pair: of one subject and modality, with one mask. A session
/// need not be the same, as replicas have sessions of their own; where several real scans fit, the one
/// of the same session is taken, or else the first.
fn pairs(real: &ScanSet, synthetic: &ScanSet) -> Result<Vec<[usize; 2]>> {
    let mut of_subject = BTreeMap::<(&str, Option<&str>), Vec<usize>>::new();
    for (r, scan) in real.scans().iter().enumerate().filter(|(_, scan)| is_named(scan)) {
        of_subject.entry(key(scan)).or_default().push(r);
    }
    // Of those alone that may have a partner, each read once.
    let mut of_real = BTreeMap::<usize, Option<Sha256Digest>>::new();
    let mut pairs = Vec::new();
    for (s, scan) in synthetic.scans().iter().enumerate().filter(|(_, scan)| is_named(scan)) {
        let Some(candidates) = of_subject.get(&key(scan)) else { continue };
        let Some(mask) = identity(scan)? else { continue };
        let mut fitting = Vec::new();
        for &r in candidates {
            let of_candidate = match of_real.entry(r) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(identity(&real.scans()[r])?),
            };
            if of_candidate.as_ref() == Some(&mask) {
                fitting.push(r);
            }
        }
        let same_session = |r: &&usize| real.scans()[**r].visit.session == scan.visit.session;
        if let Some(&r) = fitting.iter().find(same_session).or(fitting.first()) {
            pairs.push([r, s]);
        }
    }
    Ok(pairs)
}

fn is_named(scan: &Scan) -> bool {
    !scan.visit.subject.is_empty()
}

fn key(scan: &Scan) -> (&str, Option<&str>) {
    (scan.visit.subject.as_str(), scan.modality.as_deref())
}

fn identity(scan: &Scan) -> Result<Option<Sha256Digest>> {
    let Some(path) = &scan.mask else { return Ok(None) };
    Ok(Some(mask_identity(&LabelMap::read(path)?)))
}
