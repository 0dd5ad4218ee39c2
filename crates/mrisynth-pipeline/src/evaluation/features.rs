//! The features of all sets.

use std::path::Path;

use mrisynth_metrics::Settings;
use mrisynth_metrics::distribution::FeatureMatrix;
use mrisynth_metrics::diversity::VolumeSource;
use mrisynth_metrics::features::{FeatureExtractor, FeatureFile};

use super::event::{Observer, told};
use super::feature_source::FeatureSource;
use super::scan_set::{ScanSet, intensity_settings};
use crate::error::{Error, Result};

/// Features of the sets, and what made them.
pub(super) struct Features {
    pub(super) real: FeatureMatrix,
    pub(super) synthetic: FeatureMatrix,
    pub(super) held_out: Option<FeatureMatrix>,
    pub(super) settings: Settings,
}

/// The features that a source gives.
pub(super) fn extract(
    sets: [&ScanSet; 2],
    held_out: Option<&ScanSet>,
    source: &FeatureSource,
    observer: &mut Observer<'_>,
) -> Result<Features> {
    if let FeatureSource::Files { real, synthetic, held_out: file } = source {
        return of_files([real, synthetic], file.as_deref(), sets, held_out);
    }
    let Some(network) = source.network()? else {
        return Err(Error::argument("features", "no network", "one, or files"));
    };
    let mut of = |scans, name| of_network(scans, name, &*network, observer);
    Ok(Features {
        real: of(sets[0], "features, real")?,
        synthetic: of(sets[1], "features, synthetic")?,
        held_out: held_out.map(|scans| of(scans, "features, held out")).transpose()?,
        settings: network.settings().and(intensity_settings()),
    })
}

fn of_network(
    scans: &ScanSet,
    what: &'static str,
    network: &dyn FeatureExtractor,
    observer: &mut Observer<'_>,
) -> Result<FeatureMatrix> {
    let rows = told(0..scans.len(), what, observer, |i| {
        let fault = |source| Error::Scan { path: scans.path(i).to_owned(), source };
        network.features(&scans.volume(i)?).map_err(fault)
    })?;
    Ok(FeatureMatrix::from_rows(&rows)?)
}

fn of_files(
    files: [&std::path::PathBuf; 2],
    held_out_file: Option<&Path>,
    sets: [&ScanSet; 2],
    held_out: Option<&ScanSet>,
) -> Result<Features> {
    let (real, of_real) = read(files[0], sets[0])?;
    let (synthetic, of_synthetic) = read(files[1], sets[1])?;
    let held_out = match (held_out_file, held_out) {
        (Some(file), Some(scans)) => Some(read(file, scans)?.0),
        (None, None) => None,
        (file, _) => {
            let found = 2 + usize::from(file.is_some());
            let expected = format!("{}, one for each set", 2 + usize::from(file.is_none()));
            return Err(Error::argument("features", format!("{found} files"), expected));
        }
    };
    let named = |settings: &Settings, name: &str| settings.value(name).cloned().unwrap_or_default();
    let both = |name: &str| vec![named(&of_real, name), named(&of_synthetic, name)];
    let settings = of_real
        .clone()
        .with("features_file", both("features_file"))
        .with("features_sha256", both("features_sha256"));
    Ok(Features { real, synthetic, held_out, settings })
}

/// The rows of a file, in the order of the set.
fn read(file: &Path, scans: &ScanSet) -> Result<(FeatureMatrix, Settings)> {
    let found = FeatureFile::read(file)?;
    let (rows, n) = (found.features.samples(), scans.len());
    if rows != n {
        return Err(Error::format(
            file,
            "the number of rows",
            rows,
            format!("{n}, one for each scan"),
        ));
    }
    let order: Vec<usize> = scans.scans().iter().map(|scan| scan.row).collect();
    Ok((found.features.select(&order)?, found.settings()))
}
