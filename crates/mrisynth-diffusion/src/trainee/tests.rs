use std::cell::RefCell;
use std::rc::Rc;

use candle_core::Tensor;
use candle_nn3d::{EmaSettings, LearningRate, OptimiserConfig, SgdSettings};
use keyed_random::Key;
use mrisynth_schedulers::{SamplingPreset, TrainingTimes};
use mrisynth_training::{Event, Outcome, RunConfig, RunFolder, Stop, train};

use super::*;
use crate::checkpoint_part::{Weights, checked};
use crate::condition::{Condition, Unconditional};
use crate::config::{Averaging, Clipping, ConditionDropout, ValidationConfig};
use crate::loss::Loss;
use crate::model::Precision;
use crate::small_network::{SmallNetwork, batches, drawn, values};

fn config() -> DiffusionConfig {
    DiffusionConfig {
        seed: 5,
        process: SamplingPreset::MedDdpm.config().process,
        loss: Loss::L1,
        learning_rate: LearningRate::constant(1e-2),
        averaging: Averaging::Exponential(EmaSettings { every: 2, ..EmaSettings::default() }),
        ..DiffusionConfig::default()
    }
}

/// Gradients go into parameters as they are.
fn descent() -> DiffusionConfig {
    DiffusionConfig {
        optimiser: OptimiserConfig::Sgd(SgdSettings::default()),
        clipping: Clipping::None,
        ..config()
    }
}

fn trainee_of(config: &DiffusionConfig, training: Box<dyn BatchSource>) -> DiffusionTrainee {
    let build = |vb| Ok(SmallNetwork::builder(2)(vb)?.with_dropout(0.2));
    DiffusionTrainee::new(config, ParameterStore::new(Key::new(1)), build, training).unwrap()
}

fn trainee(config: &DiffusionConfig, items: u64) -> DiffusionTrainee {
    trainee_of(config, Box::new(batches(items)))
}

fn parameters(trainee: &DiffusionTrainee) -> Vec<f64> {
    trainee.model.parameters().tensors().values().flat_map(values).collect()
}

fn averages(trainee: &DiffusionTrainee) -> Vec<f64> {
    trainee.average().unwrap().averages().values().flat_map(values).collect()
}

fn after_steps(mut trainee: DiffusionTrainee, steps: u64) -> Vec<f64> {
    (1..=steps).for_each(|step| drop(trainee.step(step).unwrap()));
    parameters(&trainee)
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn threads_change_no_bit() {
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| after_steps(trainee(&config(), 2), 3))
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(3));
}

#[test]
fn micro_batches_of_one_are_the_batch() {
    for times in [TrainingTimes::Uniform, TrainingTimes::LowDiscrepancy] {
        let config = DiffusionConfig { training_times: times, ..descent() };
        let whole = after_steps(trainee(&config, 4), 3);
        let config = DiffusionConfig { accumulation: 4, ..config };
        let apart = after_steps(trainee(&config, 1), 3);
        // Steps of 1e-2 times gradients near 1: rounding of f32 sums in another order.
        let far = largest_difference(&whole, &apart);
        assert!(far < 1e-7, "{far:e}");
    }
}

/// Gradients in transit between two processes.
type Wire = Rc<RefCell<Option<Gradients>>>;

struct Sends(Wire);

impl Reduction for Sends {
    fn reduce(&mut self, gradients: Gradients) -> candle_core::Result<Gradients> {
        self.0.replace(Some(gradients));
        Ok(Gradients::default())
    }
}

struct Receives(Wire);

impl Reduction for Receives {
    fn reduce(&mut self, mut gradients: Gradients) -> candle_core::Result<Gradients> {
        gradients.add(self.0.take().unwrap())?;
        gradients.scale(0.5)?;
        Ok(gradients)
    }
}

#[test]
fn two_processes_with_half_of_the_items_each_are_one_with_all() {
    let half = |of: u64| {
        let source = move |number: u64| batches(1)(2 * number + of);
        trainee_of(&descent(), Box::new(source))
    };
    let wire = Wire::default();
    let mut sender = half(1).with_reduction(Box::new(Sends(wire.clone())));
    let mut receiver = half(0).with_reduction(Box::new(Receives(wire)));
    sender.step(1).unwrap();
    receiver.step(1).unwrap();
    let far = largest_difference(&parameters(&receiver), &after_steps(trainee(&descent(), 2), 1));
    assert!(far < 1e-7, "{far:e}");
}

