//! The exponential moving average of a network's parameters.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

#[cfg(feature = "cuda")]
use crate::cuda::{in_place as on_gpu, parameters};
use crate::error::Error;
use crate::in_place::{CHUNK, Float, change, change_with, with_float};
use crate::named_tensors::NamedTensors;
use crate::parameters::ParameterStore;

/// When and how an average follows the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmaSettings {
    /// The share of the old average that stays.
    pub decay: f64,
    /// Uses min(decay, (1 + t) / (10 + t)) at the t-th update, counted from 0.
    pub warm_up: bool,
    /// Steps before which the average is a copy of the parameters.
    pub start: u64,
    /// The average changes only at steps that are multiples of this.
    pub every: u64,
}

impl Default for EmaSettings {
    /// Decay 0.9999 with warm-up, at every step from the first.
    fn default() -> Self {
        Self { decay: 0.9999, warm_up: true, start: 0, every: 1 }
    }
}

impl EmaSettings {
    /// Those of Med-DDPM: decay 0.995 every 10 steps, copies before step 2000.
    ///
    /// # Source
    /// Dorjsembe et al., *Conditional Diffusion Models for Semantic 3D Brain MRI Synthesis*, 2024,
    /// after Ho et al.'s DDPM trainer: `step_start_ema`, `update_ema_every`, `ema_decay`.
    pub const MED_DDPM: Self = Self { decay: 0.995, warm_up: false, start: 2000, every: 10 };

    fn check(&self) -> std::result::Result<(), Error> {
        let (argument, found, expected) = if !(0.0..=1.0).contains(&self.decay) {
            ("decay", self.decay.to_string(), "between 0 and 1")
        } else if self.every == 0 {
            ("every", "0".to_owned(), "at least 1")
        } else {
            return Ok(());
        };
        Err(Error::Argument { op: "ema", argument, found, expected: expected.to_owned() })
    }
}

/// An exponential moving average: `average ← decay · average + (1 - decay) · parameter`.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{Ema, EmaSettings, ParameterStore};
/// let store = ParameterStore::new(keyed_random::Key::new(1));
/// store.set("w", &Tensor::new(&[1.0_f32], &Device::Cpu)?)?;
/// let settings = EmaSettings { decay: 0.75, warm_up: false, ..Default::default() };
/// let mut ema = Ema::new(&store, settings)?;
/// store.set("w", &Tensor::new(&[5.0_f32], &Device::Cpu)?)?;
/// ema.update(&store, 0)?;
/// assert_eq!(ema.averages()["w"].to_vec1::<f32>()?, [2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Ema {
    settings: EmaSettings,
    updates: u64,
    averages: BTreeMap<String, Tensor>,
}

/// Under which name the number of updates is saved.
const UPDATES: &str = "ema_updates";

impl Ema {
    /// An average that begins as a copy of the parameters.
    ///
    /// # Errors
    /// [`Error::Argument`] for a decay outside [0, 1] or a period of 0.
    pub fn new(parameters: &ParameterStore, settings: EmaSettings) -> Result<Self> {
        settings.check()?;
        let copies = parameters.tensors().into_iter().map(|(name, t)| Ok((name, t.copy()?)));
        Ok(Self { settings, updates: 0, averages: copies.collect::<Result<_>>()? })
    }

    /// Follows the parameters after the training step `step`, counted from 0.
    ///
    /// # Errors
    /// [`Error::Tensor`] for parameters that are not those the average began with.
    pub fn update(&mut self, parameters: &ParameterStore, step: u64) -> Result<()> {
        if !step.is_multiple_of(self.settings.every) {
            return Ok(());
        }
        if step < self.settings.start {
            return self.zip(parameters, &mut |average, tensor| lerp(average, tensor, 0.0));
        }
        let t = self.updates as f64;
        let warm = if self.settings.warm_up { (1.0 + t) / (10.0 + t) } else { 1.0 };
        let decay = self.settings.decay.min(warm);
        self.zip(parameters, &mut |average, tensor| lerp(average, tensor, decay))?;
        self.updates += 1;
        Ok(())
    }

    /// The averages by name. They share memory with this value and follow its changes.
    #[must_use]
    pub fn averages(&self) -> &BTreeMap<String, Tensor> {
        &self.averages
    }

    /// Runs `evaluate` while the parameters hold the averages, and puts them back, also after an
    /// error or a panic. Nothing is copied: the two exchange their contents.
    ///
    /// # Errors
    /// Those of `evaluate`; [`Error::Tensor`] for parameters that are not those the average began with.
    pub fn with_averaged<R>(
        &mut self,
        parameters: &ParameterStore,
        evaluate: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        self.check_names(parameters)?;
        self.zip(parameters, &mut exchange)?;
        let swapped = Swapped { ema: self, parameters };
        let result = evaluate();
        drop(swapped);
        result
    }

    /// Averages and the number of updates, to be saved. They share memory with this value.
    #[must_use]
    pub fn state(&self) -> NamedTensors {
        let metadata = BTreeMap::from([(UPDATES.to_owned(), self.updates.to_string())]);
        NamedTensors { tensors: self.averages.clone(), metadata }
    }

