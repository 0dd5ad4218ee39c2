//! Stochastic gradient descent with momentum.

use candle_core::Result;
use multiversion::multiversion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::state::Slots;
use super::{Optimiser, check, check_rate, parameter};
#[cfg(feature = "cuda")]
use crate::cuda::{in_place as on_gpu, parameters::SgdStep};
use crate::gradients::Gradients;
use crate::in_place::{CHUNK, Float, change, change_with, with_float};
use crate::named_tensors::NamedTensors;
use crate::parameters::ParameterStore;

/// Settings of [`Sgd`]; the default is plain descent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdSettings {
    /// The share of the last direction that stays.
    pub momentum: f64,
    /// One minus the share of the gradient that joins the direction, after the first step.
    pub dampening: f64,
    /// Whether the step looks ahead along the direction.
    pub nesterov: bool,
    /// This times the parameter joins the gradient.
    pub weight_decay: f64,
}

/// Stochastic gradient descent: with g the gradient plus the weight decay times the parameter p,
/// b ← μ b + (1 - dampening) g (b ← g at the first step), then p ← p - λ b, or with Nesterov
/// p ← p - λ (g + μ b).
///
/// # Source
/// `torch.optim.SGD`; Sutskever et al., *On the importance of initialization and momentum in deep
/// learning*, ICML 2013, with PyTorch's difference: the rate scales the step, not the direction.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    /// Empty without momentum.
    slots: Slots<1>,
}

impl Sgd {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a setting that is negative or not finite, and
    /// for Nesterov without momentum or with dampening.
    pub fn new(settings: SgdSettings) -> Result<Self> {
        let SgdSettings { momentum, dampening, nesterov, weight_decay } = settings;
        let expected = "a finite number of at least 0";
        check("momentum", momentum, momentum.is_finite() && momentum >= 0.0, expected)?;
        check("dampening", dampening, dampening.is_finite(), "a finite number")?;
        check(
            "weight_decay",
            weight_decay,
            weight_decay.is_finite() && weight_decay >= 0.0,
            expected,
        )?;
        let possible = !nesterov || (momentum > 0.0 && dampening == 0.0);
        check("nesterov", nesterov, possible, "false without momentum or with dampening")?;
        Ok(Self { settings, slots: Slots::new("sgd", ["momentum_buffer"]) })
    }
}

impl Optimiser for Sgd {
    fn step(
        &mut self,
        parameters: &ParameterStore,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<()> {
        check_rate(learning_rate)?;
        for (name, gradient) in gradients.iter() {
            let variable = parameter(parameters, name)?;
            #[cfg(feature = "cuda")]
            if variable.device().is_cuda() {
                self.step_on_gpu((name, &variable), gradient, learning_rate)?;
                continue;
            }
            with_float!(variable.dtype(), "sgd", "parameter", T => {
                if self.settings.momentum == 0.0 {
                    let step = Step::<T>::new(&self.settings, learning_rate, true);
                    change_with::<T>(&variable, gradient, |p, g| {
                        let chunks = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
                        chunks.for_each(|(p, g)| plain(&step, p, g));
                        Ok(())
                    })
                } else {
                    let slot = self.slots.slot(name, &variable)?;
                    let step = Step::<T>::new(&self.settings, learning_rate, slot.steps == 0);
                    slot.steps += 1;
                    change::<T>(&slot.tensors[0], |b| {
                        change_with::<T>(&variable, gradient, |p, g| {
                            let chunks = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
                            let chunks = chunks.zip(b.par_chunks_mut(CHUNK));
                            chunks.for_each(|((p, g), b)| with_momentum(&step, p, g, b));
                            Ok(())
                        })
                    })
                }
            })?;
        }
        Ok(())
    }

    fn state(&self) -> Result<NamedTensors> {
        self.slots.save()
    }

    fn load_state(&mut self, state: &NamedTensors) -> Result<()> {
        self.slots.load(state)
    }
}

#[cfg(feature = "cuda")]
impl Sgd {
    fn step_on_gpu(
        &mut self,
        (name, variable): (&str, &candle_core::Var),
        gradient: &candle_core::Tensor,
        rate: f64,
    ) -> Result<()> {
        use crate::cuda::parameters::sgd;
        with_float!(variable.dtype(), "sgd", "parameter", T => {
            if self.settings.momentum == 0.0 {
                let step = self.numbers(rate, true);
                return on_gpu::change_with::<T>("sgd", variable, gradient, |gpu, p, g| {
                    sgd(gpu, &step, p, g, None)
                });
            }
            let first = self.slots.slot(name, variable)?.steps == 0;
            let step = self.numbers(rate, first);
            let slot = self.slots.slot(name, variable)?;
            slot.steps += 1;
            on_gpu::change::<T>("sgd", &slot.tensors[0], |_, buffer| {
                on_gpu::change_with::<T>("sgd", variable, gradient, |gpu, p, g| {
                    sgd(gpu, &step, p, g, Some(buffer))
                })
            })
        })
    }

    /// The numbers of a step for kernels, which round them to the parameter's dtype.
    pub(crate) fn numbers(&self, rate: f64, first: bool) -> SgdStep {
        let Step { rate, weight_decay, momentum, share, nesterov, first } =
            Step::<f64>::new(&self.settings, rate, first);
        SgdStep { rate, weight_decay, momentum, share, nesterov, first }
    }
}

/// The numbers of one step, in the dtype of a parameter.
#[derive(Clone, Copy)]
struct Step<T> {
    rate: T,
    weight_decay: T,
    momentum: T,
    share: T,
    nesterov: bool,
    first: bool,
}

impl<T: Float> Step<T> {
    fn new(settings: &SgdSettings, rate: f64, first: bool) -> Self {
        Self {
            rate: T::from_f64(rate),
            weight_decay: T::from_f64(settings.weight_decay),
            momentum: T::from_f64(settings.momentum),
            share: T::from_f64(1.0 - settings.dampening),
            nesterov: settings.nesterov,
            first,
        }
    }

    #[inline(always)]
    fn decayed(&self, gradient: T, value: T) -> T {
        if self.weight_decay == T::zero() { gradient } else { gradient + self.weight_decay * value }
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn plain<T: Float>(step: &Step<T>, p: &mut [T], g: &[T]) {
    for (p, &g) in p.iter_mut().zip(g) {
        *p -= step.rate * step.decayed(g, *p);
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn with_momentum<T: Float>(step: &Step<T>, p: &mut [T], g: &[T], b: &mut [T]) {
    for ((p, &g), b) in p.iter_mut().zip(g).zip(b) {
        let g = step.decayed(g, *p);
        *b = if step.first { g } else { *b * step.momentum + step.share * g };
        let direction = if step.nesterov { g + step.momentum * *b } else { *b };
        *p -= step.rate * direction;
    }
}
