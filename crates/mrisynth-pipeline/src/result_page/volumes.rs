//! Volumes of structures in real and in synthetic scans.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mrisynth_conditioning::LabelScheme;
use mrisynth_metrics::{Record, Results};
use mrisynth_report::page::{Block, Card, Drawing};
use mrisynth_report::plot::{DistributionRow, distribution_plot};
use mrisynth_volume::LabelMap;

use super::ResultPage;
use super::measurements::STRUCTURE;
use crate::error::{Error, Result};

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
            let of_structure = |record: &&Record| record.group.contains_key(STRUCTURE);
            let records: Vec<Record> =
                results.records.iter().filter(of_structure).cloned().collect();
            // Hundreds of rows, as a rule: folded.
            if !records.is_empty() {
                let title =
                    format!("Volumes by structure, {} numbers of the evaluation", records.len());
                let markdown = Results::new(records).to_markdown();
                blocks.push(Block::Card(Card { title, markdown }));
            }
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
        let numbers: BTreeSet<i32> = real.iter().flat_map(BTreeMap::keys).copied().collect();
        let of = |set: &[BTreeMap<i32, f64>], number: i32| -> Vec<f64> {
            set.iter().map(|scan| scan.get(&number).copied().unwrap_or(0.0)).collect()
        };
        let rows = numbers.into_iter().filter_map(|number| {
            let samples = [of(&real, number), of(&synthetic, number)];
            let mean = samples[0].iter().sum::<f64>() / samples[0].len() as f64;
            // What some lack, such as lesions, would leave no room for the others.
            let everywhere = samples[0].iter().all(|ml| *ml > 0.0) && !samples[1].is_empty();
            let samples = samples.map(|ml| ml.iter().map(|ml| 100.0 * ml / mean).collect());
            let label = format!("{}, {mean:.1} ml", name(number, scheme));
            everywhere.then_some(DistributionRow { label, samples })
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

/// The volumes of the scheme's channels that a label map has, by number; without a scheme, of its labels.
fn volumes_ml(path: &PathBuf, scheme: Option<&LabelScheme>) -> Result<BTreeMap<i32, f64>> {
    let map = LabelMap::read(path)?;
    let voxel_ml = map.geometry().spacing_mm().into_iter().product::<f64>() / 1000.0;
    let numbers = match scheme {
        Some(scheme) => scheme
            .channel_numbers(&map)
            .map_err(|source| Error::Mask { path: path.clone(), source })?,
        None => map,
    };
    let counts = numbers.counts().into_iter().filter(|(number, _)| *number != 0);
    Ok(counts.map(|(number, n)| (number, n as f64 * voxel_ml)).collect())
}

fn name(number: i32, scheme: Option<&LabelScheme>) -> String {
    let place = usize::try_from(number - 1).ok();
    let channel = scheme.zip(place).and_then(|(scheme, i)| scheme.channels_config().get(i));
    channel.map_or_else(|| format!("label {number}"), |channel| channel.name.clone())
}
