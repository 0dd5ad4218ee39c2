//! The training of a diffusion, as a run sees it.

use std::fmt;
use std::path::Path;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{
    Ema, Gradients, Matching, NamedTensors, ParameterStore, value_and_gradients, without_gradients,
};
use mrisynth_training::{CheckpointReader, CheckpointWriter, Scalar, StepReport, Trainee};

use crate::batch::{Batch, BatchSource, fetch};
#[cfg(feature = "cuda")]
use crate::checkpoint_part::GPU;
use crate::checkpoint_part::{AVERAGE, MODEL, OPTIMISER, marked, read};
use crate::config::DiffusionConfig;
use crate::draw::Draw;
use crate::error::{BoxedError, Error, Result};
use crate::learner::{Learner, Reduction};
use crate::model::Model;
use crate::network::Network;
use crate::objective::Objective;
use crate::validation;

/// Shows a person how far a training is, by the network of the averaged parameters. Closures are
/// previewers.
pub trait Previewer {
    /// Writes into `folder`.
    ///
    /// # Errors
    /// Whatever goes wrong.
    fn preview(
        &mut self,
        network: &dyn Network,
        step: u64,
        folder: &Path,
    ) -> std::result::Result<(), BoxedError>;
}

impl<F> Previewer for F
where
    F: FnMut(&dyn Network, u64, &Path) -> std::result::Result<(), BoxedError>,
{
    fn preview(
        &mut self,
        network: &dyn Network,
        step: u64,
        folder: &Path,
    ) -> std::result::Result<(), BoxedError> {
        self(network, step, folder)
    }
}

/// A diffusion in training.
///
/// A step averages the gradients of its micro-batches and learns from them. Whatever is drawn for an
/// item is keyed by the seed and the item's index, so that a step of k micro-batches of one item is the
/// step of one batch of k, up to the order in which gradients are summed, and so that the state of a
/// training is what [`save`](Trainee::save) writes: parameters, their average, the optimiser.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn3d::{Conv3dConfig, ParameterStore, conv3d};
/// use mrisynth_diffusion::*;
/// use mrisynth_training::Trainee;
/// let batches = |number: u64| -> std::result::Result<Batch, BoxedError> {
///     let images = Tensor::ones((1, 1, 4, 4, 4), DType::F32, &Device::Cpu)?;
///     Ok(Batch { images, condition: Condition::default(), indices: vec![number] })
/// };
/// let parameters = ParameterStore::new(keyed_random::Key::new(1));
/// let build = |vb: candle_nn::VarBuilder<'_>| {
///     let layer = conv3d(1, 1, [3; 3], Conv3dConfig::same(3), vb)?;
///     Ok(move |x: &Tensor, _: &Tensor, _: &Condition| x.apply(&layer))
/// };
/// let config = DiffusionConfig::default();
/// let mut trainee = DiffusionTrainee::new(&config, parameters, build, Box::new(batches))?;
/// let report = trainee.step(1)?;
/// assert_eq!((report.scalars[0].name.as_ref(), report.voxels), ("loss", 64));
/// # Ok::<(), mrisynth_diffusion::Error>(())
/// ```
pub struct DiffusionTrainee {
    config: DiffusionConfig,
    model: Model,
    objective: Objective,
    learner: Learner,
    training: Box<dyn BatchSource>,
    held_out: Option<Box<dyn BatchSource>>,
    previewer: Option<Box<dyn Previewer>>,
}

impl DiffusionTrainee {
    /// A training from the parameters as they are; those that the network asks for and are missing
    /// are made.
    ///
    /// # Errors
    /// Settings outside their domain; those of `build`.
    pub fn new<N: Network + 'static>(
        config: &DiffusionConfig,
        parameters: ParameterStore,
        build: impl Fn(VarBuilder<'static>) -> candle_core::Result<N> + 'static,
        training: Box<dyn BatchSource>,
    ) -> Result<Self> {
        let objective = Objective::new(config)?;
        let model = Model::new(parameters, config.precision, build)?.with_frozen(&config.frozen)?;
        let learner = Learner::new(config, model.parameters())?;
        let config = config.clone();
        let (held_out, previewer) = (None, None);
        Ok(Self { config, model, objective, learner, training, held_out, previewer })
    }

    /// The same, validated on the first batches of this source.
    #[must_use]
    pub fn with_validation(self, held_out: Box<dyn BatchSource>) -> Self {
        Self { held_out: Some(held_out), ..self }
    }

    /// The same, with previews.
    #[must_use]
    pub fn with_previewer(self, previewer: Box<dyn Previewer>) -> Self {
        Self { previewer: Some(previewer), ..self }
    }

    /// The same, as one of several processes.
    #[must_use]
    pub fn with_reduction(self, reduction: Box<dyn Reduction>) -> Self {
        Self { learner: self.learner.with_reduction(reduction), ..self }
    }

    /// The parameters and the network.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The average of the parameters, if one is kept.
    #[must_use]
    pub fn average(&self) -> Option<&Ema> {
        self.learner.average()
    }

