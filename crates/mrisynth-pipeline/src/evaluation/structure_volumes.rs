//! Volumes of structures in both sets.

use std::collections::{BTreeMap, BTreeSet};

use mrisynth_metrics::regional::{DistributionComparison, Structure, Structures};
use mrisynth_metrics::uncertainty::{Draw, IntervalMethod};
use mrisynth_metrics::{Results, Settings};
use mrisynth_report::plot::{DistributionRow, distribution_plot};
use mrisynth_volume::{LabelMap, freesurfer};

use super::NamedPlot;
use super::comparison::Comparison;
use super::event::{Observer, told};
use super::part::Part;
use super::scan_set::ScanSet;
use crate::error::{Error, Result};

/// The volumes of one structure in millilitres, of the real and the synthetic scans.
type BySet = [Vec<f64>; 2];

/// Compares volumes of structures where all scans have label maps; the plot shows those that
/// every real scan has, as % of the real mean.
pub(super) fn measure(
    comparison: &Comparison<'_>,
    results: &mut Results,
    observer: &mut Observer<'_>,
) -> Result<Option<NamedPlot>> {
    let structures = match structures(comparison, observer) {
        Ok(structures) => structures,
        Err(reason) => {
            results.warnings.push(format!("volumes of structures are left out: {reason}"));
            return Ok(None);
        }
    };
    let mut rows = Vec::new();
    for (name, both) in &structures {
        for part in &comparison.parts {
            compare(name, both, part, comparison, results)?;
        }
        let mean = both[0].iter().sum::<f64>() / both[0].len() as f64;
        // What some lack, such as lesions, would leave no room for the others.
        if both[0].iter().all(|ml| *ml > 0.0) {
            let samples = both.clone().map(|ml| ml.iter().map(|v| 100.0 * v / mean).collect());
            rows.push(DistributionRow { label: name.clone(), samples });
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let names = ["real", "synthetic"];
    let svg = distribution_plot("Volumes of structures", "% of the real mean", names, &rows)?;
    Ok(Some(NamedPlot { name: "volumes".into(), svg }))
}

/// The volumes of all structures, or why there are none.
fn structures(
    comparison: &Comparison<'_>,
    observer: &mut Observer<'_>,
) -> std::result::Result<BTreeMap<String, BySet>, String> {
    for (scans, name) in comparison.sets.iter().zip(["real", "synthetic"]) {
        let (without, n) =
            (scans.scans().iter().filter(|scan| scan.mask.is_none()).count(), scans.len());
        if without > 0 {
            return Err(format!("{without} of {n} {name} scans have no label map"));
        }
        if n < 2 {
            return Err(format!("{n} {name} scan, and no distribution of fewer than 2"));
        }
    }
    let by_number = comparison.config.numbered_labels;
    let mut of = |set: usize| {
        volumes(comparison.sets[set], by_number, observer).map_err(|error| error.to_string())
    };
    Ok(joined(&[of(0)?, of(1)?]))
}

/// Distances of the distributions, and how far the means are apart, with its interval.
fn compare(
    name: &str,
    both: &BySet,
    part: &Part,
    comparison: &Comparison<'_>,
    results: &mut Results,
) -> Result<()> {
    let of = |s: usize| part.members[s].iter().map(|&i| both[s][i]).collect::<Vec<f64>>();
    let (real, synthetic) = (of(0), of(1));
    let found = DistributionComparison::of(&real, &synthetic)?;
    let by_number = comparison.config.numbered_labels;
    let names = if by_number { "by number" } else { "FreeSurfer's table" };
    let settings = Settings::new().with("volumes_in", "ml").with("labels", names);
    let records = found.records(name).map(|record| record.with_settings(settings.clone()));
    results.records.extend(records.map(|record| part.mark(record)));
    let mean = |ml: &[f64], drawn: &[usize]| {
        drawn.iter().map(|&i| ml[i]).sum::<f64>() / drawn.len() as f64
    };
    let record = comparison.estimate(
        "Difference of mean volumes",
        &found.sizes,
        |draw: &Draw| mean(&synthetic, draw.indices(1)) - mean(&real, draw.indices(0)),
        IntervalMethod::Percentile,
        settings.with("difference", "synthetic minus real"),
    )?;
    results.records.push(part.mark(record.in_group("structure", name)));
    Ok(())
}

/// The volumes of each structure that any scan has; a scan without it has 0 ml of it.
fn joined(sets: &[Vec<BTreeMap<String, f64>>; 2]) -> BTreeMap<String, BySet> {
    let names: BTreeSet<&String> = sets.iter().flatten().flat_map(BTreeMap::keys).collect();
    let of = |set: &Vec<BTreeMap<String, f64>>, name: &String| {
        set.iter().map(|scan| scan.get(name).copied().unwrap_or(0.0)).collect()
    };
    names
        .into_iter()
        .map(|name| (name.clone(), [&sets[0], &sets[1]].map(|s| of(s, name))))
        .collect()
}

/// The volumes of the structures of each scan, in millilitres.
fn volumes(
    scans: &ScanSet,
    by_number: bool,
    observer: &mut Observer<'_>,
) -> Result<Vec<BTreeMap<String, f64>>> {
    let masks: Vec<_> = scans.scans().iter().filter_map(|scan| scan.mask.as_ref()).collect();
    told(masks.into_iter(), "volumes", observer, |path| {
        let fault = |source| Error::Scan { path: path.clone(), source };
        volumes_ml(&LabelMap::read(path)?, by_number).map_err(fault)
    })
}

/// By FreeSurfer's names; labels that its table lacks, such as those of tumours, by number.
fn volumes_ml(map: &LabelMap, by_number: bool) -> mrisynth_metrics::Result<BTreeMap<String, f64>> {
    let is_known = |label: i32| label == 0 || (!by_number && freesurfer::label(label).is_some());
    let others: Vec<Structure> = map
        .counts()
        .into_iter()
        .filter(|(label, _)| !is_known(*label))
        .map(|(label, _)| Structure { name: format!("label {label}"), labels: vec![label] })
        .collect();
    let known = map.voxels().iter().map(|label| if is_known(*label) { *label } else { 0 });
    let known = LabelMap::new(known.collect(), *map.geometry())?;
    let mut volumes = Structures::FreesurferWithoutSides.volumes_ml(&known)?;
    volumes.extend(Structures::Groups(others).volumes_ml(map)?);
    Ok(volumes)
}