    /// Takes the averages and the number of updates from a saved state, by copy.
    ///
    /// # Errors
    /// [`Error::Tensor`] if the state's tensors are not those of this average, in name, shape and
    /// dtype; then nothing has changed.
    pub fn load_state(&mut self, state: &NamedTensors) -> Result<()> {
        let updates = state.metadata.get(UPDATES).and_then(|count| count.parse().ok());
        let Some(updates) = updates else {
            let problem = "expected in the metadata, as a whole number".to_owned();
            return Err(Error::Tensor { name: UPDATES.to_owned(), problem }.into());
        };
        same_tensors(&self.averages, &state.tensors)?;
        let copies = state.tensors.iter().map(|(name, t)| {
            let device = self.averages.get(name).map_or(t.device(), Tensor::device);
            Ok((name.clone(), t.copy()?.to_device(device)?))
        });
        self.averages = copies.collect::<Result<_>>()?;
        self.updates = updates;
        Ok(())
    }

    fn check_names(&self, parameters: &ParameterStore) -> Result<()> {
        Ok(same_tensors(&self.averages, &parameters.tensors())?)
    }

    /// Calls `pass` with each average and its parameter.
    fn zip(
        &self,
        parameters: &ParameterStore,
        pass: &mut dyn FnMut(&Tensor, &Tensor) -> Result<()>,
    ) -> Result<()> {
        let tensors = parameters.tensors();
        same_tensors(&self.averages, &tensors)?;
        self.averages.values().zip(tensors.values()).try_for_each(|(a, t)| pass(a, t))
    }
}

/// Puts the parameters back when it goes out of scope.
struct Swapped<'a> {
    ema: &'a Ema,
    parameters: &'a ParameterStore,
}

impl Drop for Swapped<'_> {
    fn drop(&mut self) {
        // The exchange has worked once on the same tensors; only parameters that were added
        // meanwhile could make it fail, so those are left out.
        let tensors = self.parameters.tensors();
        for (name, average) in &self.ema.averages {
            if let Some(tensor) = tensors.get(name) {
                let _ = exchange(average, tensor);
            }
        }
    }
}

fn lerp(average: &Tensor, tensor: &Tensor, decay: f64) -> Result<()> {
    #[cfg(feature = "cuda")]
    if average.device().is_cuda() {
        return with_float!(average.dtype(), "ema", "average", T => {
            on_gpu::change_with::<T>("ema", average, tensor, |gpu, average, tensor| {
                parameters::average(gpu, [decay, 1.0 - decay], average, tensor)
            })
        });
    }
    with_float!(average.dtype(), "ema", "average", T => {
        let (keep, take) = (decay as T, (1.0 - decay) as T);
        change_with::<T>(average, tensor, |average, tensor| {
            let chunks = average.par_chunks_mut(CHUNK).zip(tensor.par_chunks(CHUNK));
            chunks.for_each(|(average, tensor)| {
                if keep == 0.0 {
                    // Also where the average is not finite.
                    return average.copy_from_slice(tensor);
                }
                for (average, value) in average.iter_mut().zip(tensor) {
                    *average = *average * keep + *value * take;
                }
            });
            Ok(())
        })
    })
}

fn exchange(average: &Tensor, tensor: &Tensor) -> Result<()> {
    fn swap<T: Float>(a: &mut [T], b: &mut [T]) -> Result<()> {
        let chunks = a.par_chunks_mut(CHUNK).zip(b.par_chunks_mut(CHUNK));
        chunks.for_each(|(a, b)| a.swap_with_slice(b));
        Ok(())
    }
    #[cfg(feature = "cuda")]
    if average.device().is_cuda() {
        let n = average.elem_count();
        return with_float!(average.dtype(), "ema", "average", T => {
            on_gpu::change::<T>("ema", average, |gpu, average| {
                on_gpu::change::<T>("ema", tensor, |_, tensor| {
                    parameters::exchange(gpu, n, average, tensor)
                })
            })
        });
    }
    with_float!(average.dtype(), "ema", "average", T => {
        change::<T>(average, |average| change::<T>(tensor, |tensor| swap(average, tensor)))
    })
}

/// Whether two maps have the same names, shapes and dtypes; the first difference, by name.
pub(crate) fn same_tensors(
    expected: &BTreeMap<String, Tensor>,
    found: &BTreeMap<String, Tensor>,
) -> std::result::Result<(), Error> {
    let fault = |name: &String, problem: String| Err(Error::Tensor { name: name.clone(), problem });
    for (name, tensor) in expected {
        let Some(other) = found.get(name) else {
            return fault(name, "expected, but missing".to_owned());
        };
        if (tensor.shape(), tensor.dtype()) != (other.shape(), other.dtype()) {
            let describe = |t: &Tensor| format!("{} of {:?}", t.dtype().as_str(), t.shape());
            return fault(name, format!("{}, expected {}", describe(other), describe(tensor)));
        }
    }
    match found.keys().find(|name| !expected.contains_key(*name)) {
        Some(name) => fault(name, "not expected".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
