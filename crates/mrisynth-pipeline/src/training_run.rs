//! Training an experiment on a cohort, in a run folder.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::DType;
use candle_nn::VarBuilder;
use candle_nn3d::ParameterStore;
use keyed_random::Key;
use mrisynth_cohort::{AugmentationConfig, Cache, Loader, LoaderConfig, Manifest};
use mrisynth_diffusion::{DiffusionTrainee, Generator, GeneratorConfig};
use mrisynth_schedulers::SamplingConfig;
use mrisynth_training::{
    CurveSummary, FileReference, ModelCard, Observer, Outcome, RunFolder, Stop, read_log,
};

use crate::batches::CohortBatches;
use crate::cohort_source::Division;
use crate::conversion::Conversion;
use crate::device_choice::DeviceChoice;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::memory::{MemoryEstimate, Work};
use crate::mirroring;
use crate::network::ConditionedUnet;
use crate::preview::MontagePreview;

/// An experiment's training, ready to take steps.
pub struct TrainingRun {
    experiment: Experiment,
    division: Division,
    trainee: DiffusionTrainee,
}

impl TrainingRun {
    /// Looks whether there is enough memory, prepares the cohort and makes the network.
    ///
    /// Prepared scans go to `cache`, which several runs may share. Weights that the experiment begins
    /// at are read unless `resumes`: then they come from the run's checkpoint.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) when it cannot fit, before anything is done;
    /// [`Error::Masks`](crate::Error::Masks) and [`Error::Cohort`](crate::Error::Cohort) with all masks
    /// and scans that cannot be used; whatever in the experiment is refused.
    pub fn new(
        experiment: &Experiment,
        cohort: &Manifest,
        cache: &Cache,
        resumes: bool,
    ) -> Result<Self> {
        Self::new_on(DeviceChoice::Cpu, experiment, cohort, cache, resumes)
    }

