//! Adam, and Adam with decoupled weight decay.

use candle_core::Result;
use multiversion::multiversion;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::state::Slots;
use super::{Optimiser, check, check_rate, parameter};
#[cfg(feature = "cuda")]
use crate::cuda::{in_place as on_gpu, parameters::AdamStep};
use crate::gradients::Gradients;
use crate::in_place::{CHUNK, Float, change, change_with, with_float};
use crate::named_tensors::NamedTensors;
use crate::parameters::ParameterStore;

/// Settings of [`Adam`]; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamSettings {
    /// What stays of the averages of the gradient and of its square.
    pub betas: [f64; 2],
    /// Keeps the denominator from vanishing.
    pub epsilon: f64,
    /// This times the parameter joins the gradient.
    pub weight_decay: f64,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Settings of [`AdamW`]; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWSettings {
    /// What stays of the averages of the gradient and of its square.
    pub betas: [f64; 2],
    /// Keeps the denominator from vanishing.
    pub epsilon: f64,
    /// This times the rate times the parameter leaves the parameter.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 1e-2 }
    }
}

/// Adam: m ← m + (1 - β₁)(g - m), v ← β₂ v + (1 - β₂) g²,
/// p ← p - λ / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε).
///
/// # Source
/// Kingma & Ba, *Adam*, ICLR 2015; the order of operations of `torch.optim.Adam` (a single tensor,
/// not capturable, no AMSGrad). The powers of β are made by multiplications alone, so that they are the
/// same bits on every machine.
#[derive(Debug)]
pub struct Adam(Core);

/// AdamW: p ← p - λ w p, then as [`Adam`] without weight decay.
///
/// # Source
/// Loshchilov & Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019; the order of operations
/// of `torch.optim.AdamW`.
#[derive(Debug)]
pub struct AdamW(Core);

impl Adam {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a β outside [0, 1), or another setting that is
    /// negative or not finite.
    pub fn new(settings: AdamSettings) -> Result<Self> {
        let AdamSettings { betas, epsilon, weight_decay } = settings;
        Ok(Self(Core::new("adam", betas, epsilon, weight_decay, false)?))
    }
}

impl AdamW {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a β outside [0, 1), or another setting that is
    /// negative or not finite.
    pub fn new(settings: AdamWSettings) -> Result<Self> {
        let AdamWSettings { betas, epsilon, weight_decay } = settings;
        Ok(Self(Core::new("adamw", betas, epsilon, weight_decay, true)?))
    }
}

macro_rules! delegate {
    ($name:ty) => {
        impl Optimiser for $name {
            fn step(
                &mut self,
                parameters: &ParameterStore,
                gradients: &Gradients,
                learning_rate: f64,
            ) -> Result<()> {
                self.0.step(parameters, gradients, learning_rate)
            }

            fn state(&self) -> Result<NamedTensors> {
                self.0.slots.save()
            }

            fn load_state(&mut self, state: &NamedTensors) -> Result<()> {
                self.0.slots.load(state)
            }
        }
    };
}
delegate!(Adam);
delegate!(AdamW);

/// What the two share.
#[derive(Debug)]
struct Core {
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    decoupled: bool,
    slots: Slots<2>,
}

impl Core {
    fn new(
        kind: &'static str,
        betas: [f64; 2],
        epsilon: f64,
        weight_decay: f64,
        decoupled: bool,
    ) -> Result<Self> {
        let inside = betas.iter().all(|beta| (0.0..1.0).contains(beta));
        check("betas", format!("{betas:?}"), inside, "each at least 0 and below 1")?;
        for (argument, value) in [("epsilon", epsilon), ("weight_decay", weight_decay)] {
            let fits = value.is_finite() && value >= 0.0;
            check(argument, value, fits, "a finite number of at least 0")?;
        }
        let slots = Slots::new(kind, ["exp_avg", "exp_avg_sq"]);
        Ok(Self { betas, epsilon, weight_decay, decoupled, slots })
    }

