//! Training a segmentation network on a cohort, in a run folder.

use mrisynth_cohort::{Manifest, Visit};
use mrisynth_segmentation::{Case, ScanPreparation, SegmentationTrainee};
use mrisynth_training::{Observer, Outcome, RunFolder, Stop};
use mrisynth_volume::{LabelMap, Volume};

use crate::cohort_source::Division;
use crate::device_choice::DeviceChoice;
use crate::error::{Error, Result};
use crate::segmentation::SegmentationExperiment;

/// A segmentation experiment's training, ready to take steps.
#[derive(Debug)]
pub struct SegmentationRun {
    experiment: SegmentationExperiment,
    division: Division,
    trainee: SegmentationTrainee,
}

impl SegmentationRun {
    /// Reads the cohort into memory and makes the network.
    ///
    /// # Errors
    /// Those of reading and preparing scans; whatever in the experiment is refused.
    pub fn new(experiment: &SegmentationExperiment, cohort: &Manifest) -> Result<Self> {
        Self::new_on(DeviceChoice::Cpu, experiment, cohort)
    }

    /// The same on a device; see [`TrainingRun::new_on`](crate::TrainingRun::new_on).
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Device`].
    pub fn new_on(
        device: DeviceChoice,
        experiment: &SegmentationExperiment,
        cohort: &Manifest,
    ) -> Result<Self> {
        let device = device.open()?;
        let preparation = experiment.preparation()?;
        let division = Division::new(cohort, experiment.held_out, experiment.recipe.seed)?;
        let cases = |manifest: &Manifest| cases_of(manifest, &experiment.images, &preparation);
        let SegmentationExperiment { network, recipe, .. } = experiment;
        let learnt = cases(&division.training)?;
        let trainee = SegmentationTrainee::new_on(&device, network, recipe, learnt)?;
        let trainee = match &division.held_out {
            Some(held_out) => trainee.with_validation(network, cases(held_out)?)?,
            None => trainee,
        };
        Ok(Self { experiment: experiment.clone(), division, trainee })
    }

    /// How the cohort was divided.
    #[must_use]
    pub fn division(&self) -> &Division {
        &self.division
    }

    /// Trains to the last step, from the folder's last checkpoint if it has one.
    ///
    /// # Errors
    /// [`Error::Training`]; what was saved before is whole.
    pub fn train(
        &mut self,
        folder: &RunFolder,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome> {
        let mut run = self.experiment.run.clone();
        if self.division.held_out.is_none() {
            run.validate_every = 0;
        }
        Ok(mrisynth_training::train(&mut self.trainee, &run, folder, stop, observer)?)
    }
}

/// The visits of a cohort that have the images and a mask, on the network's grid.
///
/// # Errors
/// [`Error::Argument`] when there is none; those of reading and preparing, which name the file.
pub fn cases_of(
    cohort: &Manifest,
    images: &[String],
    preparation: &ScanPreparation,
) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for visit in &cohort.visits {
        let Some(mask) = &visit.mask else { continue };
        let Some(channels) = channels_of(cohort, visit, images)? else { continue };
        let mask = LabelMap::read(cohort.resolve(mask))?;
        cases.push(preparation.case(&channels, &mask)?);
    }
    if cases.is_empty() {
        let expected = format!("visits with {} and a mask", images.join(", "));
        return Err(Error::argument("the cohort", "none that can be used", expected));
    }
    Ok(cases)
}

/// The images of a visit in this order; `None` when it lacks one.
pub(super) fn channels_of(
    cohort: &Manifest,
    visit: &Visit,
    images: &[String],
) -> Result<Option<Vec<Volume>>> {
    let paths: Option<Vec<_>> = images.iter().map(|suffix| visit.images.get(suffix)).collect();
    let Some(paths) = paths else { return Ok(None) };
    let read = |path: &std::path::PathBuf| Ok(Volume::read(cohort.resolve(path))?);
    paths.into_iter().map(read).collect::<Result<_>>().map(Some)
}
