//! How much memory training and sampling take, told before either begins.
//!
//! The estimate follows the network's convolutions in their order, which their names tell, with the
//! resolution each works at, and counts what lives at the worst moment. It is meant to be right to
//! about a quarter, mostly on the safe side: near enough to refuse what cannot fit, and to choose a batch size.

mod available;
mod walk;

use std::fmt;

use candle_core::Device;
use mrisynth_unet::{UnetConfig, parameter_shapes};
use serde::Serialize;

pub use available::available_bytes;
pub(crate) use walk::total_stride;

use crate::error::{Error, Result};
use walk::Walk;

/// Bytes of an f32 number.
const F32: f64 = 4.0;
/// Convolutions prepared for inference hold their weights at points of two axes: so many times the
/// numbers of the originals, or the second where there are more weights than voxels.
const PREPARED: [f64; 2] = [4.0, 1.8];
/// Copies of the weights in training: the weights, their gradients, two moments and an average.
const TRAINED_COPIES: f64 = 5.0;
/// What a process takes before it does anything, and what its libraries keep, in bytes.
const PROCESS: f64 = 40.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;

/// What a network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Volumes at a time.
    pub batch: usize,
    /// Voxels along each axis of a tensor.
    pub space: [usize; 3],
    /// Bytes of a number of an activation: 4 for f32, 2 for bf16.
    pub bytes_per_number: usize,
}

/// The most memory that a process will hold, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Weights, and whatever training keeps beside each of them.
    pub weights_mib: u64,
    /// Activations at the worst moment.
    pub activations_mib: u64,
    /// Batches, working memory of kernels, the process itself.
    pub other_mib: u64,
}

impl MemoryEstimate {
    /// For sampling with prepared weights.
    ///
    /// # Errors
    /// [`Error::Unet`] for a network that cannot be made.
    pub fn of_sampling(network: &UnetConfig, work: Work) -> Result<Self> {
        let shapes = parameter_shapes(network)?;
        let walk = Walk::new(&shapes, work.space);
        let numbers = work.batch as f64 * work.bytes_per_number as f64;
        let weights = walk.prepared_numbers(PREPARED) * F32;
        // The conditions, and the input in two layouts; sample, noise, guess and what a multistep
        // sampler remembers. In f32.
        let [input, output] = walk.ends();
        let samples = (3.0 * input + 6.0 * output) * work.batch as f64 * F32;
        Ok(Self::new(weights, walk.most_live() * numbers, samples + walk.scratch_bytes()))
    }

    /// For training: with `recompute`, activations of one block at a time.
    ///
    /// # Errors
    /// As [`of_sampling`](Self::of_sampling).
    pub fn of_training(network: &UnetConfig, work: Work, recompute: bool) -> Result<Self> {
        let shapes = parameter_shapes(network)?;
        let walk = Walk::new(&shapes, work.space);
        let numbers = work.batch as f64 * work.bytes_per_number as f64;
        let weights = walk.parameters() * F32 * TRAINED_COPIES;
        // What is remembered is most before the first gradient; where blocks are computed again, one
        // of them is whole while all others' outputs wait.
        let again = if recompute { walk.most_in_a_block() } else { 0.0 };
        let live = walk.remembered(recompute) + again;
        // Two batches ahead, and one that is converted.
        let [input, output] = walk.ends();
        let samples = (5.0 * input + 4.0 * output) * work.batch as f64 * F32;
        Ok(Self::new(weights, live * numbers, samples + walk.scratch_bytes()))
    }

    /// For what a training does between its steps with the averaged network, validations and previews:
    /// gradients and what they need are let go of; weights, their average and their moments stay, and
    /// in bf16 the casts that the network is made of lie beside them.
    ///
    /// # Errors
    /// As [`of_sampling`](Self::of_sampling).
    pub fn of_evaluation(network: &UnetConfig, work: Work) -> Result<Self> {
        let shapes = parameter_shapes(network)?;
        let walk = Walk::new(&shapes, work.space);
        let bytes = work.bytes_per_number as f64;
        let casts = if bytes < F32 { bytes } else { 0.0 };
        let weights = walk.parameters() * (F32 * (TRAINED_COPIES - 1.0) + casts);
        let activations = walk.most_live() * work.batch as f64 * bytes;
        // The batches of training that were read ahead, and a sampler's volumes.
        let [input, output] = walk.ends();
        let samples = (5.0 * input + 6.0 * output) * work.batch as f64 * F32;
        Ok(Self::new(weights, activations, samples + walk.scratch_bytes()))
    }

    /// The larger of two that are not needed at one time.
    #[must_use]
    pub fn or_more(self, other: Self) -> Self {
        if other.total_mib() > self.total_mib() { other } else { self }
    }