    fn step(
        &mut self,
        parameters: &ParameterStore,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<()> {
        check_rate(learning_rate)?;
        for (name, gradient) in gradients.iter() {
            let variable = parameter(parameters, name)?;
            let steps = self.slots.slot(name, &variable)?.steps + 1;
            #[cfg(feature = "cuda")]
            if variable.device().is_cuda() {
                self.step_on_gpu((name, &variable), gradient, (learning_rate, steps))?;
                continue;
            }
            with_float!(variable.dtype(), "adam", "parameter", T => {
                let step = Step::<T>::new(self, learning_rate, steps);
                let slot = self.slots.slot(name, &variable)?;
                slot.steps = steps;
                let [m, v] = &slot.tensors;
                change::<T>(m, |m| change::<T>(v, |v| {
                    change_with::<T>(&variable, gradient, |p, g| {
                        let chunks = p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
                        let chunks = chunks.zip(m.par_chunks_mut(CHUNK));
                        let chunks = chunks.zip(v.par_chunks_mut(CHUNK));
                        chunks.for_each(|(((p, g), m), v)| pass(&step, p, g, m, v));
                        Ok(())
                    })
                }))
            })?;
        }
        Ok(())
    }
}

#[cfg(feature = "cuda")]
impl Core {
    fn step_on_gpu(
        &mut self,
        (name, variable): (&str, &candle_core::Var),
        gradient: &candle_core::Tensor,
        (rate, steps): (f64, u64),
    ) -> Result<()> {
        let step = self.numbers(rate, steps);
        let slot = self.slots.slot(name, variable)?;
        slot.steps = steps;
        let [m, v] = &slot.tensors;
        with_float!(variable.dtype(), "adam", "parameter", T => {
            on_gpu::change::<T>("adam", m, |_, m| on_gpu::change::<T>("adam", v, |_, v| {
                on_gpu::change_with::<T>("adam", variable, gradient, |gpu, p, g| {
                    crate::cuda::parameters::adam(gpu, &step, p, g, [m, v])
                })
            }))
        })
    }

    /// The numbers of a step for kernels, which round them to the parameter's dtype.
    fn numbers(&self, rate: f64, steps: u64) -> AdamStep {
        let Step { keep, weight_decay, beta1, towards, beta2, share, correction, epsilon, factor } =
            Step::<f64>::new(self, rate, steps);
        AdamStep { keep, weight_decay, beta1, towards, beta2, share, correction, epsilon, factor }
    }
}

#[cfg(all(test, feature = "cuda"))]
impl Adam {
    pub(crate) fn numbers(&self, rate: f64, steps: u64) -> AdamStep {
        self.0.numbers(rate, steps)
    }
}

#[cfg(all(test, feature = "cuda"))]
impl AdamW {
    pub(crate) fn numbers(&self, rate: f64, steps: u64) -> AdamStep {
        self.0.numbers(rate, steps)
    }
}

/// The numbers of one step, in the dtype of a parameter.
#[derive(Clone, Copy)]
struct Step<T> {
    /// What decoupled decay leaves of the parameter; 1 without it.
    keep: T,
    weight_decay: T,
    beta1: T,
    /// 1 - β₁.
    towards: T,
    beta2: T,
    /// 1 - β₂.
    share: T,
    /// √(1 - β₂ᵗ).
    correction: T,
    epsilon: T,
    /// -λ / (1 - β₁ᵗ).
    factor: T,
}

impl<T: Float> Step<T> {
    fn new(core: &Core, rate: f64, steps: u64) -> Self {
        let [beta1, beta2] = core.betas;
        let (keep, weight_decay) = match core.decoupled {
            true => (1.0 - rate * core.weight_decay, 0.0),
            false => (1.0, core.weight_decay),
        };
        Self {
            keep: T::from_f64(keep),
            weight_decay: T::from_f64(weight_decay),
            beta1: T::from_f64(beta1),
            towards: T::from_f64(1.0 - beta1),
            beta2: T::from_f64(beta2),
            share: T::from_f64(1.0 - beta2),
            correction: T::from_f64((1.0 - power(beta2, steps)).sqrt()),
            epsilon: T::from_f64(core.epsilon),
            factor: T::from_f64(-rate / (1.0 - power(beta1, steps))),
        }
    }
}

/// The power by squaring.
fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut square) = (1.0, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn pass<T: Float>(step: &Step<T>, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T]) {
    let near = step.towards < T::from_f64(0.5);
    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
        let value = *p * step.keep;
        let g = if step.weight_decay == T::zero() { g } else { g + step.weight_decay * value };
        // `torch.lerp` starts from the nearer end.
        *m = if near { *m + step.towards * (g - *m) } else { g - (g - *m) * step.beta1 };
        *v = *v * step.beta2 + step.share * g * g;
        let denominator = v.square_root() / step.correction + step.epsilon;
        *p = value + step.factor * *m / denominator;
    }
}
