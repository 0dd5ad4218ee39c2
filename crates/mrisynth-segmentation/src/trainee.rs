//! The training of a segmentation network, as a run sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn3d::{
    GradientNorm, Gradients, Matching, NamedTensors, Optimiser, ParameterStore, value_and_gradients,
};
use keyed_random::Key;
use mrisynth_training::{CheckpointReader, CheckpointWriter, Scalar, StepReport, Trainee};

use crate::case::Case;
use crate::deep_supervision::deeply_supervised;
use crate::dice_cross_entropy::TargetClasses;
use crate::error::{Error, Result};
use crate::network::{Segmenter, SegmenterConfig};
use crate::patch_sampler::PatchSampler;
use crate::recipe::Recipe;
use crate::sliding_window::{SlidingWindow, SlidingWindowConfig};

/// The parts of a checkpoint.
const MODEL: &str = "model.safetensors";
const OPTIMISER: &str = "optimiser.safetensors";
/// Which of cuDNN's algorithms the convolutions of a run on a GPU take.
#[cfg(feature = "cuda")]
const GPU: &str = "gpu.json";

/// Under which names a part says what it is, and its version.
const FORMAT: (&str, &str) = ("format", "mrisynth-segmentation");
const VERSION: (&str, &str) = ("version", "1");

/// A segmentation network in training.
///
/// Patches, their augmentation and the initial weights are keyed by the recipe's seed, so that the state of
/// a training is its parameters and its optimiser.
pub struct SegmentationTrainee {
    recipe: Recipe,
    network: Segmenter,
    classes: usize,
    parameters: ParameterStore,
    optimiser: Box<dyn Optimiser>,
    sampler: PatchSampler,
    validation: Vec<Case>,
    window: SlidingWindow,
}

impl SegmentationTrainee {
    /// A training from new weights, on these cases.
    ///
    /// # Errors
    /// Settings out of their domain; [`Error::Argument`] for cases that do not fit the network.
    pub fn new(network: &SegmenterConfig, recipe: &Recipe, cases: Vec<Case>) -> Result<Self> {
        Self::new_on(&Device::Cpu, network, recipe, cases)
    }

    /// The same with the network on a device; patches are made by the processor.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_on(
        device: &Device,
        network: &SegmenterConfig,
        recipe: &Recipe,
        cases: Vec<Case>,
    ) -> Result<Self> {
        recipe.check()?;
        let key = Key::new(recipe.seed).with("segmentation");
        let parameters = ParameterStore::new(key.with("weights")).on(device)?;
        let classes = network.classes();
        check_cases("cases", &cases, network)?;
        let stride = network.total_stride();
        let patch = recipe.patches.patch;
        if (0..3).any(|axis| !patch[axis].is_multiple_of(stride[axis])) {
            return Err(Error::config("patch", patch, format!("multiples of {stride:?}")));
        }
        let window = SlidingWindowConfig {
            window: patch,
            mirrored_axes: [false; 3],
            ..SlidingWindowConfig::default()
        };
        Ok(Self {
            network: Segmenter::new(network, parameters.builder(DType::F32))?,
            classes,
            parameters,
            optimiser: recipe.optimiser.build()?,
            sampler: PatchSampler::new(&recipe.patches, cases, key.with("patches"))?,
            validation: Vec::new(),
            window: SlidingWindow::new(&window)?,
            recipe: recipe.clone(),
        })
    }

    /// The same, validated on these cases: the mean Dice of whole scans.
    ///
    /// # Errors
    /// [`Error::Argument`] for cases that do not fit the network.
    pub fn with_validation(self, network: &SegmenterConfig, validation: Vec<Case>) -> Result<Self> {
        check_cases("validation", &validation, network)?;
        Ok(Self { validation, ..self })
    }

    /// The parameters under the names of the network's reference.
    #[must_use]
    pub fn parameters(&self) -> &ParameterStore {
        &self.parameters
    }

    /// The network in training.
    #[must_use]
    pub fn network(&self) -> &Segmenter {
        &self.network
    }

    fn batch(&self, step: u64) -> Result<(Tensor, TargetClasses)> {
        let patches = self.sampler.batch(step);
        let [x, y, z] = self.recipe.patches.patch;
        let (mut images, mut classes) = (Vec::new(), Vec::new());
        for patch in &patches {
            images.extend_from_slice(&patch.image);
            classes.extend_from_slice(&patch.classes);
        }
        let channels = images.len() / classes.len().max(1);
        let shape = (patches.len(), channels, x, y, z);
        let images = Tensor::from_vec(images, shape, self.parameters.device())?;
        Ok((images, TargetClasses::new(classes, [patches.len(), x, y, z])?))
    }

    /// Class of every voxel of a case, by the network as it is.
    fn segment(&self, case: &Case) -> Result<Vec<u8>> {
        let [x, y, z] = case.shape();
        let shape = (1, case.channels(), x, y, z);
        let image = Tensor::from_slice(case.image(), shape, &Device::Cpu)?;
        let device = self.parameters.device();
        let network = |patch: &Tensor| self.network.forward(&patch.to_device(device)?);
        let logits = self.window.run(&image, network)?;
        crate::classes_of(&logits)
    }
}