/// Trains to this step in a folder, by a new trainee, and gives the parts of its last checkpoint.
fn trained_in(folder: &RunFolder, steps: u64) -> Vec<Vec<u8>> {
    let held_out = Box::new(batches(2));
    let validation = ValidationConfig { batches: 1, levels: 2 };
    let config = DiffusionConfig { validation, ..config() };
    let mut trainee = trainee(&config, 1).with_validation(held_out);
    let run = RunConfig { steps, checkpoint_every: 2, validate_every: 2, ..RunConfig::default() };
    let ended = train(&mut trainee, &run, folder, &Stop::new(), &mut |_: &Event<'_>| {}).unwrap();
    assert!(matches!(ended, Outcome::Finished(_)));
    let latest = folder.checkpoints().latest().unwrap().unwrap().checkpoint;
    assert_eq!(latest.step(), steps);
    [MODEL, AVERAGE, OPTIMISER].map(|part| latest.read(part).unwrap()).to_vec()
}

#[test]
fn a_resumed_run_ends_with_the_bits_of_one_that_never_stopped() {
    let root = tempfile::tempdir().unwrap();
    let folder = |name| RunFolder::create(root.path().join(name), "").unwrap();
    let whole = trained_in(&folder("whole"), 5);
    let resumed = folder("resumed");
    let (first, second) = (trained_in(&resumed, 2), trained_in(&resumed, 4));
    assert!(first != second);
    assert_eq!(trained_in(&resumed, 5), whole);
}

#[test]
fn the_weights_of_a_checkpoint_are_the_average_or_those_trained() {
    let root = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(root.path().join("run"), "").unwrap();
    trained_in(&folder, 3);
    let checkpoint = folder.checkpoints().latest().unwrap().unwrap().checkpoint;
    let mut trainee = trainee(&config(), 1);
    trainee.restore(&checkpoint).unwrap();
    let read = |weights: Weights| -> Vec<f64> {
        weights.read(&checkpoint).unwrap().tensors.values().flat_map(values).collect()
    };
    assert_eq!(read(Weights::Trained), parameters(&trainee));
    assert_eq!(read(Weights::Averaged), averages(&trainee));
    assert_ne!(read(Weights::Averaged), parameters(&trainee));
}

#[test]
fn parts_of_others_and_of_later_versions_are_refused() {
    let part = marked(NamedTensors::default());
    assert!(checked(part.clone()).is_ok());
    for (key, value) in [("format", "other"), ("version", "2")] {
        let mut other = part.clone();
        other.metadata.insert(key.to_owned(), value.to_owned());
        let message = checked(other).unwrap_err().to_string();
        assert!(message.contains(key) && message.contains(value), "{message}");
    }
}

#[test]
fn frozen_parameters_stay_and_the_others_learn() {
    let frozen = vec!["first.*".parse().unwrap(), "*.bias".parse().unwrap()];
    let mut trainee = trainee(&DiffusionConfig { frozen, ..config() }, 1);
    let copies = |trainee: &DiffusionTrainee| {
        let tensors = trainee.model.parameters().tensors();
        tensors.into_iter().map(|(name, t)| (name, values(&t))).collect::<Vec<_>>()
    };
    let before = copies(&trainee);
    trainee.step(1).unwrap();
    let stayed = before.into_iter().zip(copies(&trainee)).filter(|(a, b)| a.1 == b.1);
    let names: Vec<_> = stayed.map(|((name, _), _)| name).collect();
    assert_eq!(names, ["first.bias", "first.weight", "last.bias", "time.bias"]);
}

#[test]
fn patterns_that_say_nothing_are_refused() {
    for pattern in ["fist.*", "*"] {
        let config = DiffusionConfig { frozen: vec![pattern.parse().unwrap()], ..config() };
        let store = ParameterStore::new(Key::new(1));
        let error =
            DiffusionTrainee::new(&config, store, SmallNetwork::builder(2), Box::new(batches(1)));
        assert!(error.unwrap_err().to_string().contains(pattern));
    }
}

#[test]
fn bf16_trains_masters_of_f32_and_follows_them() {
    let mut narrow = trainee(&DiffusionConfig { precision: Precision::Bf16, ..descent() }, 2);
    let mut wide = trainee(&descent(), 2);
    let start = parameters(&wide);
    for step in 1..=3 {
        let (a, b) = (narrow.step(step).unwrap(), wide.step(step).unwrap());
        let (a, b) = (a.scalars[0].value, b.scalars[0].value);
        assert!((a - b).abs() < 1e-2 * b, "{a} {b}");
    }
    let moved = largest_difference(&parameters(&wide), &start);
    let far = largest_difference(&parameters(&narrow), &parameters(&wide));
    assert!(far < 0.02 * moved, "{far:e} of {moved:e}");
    // Masters hold what bf16 cannot.
    let is_bf16 = |value: &f64| (*value as f32).to_bits() & 0xffff == 0;
    assert!(!parameters(&narrow).iter().all(is_bf16));
}

#[test]
fn what_is_not_finite_changes_nothing_and_names_the_step() {
    let poisoned = |number: u64| {
        let mut batch = batches(1)(number)?;
        if number == 1 {
            batch.images = (batch.images * f64::NAN)?;
        }
        Ok(batch)
    };
    let mut trainee = trainee_of(&config(), Box::new(poisoned));
    trainee.step(1).unwrap();
    let (before, average) = (parameters(&trainee), averages(&trainee));
    let error = trainee.step(2).unwrap_err();
    assert!(error.to_string().contains("step 2"), "{error}");
    assert_eq!((parameters(&trainee), averages(&trainee)), (before, average));
}

#[test]
fn validation_is_repeatable_averaged_and_changes_nothing() {
    let validation = ValidationConfig { batches: 2, levels: 2 };
    let config = DiffusionConfig { validation, ..config() };
    let mut trainee = trainee(&config, 1).with_validation(Box::new(batches(2)));
    (1..=3).for_each(|step| drop(trainee.step(step).unwrap()));
    let before = (parameters(&trainee), averages(&trainee));
    let scalars = trainee.validate(3).unwrap();
    let names: Vec<_> = scalars.iter().map(|scalar| scalar.name.as_ref()).collect();
    assert_eq!(names, ["loss", "loss_at_0.25", "loss_at_0.75"]);
    assert_eq!(scalars[0].value, (scalars[1].value + scalars[2].value) / 2.0);
    assert_eq!(trainee.validate(7).unwrap(), scalars);
    assert_eq!((parameters(&trainee), averages(&trainee)), before);
    // The same of a network that has the averages for parameters.
    let averages = trainee.average().unwrap().state();
    averages.load_into(trainee.model.parameters(), Matching::Strict).unwrap();
    assert_eq!(trainee.validate(3).unwrap(), scalars);
}

#[test]
fn previews_see_the_average() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&seen);
    let preview = move |network: &dyn Network, step: u64, _: &Path| {
        let t = Tensor::new(&[step as f32], &candle_core::Device::Cpu)?;
        let channels = Some(drawn("condition", &[0], 1));
        let condition = Condition { channels, ..Default::default() };
        *kept.borrow_mut() = values(&network.forward(&drawn("images", &[0], 1), &t, &condition)?);
        Ok(())
    };
    let mut trainee = trainee(&config(), 1).with_previewer(Box::new(preview));
    (1..=2).for_each(|step| drop(trainee.step(step).unwrap()));
    trainee.preview(2, Path::new("")).unwrap();
    let averaged = seen.borrow().clone();
    let averages = trainee.average().unwrap().state();
    averages.load_into(trainee.model.parameters(), Matching::Strict).unwrap();
    trainee.preview(2, Path::new("")).unwrap();
    assert_eq!(averaged, *seen.borrow());
}