    /// The same on a device: scans are prepared by the processor and the network runs there. Which of
    /// cuDNN's algorithms a GPU takes is kept with the checkpoints, and a run that resumes takes the
    /// same.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Device`](crate::Error::Device).
    pub fn new_on(
        device: DeviceChoice,
        experiment: &Experiment,
        cohort: &Manifest,
        cache: &Cache,
        resumes: bool,
    ) -> Result<Self> {
        experiment.check()?;
        let device = device.open()?;
        let needed = memory_of_training(experiment)?;
        needed.check_on(&device, &format!("training {}", experiment.name))?;
        let Experiment { diffusion, training, network, .. } = experiment;
        let conversion = Conversion::new(&experiment.data)?;
        let division = Division::new(cohort, training.held_out, diffusion.seed)?;
        let load = |manifest: &Manifest, augmentation, patch| -> Result<Loader> {
            let config = LoaderConfig {
                preparation: experiment.data.preparation(),
                augmentation,
                patch,
                batch_size: training.batch_size,
                seed: diffusion.seed,
            };
            Ok(Loader::new(manifest, &config, cache, &|_, _| ControlFlow::Continue(()))?)
        };
        if !resumes {
            conversion.check_masks(&division.training)?;
            division.held_out.iter().try_for_each(|manifest| conversion.check_masks(manifest))?;
        }
        let augmentation =
            mirroring::for_scheme(training.augmentation.clone(), conversion.scheme());
        let whole = |manifest| load(manifest, AugmentationConfig::default(), None);
        let held_out = division.held_out.as_ref();
        let held_out = held_out.map(whole).transpose()?;
        let learnt = load(&division.training, augmentation.clone(), training.patch)?;

        let parameters = ParameterStore::new(Key::new(diffusion.seed).with("weights"));
        let parameters = parameters.on(&device)?;
        ConditionedUnet::new(network, false, parameters.builder(DType::F32))?;
        if let Some(fine_tuning) = training.fine_tuning.as_ref().filter(|_| !resumes) {
            fine_tuning.begin(network, &parameters)?;
        }
        let (config, recompute) = (network.clone(), training.recompute);
        let build = move |vb: VarBuilder<'static>| {
            ConditionedUnet::new(&config, recompute, vb).map_err(candle_core::Error::wrap)
        };
        let shown = match &held_out {
            Some(held_out) => held_out.batch(0)?,
            None => load(&division.training, augmentation, None)?.batch(0)?,
        };
        let sampling =
            SamplingConfig { steps: training.preview_steps, ..experiment.sampling_config() };
        let precision = diffusion.precision;
        let generator = GeneratorConfig { sampling, precision, ..experiment.generator_config() };
        let preview = MontagePreview {
            generator: Generator::new(&generator)?.on(&device),
            conversion: conversion.clone(),
            batch: shown,
        };
        let batches = CohortBatches::new(learnt, conversion.clone(), training.readers);
        let trainee = DiffusionTrainee::new(diffusion, parameters, build, Box::new(batches))?
            .with_previewer(Box::new(preview));
        let trainee = match held_out {
            Some(loader) => {
                trainee.with_validation(Box::new(CohortBatches::new(loader, conversion, 0)))
            }
            None => trainee,
        };
        Ok(Self { experiment: experiment.clone(), division, trainee })
    }

    /// How the cohort was divided.
    #[must_use]
    pub fn division(&self) -> &Division {
        &self.division
    }

    /// Trains to the last step, from the folder's last checkpoint if it has one, and writes the
    /// model's card, however the run ends.
    ///
    /// `data_card` is the card of the cohort, where there is one.
    ///
    /// # Errors
    /// [`Error::Training`](crate::Error::Training); what was saved before is whole.
    pub fn train(
        &mut self,
        folder: &RunFolder,
        data_card: Option<&Path>,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome> {
        let mut run = self.experiment.training.run.clone();
        if self.division.held_out.is_none() {
            run.validate_every = 0;
        }
        let outcome = mrisynth_training::train(&mut self.trainee, &run, folder, stop, observer)?;
        self.card(folder, data_card, &outcome)?.write(folder.path())?;
        Ok(outcome)
    }

    fn card(
        &self,
        folder: &RunFolder,
        data_card: Option<&Path>,
        outcome: &Outcome,
    ) -> Result<ModelCard> {
        let Experiment { name, description, data, .. } = &self.experiment;
        let summary = outcome.summary();
        let subjects = self.division.training.subjects().len();
        let limits = [
            format!("Learnt from {subjects} subjects; it knows no anatomy that they do not show."),
            "Not for diagnosis. What it makes is not a scan of anybody, and is marked so.".into(),
            "Volumes may resemble training scans: check for copies before sharing them.".into(),
        ];
        Ok(ModelCard {
            name: name.clone(),
            software: format!("mrisynth {}", env!("CARGO_PKG_VERSION")),
            intended_use: vec![description.clone(), "Research on synthetic brain MRI.".into()],
            limits: limits.into(),
            data_card: data_card.map(FileReference::to_file).transpose()?,
            label_scheme: data.scheme()?.map(|scheme| scheme.name().to_owned()),
            settings: folder.config().to_owned(),
            steps: summary.step,
            curves: CurveSummary::of_log(&read_log(folder.log_path())?),
            resources: summary.resources,
        })
    }
}

impl std::fmt::Debug for TrainingRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainingRun")
            .field("experiment", &self.experiment.name)
            .finish_non_exhaustive()
    }
}

/// The memory that training an experiment takes: that of its steps, its validations or its previews,
/// whichever is most.
///
/// # Errors
/// For a network that cannot be made.
pub fn memory_of_training(experiment: &Experiment) -> Result<MemoryEstimate> {
    let Experiment { network, training, diffusion, .. } = experiment;
    let data = &experiment.data;
    let bytes_per_number = diffusion.precision.dtype().size_in_bytes();
    let whole = |batch| -> Result<Work> {
        Ok(Work { batch, space: data.tensor_shape()?, bytes_per_number })
    };
    let shown = training.patch.map_or_else(|| data.shape(), Ok)?;
    let step = Work { space: data.axes.tensor_shape(shown), ..whole(training.batch_size)? };
    let mut most = MemoryEstimate::of_training(network, step, training.recompute)?;
    if training.run.validate_every > 0 {
        let batch = whole(training.batch_size)?;
        most = most.or_more(MemoryEstimate::of_evaluation(network, batch)?);
    }
    if training.run.preview_every > 0 {
        most = most.or_more(MemoryEstimate::of_evaluation(network, whole(1)?)?);
    }
    Ok(most)
}