fn check_cases(argument: &'static str, cases: &[Case], network: &SegmenterConfig) -> Result<()> {
    let classes = network.classes();
    for case in cases {
        if case.channels() != network.in_channels() {
            let expected = format!("{} as the network has", network.in_channels());
            return Err(Error::argument(argument, case.channels(), expected));
        }
        if let Some(class) = case.classes().iter().find(|class| usize::from(**class) >= classes) {
            return Err(Error::argument(argument, class, format!("classes below {classes}")));
        }
    }
    Ok(())
}

impl Trainee for SegmentationTrainee {
    type Error = Error;

    fn step(&mut self, step: u64) -> Result<StepReport> {
        // Runs count from 1, rates from 0.
        let rate = self.recipe.learning_rate.at(step.saturating_sub(1));
        let (images, target) = self.batch(step)?;
        let mut refused = None;
        let result = value_and_gradients(|| {
            let loss = self
                .network
                .forward_deep(&images)
                .and_then(|logits| deeply_supervised(&self.recipe.loss, &logits, &target));
            loss.map_err(|error| {
                let text = error.to_string();
                refused = Some(error);
                candle_core::Error::Msg(text)
            })
        });
        if let Some(error) = refused {
            return Err(error);
        }
        let (loss, gradients) = result?;
        let mut gradients = Gradients::of(&self.parameters, gradients)?;
        let norm = match gradients.clip_norm(self.recipe.clip)? {
            GradientNorm::Finite(norm) => norm,
            GradientNorm::NotFinite { parameters } => {
                return Err(Error::NotFinite { step, parameters });
            }
        };
        self.optimiser.step(&self.parameters, &gradients, rate)?;
        let loss = f64::from(loss.to_scalar::<f32>()?);
        let scalars = vec![
            Scalar::new("loss", loss),
            Scalar::new("gradient_norm", norm),
            Scalar::new("learning_rate", rate),
        ];
        Ok(StepReport { scalars, voxels: target.classes().len() as u64 })
    }

    /// The Dice of each class over all held-out scans together, and `dice`, their mean.
    fn validate(&mut self, _step: u64) -> Result<Vec<Scalar>> {
        if self.validation.is_empty() {
            return Ok(Vec::new());
        }
        let mut counts = vec![[0_u64; 3]; self.classes];
        for case in &self.validation {
            for (found, truth) in self.segment(case)?.iter().zip(case.classes()) {
                counts[usize::from(*found)][0] += 1;
                counts[usize::from(*truth)][1] += 1;
                counts[usize::from(*truth)][2] += u64::from(found == truth);
            }
        }
        let mut scalars = Vec::with_capacity(self.classes);
        for (class, [found, truth, both]) in counts.iter().enumerate().skip(1) {
            if found + truth > 0 {
                let dice = 2.0 * *both as f64 / (found + truth) as f64;
                scalars.push(Scalar::new(format!("dice_{class}"), dice));
            }
        }
        let mean = scalars.iter().map(|s| s.value).sum::<f64>() / scalars.len().max(1) as f64;
        scalars.insert(0, Scalar::new("dice", mean));
        Ok(scalars)
    }

    fn preview(&mut self, _step: u64, _folder: &Path) -> Result<()> {
        Ok(())
    }

    fn save(&self, checkpoint: &mut CheckpointWriter<'_>) -> Result<()> {
        let mut write = |name, tensors: NamedTensors| -> Result<()> {
            marked(tensors).save_safetensors(checkpoint.path_of(name)?)?;
            Ok(())
        };
        write(MODEL, NamedTensors::of(&self.parameters))?;
        write(OPTIMISER, self.optimiser.state()?)?;
        #[cfg(feature = "cuda")]
        if self.parameters.device().is_cuda() {
            candle_nn3d::gpu::Choices::made().write(checkpoint.path_of(GPU)?)?;
        }
        Ok(())
    }

    fn restore(&mut self, checkpoint: &CheckpointReader) -> Result<()> {
        let read = |name| checked(NamedTensors::load_safetensors(checkpoint.path_of(name)?)?);
        read(MODEL)?.load_into(&self.parameters, Matching::Strict)?;
        self.optimiser.load_state(&read(OPTIMISER)?)?;
        #[cfg(feature = "cuda")]
        if self.parameters.device().is_cuda() && checkpoint.record().parts.contains_key(GPU) {
            candle_nn3d::gpu::Choices::read(checkpoint.path_of(GPU)?)?.recall();
        }
        Ok(())
    }
}

impl fmt::Debug for SegmentationTrainee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentationTrainee").field("recipe", &self.recipe).finish_non_exhaustive()
    }
}

/// The part, with its format and version.
fn marked(mut part: NamedTensors) -> NamedTensors {
    let mark = BTreeMap::from([FORMAT, VERSION].map(|(key, is)| (key.to_owned(), is.to_owned())));
    part.metadata.extend(mark);
    part
}

/// The part, if it is one of ours.
fn checked(part: NamedTensors) -> Result<NamedTensors> {
    for (key, is) in [FORMAT, VERSION] {
        let found = part.metadata.get(key).map_or("absent", String::as_str);
        if found != is {
            return Err(Error::argument(key, found, is));
        }
    }
    Ok(part)
}

#[cfg(test)]
mod tests;