#[test]
fn a_condition_always_dropped_is_the_unconditional_one() {
    let unconditional = Unconditional { fill: 0.5, class_label: 0 };
    let condition_dropout = ConditionDropout { probability: 1.0, unconditional };
    let dropped = DiffusionConfig { condition_dropout, ..config() };
    let constant = |number: u64| {
        let mut batch = batches(2)(number)?;
        let channels = batch.condition.channels.as_ref().map(|c| c.zeros_like()? + 0.5);
        batch.condition.channels = channels.transpose()?;
        Ok(batch)
    };
    let plain = after_steps(trainee_of(&config(), Box::new(constant)), 2);
    assert_eq!(after_steps(trainee(&dropped, 2), 2), plain);
    assert_ne!(after_steps(trainee(&config(), 2), 2), plain);
}

#[test]
fn items_are_dropped_as_often_as_asked() {
    let indices = (0..4000).collect();
    let images = Tensor::zeros((1, 1, 1, 1, 1), DType::F32, &candle_core::Device::Cpu).unwrap();
    let batch = Batch { images, condition: Condition::default(), indices };
    let draw = Draw::training(1, &batch);
    let dropped = draw.dropped(0.2).iter().filter(|&&dropped| dropped).count();
    // Four standard deviations of √(4000 · 0.2 · 0.8) = 25.
    assert!((700..900).contains(&dropped), "{dropped}");
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let refused = |change: fn(&mut Batch)| {
        let source = move |number: u64| {
            let mut batch = batches(2)(number)?;
            if number == 1 {
                change(&mut batch);
            }
            Ok(batch)
        };
        let config = DiffusionConfig { accumulation: 2, ..config() };
        trainee_of(&config, Box::new(source)).step(1).unwrap_err().to_string()
    };
    assert!(refused(|batch| batch.indices.truncate(1)).contains("images"));
    assert!(refused(|batch| *batch = batches(3)(0).unwrap()).contains("the number of items"));
    assert!(
        refused(|batch| batch.condition = batches(1)(0).unwrap().condition).contains("condition")
    );
    assert!(
        refused(|batch| batch.images = batch.images.to_dtype(DType::F64).unwrap()).contains("f32")
    );
    let source = |_| Err("no more scans".into());
    let error = trainee_of(&config(), Box::new(source)).step(3).unwrap_err().to_string();
    assert!(error.contains("batch 2") && error.contains("no more scans"), "{error}");
}

#[test]
fn previews_and_validations_remember_no_activations() {
    let forgets = |network: &dyn Network| {
        let x = drawn("images", &[0], 1);
        let condition = Condition { channels: Some(x.clone()), ..Condition::default() };
        let times = Tensor::new(&[3.0_f32], x.device()).unwrap();
        !network.forward(&x, &times, &condition).unwrap().track_op()
    };
    let preview = move |network: &dyn Network, _: u64, _: &Path| {
        assert!(forgets(network));
        Ok(())
    };
    let mut trainee = trainee(&config(), 1).with_previewer(Box::new(preview));
    trainee.preview(1, Path::new("")).unwrap();
    assert!(!forgets(&*trainee.model.network().unwrap()), "a step needs them");
}
