//! What came out of an experiment, as one page: pictures, curves, tables, cards and provenance.
//!
//! A [`ResultPage`] is filled from what lies in folders: a training run, synthetic scans, an evaluation, a
//! study. It measures nothing but volumes of label maps. Every [`Part`] is on every page, in the same
//! order; one for which nothing was found says so, with the reason where one was given.

mod denoising;
mod measurements;
mod part;
mod provenance;
mod records;
mod scans;
mod study_part;
mod training;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mrisynth_conditioning::LabelScheme;
use mrisynth_metrics::Results;
use mrisynth_report::MontageOptions;
use mrisynth_report::page::{Block, Card, Facts, Page, Reference, Section};

pub use part::Part;
pub use scans::PageCase;
pub use volumes::LabelMapSets;

use crate::error::Result;

/// Small enough for a few dozen pictures on a page, sharp enough for screens with two pixels a point.
const PICTURE_PX: usize = 200;

/// What a page of results is filled from. Whatever is absent becomes a part that says so.
///
/// # Examples
/// ```
/// use mrisynth_pipeline::result_page::{Part, ResultPage};
/// let skipped = [(Part::Study, "4 subjects, and 6 are needed".to_owned())].into();
/// let page = ResultPage { title: "First try".into(), skipped, ..ResultPage::default() }.compose()?;
/// assert_eq!(page.sections.len(), Part::ALL.len());
/// assert!(page.to_html()?.contains("Skipped: 4 subjects, and 6 are needed"));
/// # Ok::<(), mrisynth_pipeline::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResultPage {
    /// The title.
    pub title: String,
    /// What was done, in a sentence or two.
    pub summary: String,
    /// Where the scans called real come from.
    pub reference: Reference,
    /// What the reader should know of how it was done: names, and what they are.
    pub settings: Vec<(String, String)>,
    /// The modality that is shown, as a suffix of BIDS.
    pub modality: String,
    /// Which structures masks have; without it labels are shown as they are.
    pub scheme: Option<LabelScheme>,
    /// The folder of the generator's training run.
    pub run: Option<PathBuf>,
    /// Masks with their scans.
    pub cases: Vec<PageCase>,
    /// The folder of the states of one volume, as a [`SamplingJob`](crate::SamplingJob) leaves it.
    pub trajectory: Option<PathBuf>,
    /// Whether scans follow their masks, as [`MaskFollowing`](crate::MaskFollowing) measures it.
    pub following: Option<Results>,
    /// The folder of an evaluation, with its `metrics.json`.
    pub evaluation: Option<PathBuf>,
    /// Label maps whose volumes are compared.
    pub volumes: Option<LabelMapSets>,
    /// The folder of an augmentation study.
    pub study: Option<PathBuf>,
    /// Cards beside the one that the training run has, such as that of the cohort.
    pub cards: Vec<Card>,
    /// What else the results come from, such as seeds: names, and what they are.
    pub provenance: Vec<(String, String)>,
    /// Why parts are not there, or not whole.
    pub skipped: BTreeMap<Part, String>,
    /// How scans are drawn.
    pub montage: MontageOptions,
}

impl Default for ResultPage {
    /// A page of `T1w` scans with nothing on it, its pictures so small that it stays below a few megabytes.
    fn default() -> Self {
        Self {
            title: "Synthetic scans".into(),
            summary: String::new(),
            reference: Reference::People,
            settings: Vec::new(),
            modality: "T1w".into(),
            scheme: None,
            run: None,
            cases: Vec::new(),
            trajectory: None,
            following: None,
            evaluation: None,
            volumes: None,
            study: None,
            cards: Vec::new(),
            provenance: Vec::new(),
            skipped: BTreeMap::new(),
            montage: MontageOptions { longest_side_px: PICTURE_PX, ..MontageOptions::default() },
        }
    }
}

impl ResultPage {
    /// Reads all that there is. The same files make the same page.
    ///
    /// # Errors
    /// Those of reading a file that is there and damaged, and of drawing; a file that is absent is none.
    pub fn compose(&self) -> Result<Page> {
        let section = |part: Part| {
            let mut blocks = self.blocks(part)?;
            match self.skipped.get(&part) {
                Some(reason) => blocks.push(Block::Skipped(reason.clone())),
                None if blocks.is_empty() => {
                    blocks.push(Block::Skipped(part.absence().to_owned()));
                }
                None => {}
            }
            Ok(Section { title: part.title().to_owned(), blocks })
        };
        Ok(Page {
            title: self.title.clone(),
            summary: self.summary.clone(),
            reference: self.reference,
            sections: Part::ALL.into_iter().map(section).collect::<Result<_>>()?,
        })
    }

    /// Composes the page and writes it as one HTML file, whole or not at all.
    ///
    /// # Errors
    /// Those of [`compose`](Self::compose); [`Error::Report`](crate::Error::Report) when the page is too
    /// large or cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.compose()?.write(path)?)
    }

    fn blocks(&self, part: Part) -> Result<Vec<Block>> {
        match part {
            Part::About => Ok(self.about()),
            Part::Scans => self.scans(),
            Part::Denoising => self.denoising(),
            Part::Training => self.training(),
            Part::MaskFollowing => self.mask_following(),
            Part::Metrics => self.metrics(),
            Part::StructureVolumes => self.structure_volumes(),
            Part::Privacy => self.privacy(),
            Part::Study => self.study(),
            Part::Cards => self.model_and_data_cards(),
            Part::Provenance => self.provenance(),
        }
    }

    fn about(&self) -> Vec<Block> {
        let mut blocks = vec![Block::Text(
            "A generator learnt what scans look like around given segmentation masks, and drew scans around \
             masks that it had not seen. The page shows these scans, whether they follow their masks, how \
             they compare with real ones, whether they copy any, and whether they help a segmentation \
             network. Brackets hold 95 % intervals unless a table says otherwise."
                .into(),
        )];
        if !self.settings.is_empty() {
            blocks.push(Block::Provenance(Facts(self.settings.clone())));
        }
        blocks
    }
}

#[cfg(test)]
mod tests;
