//! Masks beside the scans that were synthesised from them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mrisynth_cohort::{Manifest, Visit};
use mrisynth_conditioning::LabelScheme;
use mrisynth_report::page::{Block, Case, Gallery, LegendEntry};
use mrisynth_report::{MontageOptions, Palette};
use mrisynth_volume::{LabelMap, Volume};

use super::ResultPage;
use crate::error::{Error, Result};

const READING: &str = "For each mask: its labels in colour, the scan that was synthesised from it and, where \
    there is one, the real scan of the same head; then both scans with the labels over them. An edited mask \
    has no real scan.";

/// A mask, the scan that was synthesised from it, and the real scan of the same head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCase {
    /// What it is called, such as `sub-01, held out` or `sub-02, hippocampus − 20 %`.
    pub name: String,
    /// The file of the mask.
    pub mask: PathBuf,
    /// The file of the synthetic scan.
    pub synthetic: PathBuf,
    /// The file of the real scan, where there is one: an edited mask has none.
    pub real: Option<PathBuf>,
}

impl PageCase {
    /// The first `most` synthetic scans of a modality that have a mask, each with the real scan of its
    /// subject and session if `real` has one, by the name of the subject and session followed by `note`.
    #[must_use]
    pub fn of_cohort(
        synthetic: &Manifest,
        real: Option<&Manifest>,
        modality: &str,
        note: &str,
        most: usize,
    ) -> Vec<Self> {
        let key = |visit: &Visit| (visit.subject.clone(), visit.session.clone());
        let image = |manifest: &Manifest, visit: &Visit| {
            visit.images.get(modality).map(|path| manifest.resolve(path))
        };
        let real: BTreeMap<_, PathBuf> = real
            .into_iter()
            .flat_map(|m| m.visits.iter().filter_map(move |v| Some((key(v), image(m, v)?))))
            .collect();
        let case = |visit: &Visit| {
            let session = visit.session.iter().map(|session| format!(", {session}"));
            let name = session.fold(visit.subject.clone(), |name, session| name + &session);
            Some(Self {
                name: if note.is_empty() { name } else { format!("{name}, {note}") },
                mask: synthetic.resolve(visit.mask.as_ref()?),
                synthetic: image(synthetic, visit)?,
                real: real.get(&key(visit)).cloned(),
            })
        };
        synthetic.visits.iter().filter_map(case).take(most).collect()
    }
}

impl ResultPage {
    pub(super) fn scans(&self) -> Result<Vec<Block>> {
        if self.cases.is_empty() {
            return Ok(Vec::new());
        }
        let colours = self.scheme.as_ref().map(channel_colours);
        let mut gallery = Gallery::default();
        let mut masks = Vec::new();
        for case in &self.cases {
            let mask = self.shown_mask(case)?;
            let synthetic = Volume::read(&case.synthetic)?;
            let real = case.real.as_ref().map(Volume::read).transpose()?;
            let case = Case {
                name: &case.name,
                mask: &mask,
                synthetic: &synthetic,
                real: real.as_ref(),
                palette: colours.as_ref(),
            };
            let focus_mm = self.montage.focus_mm.or_else(|| centroid_mm(&mask));
            let options = MontageOptions { focus_mm, ..self.montage.clone() };
            gallery.rows.push(case.figures(&options)?);
            masks.push(mask);
        }
        let masks: Vec<&LabelMap> = masks.iter().collect();
        gallery.legend = match (&self.scheme, &colours) {
            (Some(scheme), Some(colours)) => legend(scheme, colours, &masks),
            _ => LegendEntry::of(&masks),
        };
        Ok(vec![Block::Text(READING.into()), Block::Gallery(gallery)])
    }

    /// The mask as the network sees it: the numbers of the scheme's channels. Without a scheme, as it is.
    fn shown_mask(&self, case: &PageCase) -> Result<LabelMap> {
        let mask = LabelMap::read(&case.mask)?;
        match &self.scheme {
            Some(scheme) => scheme
                .channel_numbers(&mask)
                .map_err(|source| Error::Mask { path: case.mask.clone(), source }),
            None => Ok(mask),
        }
    }
}

/// The mean place of all labelled voxels: in a brain that is amid the deep structures, whereas the middle of
/// the box around it is drawn down by the brainstem.
fn centroid_mm(mask: &LabelMap) -> Option<[f64; 3]> {
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for ((x, y, z), _) in mask.array().indexed_iter().filter(|(_, label)| **label != 0) {
        sum = [sum[0] + x as f64, sum[1] + y as f64, sum[2] + z as f64];
        count += 1.0;
    }
    let centroid = sum.map(|sum| sum / count);
    (count > 0.0).then(|| mask.geometry().voxel_to_world().apply(centroid))
}

/// The scheme's own colours by number of the channel; generated ones where two channels share one.
fn channel_colours(scheme: &LabelScheme) -> Palette {
    let colours: BTreeMap<i32, [u8; 3]> = (1..)
        .zip(scheme.channels_config())
        .map(|(number, channel)| (number, channel.colour))
        .collect();
    let different: std::collections::BTreeSet<_> = colours.values().collect();
    if different.len() == colours.len() { Palette::Listed(colours) } else { Palette::Distinct }
}

/// The channels that any of the masks has, by the names of the scheme.
fn legend(scheme: &LabelScheme, colours: &Palette, masks: &[&LabelMap]) -> Vec<LegendEntry> {
    let numbers: std::collections::BTreeSet<i32> =
        masks.iter().flat_map(|mask| mask.counts().into_keys()).collect();
    let entry = |(number, channel): (i32, &mrisynth_conditioning::ChannelConfig)| {
        let shown = numbers.contains(&number);
        shown.then(|| LegendEntry { name: channel.name.clone(), colour: colours.colour(number) })
    };
    (1..).zip(scheme.channels_config()).filter_map(entry).collect()
}
