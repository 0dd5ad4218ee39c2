//! Optimisers: one fused pass over each parameter, and states that can be saved and restored
//! exactly.

mod adam;
mod config;
mod sgd;
mod state;

use candle_core::{Result, Var};

pub use adam::{Adam, AdamSettings, AdamW, AdamWSettings};
pub use config::OptimiserConfig;
pub use sgd::{Sgd, SgdSettings};

use crate::error::Error;
use crate::gradients::Gradients;
use crate::named_tensors::NamedTensors;
use crate::parameters::ParameterStore;

/// What changes parameters along their gradients.
///
/// Parameters are changed where they lie, element by element, so that the same bits come out for any
/// number of threads: whoever caches something computed from them must do so anew after each step.
/// Arithmetic is in the parameters' dtype, in the order of PyTorch's, without fused
/// multiply-adds. A parameter without a gradient stays as it is.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{Adam, Gradients, Optimiser, ParameterStore};
/// let store = ParameterStore::new(keyed_random::Key::new(1));
/// store.set("w", &Tensor::new(&[3.0_f32], &Device::Cpu)?)?;
/// let mut adam = Adam::new(Default::default())?;
/// let w = store.get("w").unwrap();
/// let gradients = Gradients::of(&store, w.sqr()?.sum_all()?.backward()?)?;
/// adam.step(&store, &gradients, 0.5)?;
/// assert_eq!(w.to_vec1::<f32>()?, [2.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub trait Optimiser {
    /// Takes one step.
    ///
    /// # Errors
    /// [`Error::Argument`] for a learning rate that is not finite; [`Error::Tensor`] for a gradient
    /// without a parameter, or a state of another shape or dtype than its parameter.
    fn step(
        &mut self,
        parameters: &ParameterStore,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<()>;

    /// Everything that the next step depends on but for settings and parameters, under names
    /// like `layer.weight.exp_avg`. The tensors share memory with the optimiser: save them before
    /// the next step.
    ///
    /// # Errors
    /// None, but for memory.
    fn state(&self) -> Result<NamedTensors>;

    /// Takes a copy of such a state in the place of its own.
    ///
    /// # Errors
    /// [`Error::Tensor`] when it is the state of another kind of optimiser, or a tensor is missing,
    /// unexpected or of a wrong shape or dtype. Then nothing has changed.
    fn load_state(&mut self, state: &NamedTensors) -> Result<()>;
}

fn check_rate(learning_rate: f64) -> std::result::Result<(), Error> {
    check("learning_rate", learning_rate, learning_rate.is_finite(), "a finite number")
}

fn check(
    argument: &'static str,
    found: impl ToString,
    fits: bool,
    expected: &str,
) -> std::result::Result<(), Error> {
    if fits {
        return Ok(());
    }
    let (found, expected) = (found.to_string(), expected.to_owned());
    Err(Error::Argument { op: "optimiser", argument, found, expected })
}

fn parameter(parameters: &ParameterStore, name: &str) -> std::result::Result<Var, Error> {
    parameters.get(name).ok_or_else(|| {
        let problem = "there is a gradient, but no such parameter".to_owned();
        Error::Tensor { name: name.to_owned(), problem }
    })
}

#[cfg(test)]
mod tests;