    fn new(weights: f64, activations: f64, other: f64) -> Self {
        let mib = |bytes: f64| (bytes / MIB).ceil() as u64;
        Self {
            weights_mib: mib(weights),
            activations_mib: mib(activations),
            other_mib: mib(other + PROCESS),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total_mib(&self) -> u64 {
        self.weights_mib + self.activations_mib + self.other_mib
    }

    /// Refuses what does not fit into the memory that is available now; fits where the system does
    /// not say.
    ///
    /// # Errors
    /// [`Error::Memory`] with the numbers.
    pub fn check(self, what: &str) -> Result<()> {
        self.check_against(what, available_bytes())
    }

    /// The same for the memory of a device: of a GPU, what nothing uses now.
    ///
    /// # Errors
    /// [`Error::Memory`], and those of asking a GPU.
    pub fn check_on(self, device: &Device, what: &str) -> Result<()> {
        self.check_against(what, available_on(device)?)
    }

    fn check_against(self, what: &str, available: Option<u64>) -> Result<()> {
        let Some(available_mib) = available.map(|bytes| bytes / (MIB as u64)) else {
            return Ok(());
        };
        if self.total_mib() <= available_mib {
            return Ok(());
        }
        Err(Error::Memory { what: what.to_owned(), estimate: self, available_mib })
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weights_mib, activations_mib, other_mib } = self;
        write!(
            f,
            "{} MiB of memory (weights {weights_mib}, activations {activations_mib}, other {other_mib})",
            self.total_mib()
        )
    }
}

/// Bytes that a device has left; unknown where the system does not say.
fn available_on(device: &Device) -> Result<Option<u64>> {
    #[cfg(feature = "cuda")]
    if device.is_cuda() {
        return Ok(Some(candle_nn3d::gpu::free_bytes(device)?));
    }
    if device.is_cpu() { Ok(available_bytes()) } else { Ok(None) }
}

/// The most volumes at a time, up to `most`, that fit into the memory that is available, at least 1;
/// and the memory that they take.
///
/// # Errors
/// [`Error::Memory`] when not even one fits; [`Error::Unet`].
pub fn sampling_batch(
    network: &UnetConfig,
    one: Work,
    most: usize,
) -> Result<(usize, MemoryEstimate)> {
    sampling_batch_on(&Device::Cpu, network, one, most)
}

/// The same for the memory of a device.
///
/// # Errors
/// As [`sampling_batch`], and those of asking a GPU.
pub fn sampling_batch_on(
    device: &Device,
    network: &UnetConfig,
    one: Work,
    most: usize,
) -> Result<(usize, MemoryEstimate)> {
    let estimate = |batch| MemoryEstimate::of_sampling(network, Work { batch, ..one });
    let mut fitting = (1, estimate(1)?);
    fitting.1.check_on(device, "sampling one volume")?;
    for batch in 2..=most {
        let more = estimate(batch)?;
        if more.check_on(device, "sampling a batch").is_err() {
            break;
        }
        fitting = (batch, more);
    }
    Ok(fitting)
}

#[cfg(test)]
mod tests {
    use mrisynth_unet::{GuidedUnetConfig, presets};

    use super::*;

    const F32_WORK: Work = Work { batch: 1, space: [128; 3], bytes_per_number: 4 };

    #[test]
    fn memory_grows_with_the_volume_the_batch_and_the_precision() {
        let network = UnetConfig::GuidedUnet(GuidedUnetConfig::whole_head_128());
        let of = |work| MemoryEstimate::of_sampling(&network, work).unwrap();
        let (one, two) = (of(F32_WORK), of(Work { batch: 2, ..F32_WORK }));
        let half = of(Work { bytes_per_number: 2, ..F32_WORK });
        let small = of(Work { space: [64; 3], ..F32_WORK });
        assert!(two.activations_mib.abs_diff(2 * one.activations_mib) <= 1);
        assert!(half.activations_mib.abs_diff(one.activations_mib / 2) <= 1);
        assert!(small.activations_mib.abs_diff(one.activations_mib / 8) <= 1);
        assert_eq!(one.weights_mib, two.weights_mib);
    }

    #[test]
    fn training_takes_more_than_sampling_and_recomputation_less_than_remembering() {
        for network in [
            UnetConfig::GuidedUnet(GuidedUnetConfig::brats_192x192x144()),
            presets::bari_84x128x84().into(),
        ] {
            let work = Work { space: [96, 96, 80], ..F32_WORK };
            let sampled = MemoryEstimate::of_sampling(&network, work).unwrap();
            let trained = |recompute| {
                MemoryEstimate::of_training(&network, work, recompute).unwrap().activations_mib
            };
            assert!(sampled.activations_mib < trained(true));
            assert!(trained(true) < trained(false));
        }
    }

    /// 47,475,969 parameters: weights, moments and average are four times 181.1 MiB, gradients a fifth.
    #[test]
    fn an_evaluation_keeps_what_training_keeps_and_works_as_sampling_does() {
        let network = presets::bari_84x128x84().into();
        let work = Work { space: [84, 128, 84], ..F32_WORK };
        let half = Work { bytes_per_number: 2, ..work };
        let of = |work| MemoryEstimate::of_evaluation(&network, work).unwrap();
        let step = MemoryEstimate::of_training(&network, work, false).unwrap();
        let sampled = MemoryEstimate::of_sampling(&network, work).unwrap();
        assert_eq!((of(work).weights_mib, of(half).weights_mib, step.weights_mib), (725, 815, 906));
        assert_eq!(of(work).activations_mib, sampled.activations_mib);
        // So a step is the most where all is remembered; a larger batch of validation can be more.
        assert_eq!(step.or_more(of(work)), step);
        let many = of(Work { batch: 16, ..work });
        assert_eq!(step.or_more(many), many);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_the_numbers() {
        let network = presets::bari_84x128x84().into();
        let work = Work { space: [84, 128, 84], ..F32_WORK };
        let estimate = MemoryEstimate::of_training(&network, work, false).unwrap();
        let refused = estimate.check_against("training", Some(1 << 30)).unwrap_err().to_string();
        let total = estimate.total_mib().to_string();
        assert!(refused.contains(&total) && refused.contains("1024 MiB"), "{refused}");
        assert!(estimate.check_against("training", None).is_ok());
        assert!(estimate.check_against("training", Some(1 << 50)).is_ok());
    }
}
