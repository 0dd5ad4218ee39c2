//! The stage that searches synthetic scans for copies of the scans that the generator learnt from.

use mrisynth_cohort::Visit;
use mrisynth_metrics::Results;
use mrisynth_metrics::privacy::{NearCopyConfig, NearCopySearch};
use mrisynth_volume::Volume;
use serde_json::{Value, json};

use super::augmentation_study::AugmentationStudy;
use super::config::SynthesisConfig;
use super::synthesis::Synthesis;
use crate::conversion::Conversion;
use crate::error::{Error, Result};
use crate::stage_graph::{Stage, StageEnd, Work};

const COPIES: &str = "near_copies.json";

/// Searches a set of synthetic scans.
pub(super) struct NearCopies<'a> {
    study: &'a AugmentationStudy,
    synthesis: &'a SynthesisConfig,
    name: String,
}

impl<'a> NearCopies<'a> {
    pub(super) fn new(study: &'a AugmentationStudy, synthesis: &'a SynthesisConfig) -> Self {
        Self { study, synthesis, name: Self::stage_of(&synthesis.name) }
    }

    /// The name of the stage of a set.
    pub(super) fn stage_of(synthesis: &str) -> String {
        format!("near-copies-{synthesis}")
    }

    /// What was found, in the folder of the stage.
    pub(super) fn results_in(folder: &std::path::Path) -> Result<Results> {
        Ok(Results::read(folder.join(COPIES))?)
    }

    /// The first image of a visit on the generator's grid, on which all have one shape.
    fn volume(&self, conversion: &Conversion, visit: &Visit) -> Result<Volume> {
        let config = conversion.config();
        let path = config.images.first().and_then(|suffix| visit.images.get(suffix));
        let path = path.ok_or_else(|| {
            let expected = format!("an image {}", config.images.join(", "));
            Error::argument("a scan", &visit.subject, expected)
        })?;
        let volume = Volume::read(path)?;
        let regrid = conversion.regrid(volume.geometry())?;
        Ok(regrid.apply(&volume, &config.resampling)?)
    }
}

impl Stage for NearCopies<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> Vec<String> {
        vec![Synthesis::stage_of(&self.synthesis.name)]
    }

    fn settings(&self) -> Result<Value> {
        let training = self.study.known_by(&self.study.training());
        Ok(json!({ "search": self.study.config.near_copies, "training": training }))
    }

    fn run(&self, work: &mut Work<'_>) -> Result<StageEnd> {
        let conversion = Conversion::new(&self.study.generator_experiment()?.data)?;
        let training = self.study.training();
        let volumes = training.iter().map(|visit| self.volume(&conversion, visit));
        let volumes: Vec<Volume> = volumes.collect::<Result<_>>()?;
        let shortest = conversion.config().shape()?.into_iter().min().unwrap_or(0);
        let asked = self.study.config.near_copies;
        let config = NearCopyConfig { max_shift: asked.max_shift.min(shortest / 4), ..asked };
        let search = NearCopySearch::new(&config, volumes.len(), |i| Ok(volumes[i].clone()))?;

        let folder = work.folder_of(&Synthesis::stage_of(&self.synthesis.name));
        let scans = Synthesis::scans_in(&folder)?;
        let (mut found, mut warnings) = (Vec::with_capacity(scans.len()), Vec::new());
        for (done, scan) in scans.iter().enumerate() {
            if work.stop.is_requested() {
                return Ok(StageEnd::Stopped);
            }
            work.progress(done, scans.len());
            let session = scan.session.as_deref().unwrap_or_default();
            let name = format!("{}: {} {session}", self.synthesis.name, scan.subject);
            let nearest = match search.most_alike(&self.volume(&conversion, scan)?) {
                Ok(nearest) => nearest,
                // A network that has learnt nothing makes such scans; they are copies of nobody.
                Err(flat @ mrisynth_metrics::Error::Constant { .. }) => {
                    warnings.push(format!("{name} cannot be compared: {flat}"));
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            if nearest.is_copy {
                let training = &training[nearest.training].subject;
                let correlation = nearest.correlation;
                warnings.push(format!(
                    "{name} is a near copy of {training} (correlation {correlation:.3})"
                ));
            }
            found.push(nearest);
        }
        let records = search.records(&found).into_iter();
        let records = records.map(|record| record.in_group("synthetic", &self.synthesis.name));
        let mut results = Results::new(records.collect());
        results.warnings = warnings;
        results.write(work.folder().join(COPIES))?;
        Ok(StageEnd::Done(vec![COPIES.into()]))
    }
}