    /// The share of a micro-batch in the loss, not yet read, and its gradients.
    fn micro_batch(&self, network: &dyn Network, batch: &Batch) -> Result<(Tensor, Gradients)> {
        let DiffusionConfig { seed, accumulation, condition_dropout, .. } = self.config;
        let dtype = self.model.precision().dtype();
        let draw = Draw::training(seed, batch);
        let items_of_step = u64::from(accumulation) * batch.items() as u64;
        let times = draw.times(self.config.training_times, items_of_step)?;
        let question = {
            let noise = draw.noise(&batch.images)?;
            self.objective.question(&batch.images, &noise, &times)?
        };
        let dropped = draw.dropped(condition_dropout.probability);
        let condition = batch.condition.without(&dropped, &condition_dropout.unconditional)?;
        let (input, condition) = (question.input.to_dtype(dtype)?, condition.to_dtype(dtype)?);
        let keys = draw.dropout();
        let share = 1.0 / f64::from(accumulation);
        let (loss, gradients) = value_and_gradients(|| {
            let answer = network.forward_train(&input, &question.timesteps, &condition, &keys)?;
            question.shared_loss(&answer, share)
        })?;
        Ok((loss, Gradients::of(self.model.parameters(), gradients)?))
    }
}

impl Trainee for DiffusionTrainee {
    type Error = Error;

    fn step(&mut self, step: u64) -> Result<StepReport> {
        let network = self.model.network()?;
        let mut gradients = Gradients::default();
        let (mut shares, mut voxels, mut items) = (Vec::new(), 0, None);
        let accumulation = u64::from(self.config.accumulation);
        for micro in 0..accumulation {
            let number = step.saturating_sub(1) * accumulation + micro;
            let device = self.model.parameters().device();
            let batch = fetch(&mut *self.training, number, device)?;
            let expected = *items.get_or_insert(batch.items());
            if batch.items() != expected {
                let expected = format!("{expected}, as in the first batch of the step");
                return Err(Error::shape("the number of items", batch.items(), expected));
            }
            let (share, more) = self.micro_batch(&*network, &batch)?;
            shares.push(share);
            voxels += batch.voxels();
            gradients.add(more)?;
        }
        // Read when all of the step's work is under way: a GPU is waited for here and for the norm.
        let read = |share: &Tensor| share.to_dtype(DType::F64)?.to_scalar::<f64>();
        let shares = shares.iter().map(read).collect::<candle_core::Result<Vec<_>>>()?;
        let loss = shares.into_iter().fold(0.0, |sum, share| sum + share);
        if !loss.is_finite() {
            return Err(Error::NotFinite { step, what: "the loss", parameters: vec![] });
        }
        let learnt = self.learner.learn(self.model.parameters(), gradients, step)?;
        let scalars = vec![
            Scalar::new("loss", loss),
            Scalar::new("gradient_norm", learnt.gradient_norm),
            Scalar::new("learning_rate", learnt.learning_rate),
        ];
        Ok(StepReport { scalars, voxels })
    }

    /// The loss at fixed levels, with the averaged parameters: `loss`, and one for each level.
    fn validate(&mut self, _step: u64) -> Result<Vec<Scalar>> {
        let Self { config, model, objective, learner, held_out, .. } = self;
        let Some(held_out) = held_out else { return Ok(Vec::new()) };
        averaged(learner, model, |network| {
            let device = model.parameters().device();
            validation::measure(config, objective, network, device, &mut **held_out)
        })
    }

    fn preview(&mut self, step: u64, folder: &Path) -> Result<()> {
        let Self { model, learner, previewer, .. } = self;
        let Some(previewer) = previewer else { return Ok(()) };
        averaged(learner, model, |network| {
            let preview = previewer.preview(network, step, folder);
            preview.map_err(|source| Error::Preview { step, source })
        })
    }

    fn save(&self, checkpoint: &mut CheckpointWriter<'_>) -> Result<()> {
        let mut write = |name, tensors: NamedTensors| -> Result<()> {
            marked(tensors).save_safetensors(checkpoint.path_of(name)?)?;
            Ok(())
        };
        write(MODEL, NamedTensors::of(self.model.parameters()))?;
        write(OPTIMISER, self.learner.optimiser.state()?)?;
        if let Some(ema) = &self.learner.ema {
            write(AVERAGE, ema.state())?;
        }
        #[cfg(feature = "cuda")]
        if self.model.parameters().device().is_cuda() {
            candle_nn3d::gpu::Choices::made().write(checkpoint.path_of(GPU)?)?;
        }
        Ok(())
    }

    fn restore(&mut self, checkpoint: &CheckpointReader) -> Result<()> {
        read(checkpoint, MODEL)?.load_into(self.model.parameters(), Matching::Strict)?;
        self.learner.optimiser.load_state(&read(checkpoint, OPTIMISER)?)?;
        if let Some(ema) = &mut self.learner.ema {
            ema.load_state(&read(checkpoint, AVERAGE)?)?;
        }
        #[cfg(feature = "cuda")]
        if self.model.parameters().device().is_cuda() && checkpoint.record().parts.contains_key(GPU)
        {
            candle_nn3d::gpu::Choices::read(checkpoint.path_of(GPU)?)?.recall();
        }
        Ok(())
    }
}

impl fmt::Debug for DiffusionTrainee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiffusionTrainee")
            .field("config", &self.config)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// Runs something with the network of the averaged parameters, or of the parameters where no
/// average is kept; nothing is remembered for gradients. No parameter is copied in f32.
fn averaged<R>(
    learner: &mut Learner,
    model: &Model,
    run: impl FnOnce(&dyn Network) -> Result<R>,
) -> Result<R> {
    let run = || without_gradients(|| run(&*model.network()?));
    match &mut learner.ema {
        Some(ema) => ema.with_averaged(model.parameters(), || Ok(run()))?,
        None => run(),
    }
}

#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod tests;
