//! Volumes of structures in real and in synthetic scans.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mrisynth_conditioning::LabelScheme;
use mrisynth_report::page::{Block, Drawing};
use mrisynth_report::plot::{DistributionRow, distribution_plot};
use mrisynth_volume::LabelMap;

use super::ResultPage;
use super::measurements::table;
use crate::error::{Error, Result};

/// The record of an evaluation that is shown; the others of structures are distances of distributions.
const DIFFERENCE: &str = "Difference of mean volumes";

/// Label maps of real and of synthetic scans.
///
/// Masks say what was asked for; what a segmentation network finds in synthetic scans says what they show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMapSets {
    /// What they are and who made them, in a sentence.
    pub what: String,
    /// The files of the real scans' label maps.
    pub real: Vec<PathBuf>,
    /// The files of the synthetic scans' label maps.
    pub synthetic: Vec<PathBuf>,
}

impl ResultPage {
    pub(super) fn structure_volumes(&self) -> Result<Vec<Block>> {
        let mut blocks = Vec::new();
        if let Some(sets) = &self.volumes {
            blocks.extend(sets.drawing(self.scheme.as_ref())?);
        }
        if let Some(results) = self.evaluation_results()? {
            let shown = results.records.iter().filter(|record| record.name == DIFFERENCE);
            let caption = "Mean volumes of structures in ml, synthetic minus real, by the label maps of the \
                           evaluation; its document holds the distances of the distributions, too";
            blocks.extend(table(caption, shown, &["structure"]));
        }
        Ok(blocks)
    }
}

impl LabelMapSets {
    /// A plot of the structures that every real scan has; none without such structures.
    fn drawing(&self, scheme: Option<&LabelScheme>) -> Result<Option<Block>> {
        let volumes = |paths: &[PathBuf]| {
            paths.iter().map(|path| volumes_ml(path, scheme)).collect::<Result<Vec<_>>>()
        };
        let (real, synthetic) = (volumes(&self.real)?, volumes(&self.synthetic)?);
        let names: BTreeSet<&String> = real.iter().flat_map(BTreeMap::keys).collect();
        let of = |set: &[BTreeMap<String, f64>], name: &str| -> Vec<f64> {
            set.iter().map(|scan| scan.get(name).copied().unwrap_or(0.0)).collect()
        };
        let rows = names.into_iter().filter_map(|name| {
            let samples = [of(&real, name), of(&synthetic, name)];
            let mean = samples[0].iter().sum::<f64>() / samples[0].len() as f64;
            // What some lack, such as lesions, would leave no room for the others.
            let everywhere = samples[0].iter().all(|ml| *ml > 0.0) && !samples[1].is_empty();
            let samples = samples.map(|ml| ml.iter().map(|ml| 100.0 * ml / mean).collect());
            everywhere.then(|| DistributionRow { label: format!("{name}, {mean:.1} ml"), samples })
        });
        let rows: Vec<DistributionRow> = rows.collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let names = ["real", "synthetic"];
        let svg = distribution_plot("Volumes of structures", "% of the real mean", names, &rows)?;
        let (n, m) = (real.len(), synthetic.len());
        let alt =
            format!("Volumes of {} structures in {n} real and {m} synthetic scans", rows.len());
        let caption = format!("{alt}, with the real means in ml. {}", self.what);
        Ok(Some(Block::Drawing(Drawing { svg, alt, caption })))
    }
}

/// The volumes of the scheme's channels that a label map has; without a scheme, of its labels.
fn volumes_ml(path: &PathBuf, scheme: Option<&LabelScheme>) -> Result<BTreeMap<String, f64>> {
    let map = LabelMap::read(path)?;
    let voxel_ml = map.geometry().spacing_mm().into_iter().product::<f64>() / 1000.0;
    let numbers = match scheme {
        Some(scheme) => scheme
            .channel_numbers(&map)
            .map_err(|source| Error::Mask { path: path.clone(), source })?,
        None => map,
    };
    let name = |number: i32| match scheme {
        Some(scheme) => {
            let channel = usize::try_from(number - 1).ok();
            channel.and_then(|i| scheme.channels_config().get(i)).map(|c| c.name.clone())
        }
        None => (number != 0).then(|| format!("label {number}")),
    };
    let counts = numbers.counts().into_iter();
    Ok(counts.filter_map(|(number, n)| Some((name(number)?, n as f64 * voxel_ml))).collect())
}
