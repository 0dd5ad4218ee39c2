//! From conditions to volumes.

use std::fmt;

use candle_core::{DType, Device, Tensor};
use candle_nn3d::without_gradients;
use durable_file::Sha256Digest;
use keyed_random::Key;
use mrisynth_schedulers::{
    Ended, Level, Noise, Observer, Sampler, SamplerState, SamplingConfig, sample,
};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::guidance::{Guidance, GuidedNetwork};
use crate::model::Precision;
use crate::network::Network;
use crate::provenance::Provenance;

/// A volume to be made.
#[derive(Clone, Debug, Default)]
pub struct SampleItem {
    /// What the mask is known by, wherever it lies; none for a volume without a mask.
    pub mask: Option<Sha256Digest>,
    /// Which of several volumes of the same mask.
    pub replica: u64,
    /// What the network is told, a batch of one.
    pub condition: Condition,
}

impl SampleItem {
    /// The key of all noise of the volume: a function of the seed, the mask and the replica, and of
    /// nothing else. So the volume is the same whatever the batch, the order and the shard.
    #[must_use]
    pub fn key(&self, seed: u64) -> Key {
        let seed = Key::new(seed).with("sampling");
        let key = match &self.mask {
            Some(mask) => seed.with("mask").with(&mask.to_string()),
            None => seed.with("no mask"),
        };
        key.with_index(self.replica)
    }
}

/// How volumes are made; `Default` is DDPM's, with all 1000 steps and no guidance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratorConfig {
    /// What noise is drawn from, with mask and replica.
    pub seed: u64,
    /// Schedule, prediction and sampler.
    pub sampling: SamplingConfig,
    /// How strongly conditions are followed.
    pub guidance: Guidance,
    /// What the network computes in; samples are f32 in any case.
    pub precision: Precision,
}

/// Makes volumes with a network.
///
/// # Examples
/// ```
/// use candle_core::Tensor;
/// use mrisynth_diffusion::{Condition, Generator, GeneratorConfig, SampleItem};
/// use mrisynth_schedulers::{SamplingConfig, Unobserved};
/// let sampling = SamplingConfig { steps: 4, ..Default::default() };
/// let generator = Generator::new(&GeneratorConfig { sampling, ..Default::default() })?;
/// let network = |x: &Tensor, _: &Tensor, _: &Condition| x.zeros_like(); // a trained one
/// let items = [0, 1].map(|replica| SampleItem { replica, ..Default::default() });
/// let mut state = generator.begin(&items, [1, 4, 4, 4])?;
/// generator.run(&network, &items, &mut state, &mut Unobserved)?;
/// assert_eq!(state.sample.dims(), [2, 1, 4, 4, 4]);
/// # Ok::<(), mrisynth_diffusion::Error>(())
/// ```
pub struct Generator {
    config: GeneratorConfig,
    device: Device,
    levels: Vec<Level>,
    sampler: Box<dyn Sampler>,
}

impl Generator {
    /// A generator of these settings.
    ///
    /// # Errors
    /// Settings outside their domain.
    pub fn new(config: &GeneratorConfig) -> Result<Self> {
        let scale = config.guidance.scale;
        if !(scale.is_finite() && scale >= 0.0) {
            return Err(Error::setting("guidance.scale", scale, "a finite number of at least 0"));
        }
        let (levels, sampler) = (config.sampling.levels()?, config.sampling.sampler.build()?);
        Ok(Self { config: config.clone(), device: Device::Cpu, levels, sampler })
    }

    /// The same, where the network is. What is drawn does not depend on it.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    /// The noise that the items begin as, of `shape` `[c, x, y, z]` each.
    ///
    /// # Errors
    /// A shape that does not fit memory.
    pub fn begin(&self, items: &[SampleItem], shape: [usize; 4]) -> Result<SamplerState> {
        let [c, x, y, z] = shape;
        let noise = self.noise(items);
        let start = noise.start_on(&self.device, (c, x, y, z), DType::F32, self.levels[0]);
        Ok(SamplerState::new(start?))
    }

    /// Brings the items to the last level, from wherever `state` is. Then `state.sample` holds
    /// them, `[b, c, x, y, z]`, f32, on the generator's device; a state from a file may be on the CPU.
    ///
    /// On a GPU steps are not waited for; see [`sample`].
    ///
    /// # Errors
    /// Another number of items than `state` has; those of the network and of the sampler. The state
    /// is then that of the last step done.
    pub fn run(
        &self,
        network: &dyn Network,
        items: &[SampleItem],
        state: &mut SamplerState,
        observer: &mut dyn Observer,
    ) -> Result<Ended> {
        if state.sample.dims().first() != Some(&items.len()) {
            let expected = format!("{}, one per item", items.len());
            return Err(Error::shape("the sample", state.sample.dims(), expected));
        }
        let dtype = self.config.precision.dtype();
        let conditions: Vec<&Condition> = items.iter().map(|item| &item.condition).collect();
        let condition = Condition::concat(&conditions)?.to_device(&self.device)?.to_dtype(dtype)?;
        if !state.sample.device().same_device(&self.device) {
            *state = state.to_device(&self.device)?;
        }
        let network = GuidedNetwork::new(network, self.config.guidance);
        let denoiser = self.config.sampling.denoiser(|x: &Tensor, timesteps: &Tensor| {
            let input = x.to_dtype(dtype)?;
            let output = without_gradients(|| network.forward(&input, timesteps, &condition))?;
            output.to_dtype(DType::F32)
        })?;
        let noise = self.noise(items);
        Ok(sample(&*self.sampler, state, &self.levels, &denoiser, &noise, observer)?)
    }

    /// The record of one of the items.
    #[must_use]
    pub fn provenance(&self, item: &SampleItem, checkpoint: Sha256Digest) -> Provenance {
        let made = Provenance::new(&self.config, item, checkpoint);
        #[cfg(feature = "cuda")]
        if let Ok(kernel_tier) = candle_nn3d::gpu::kind(&self.device) {
            return Provenance { kernel_tier, ..made };
        }
        made
    }

    fn noise(&self, items: &[SampleItem]) -> Noise {
        Noise::Keyed(items.iter().map(|item| item.key(self.config.seed)).collect())
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
