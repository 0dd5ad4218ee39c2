//! What a trainer and a sampler know of a network.

use candle_core::{Result, Tensor};
use keyed_random::Key;

use crate::condition::Condition;

/// A network that says something of noisy volumes at a time, given a condition.
///
/// Closures are networks without dropout. What a network does with a condition is its affair;
/// by convention its channels follow those of the noisy image.
///
/// # Shapes
/// `x` and the result `[b, c, x, y, z]`, in the dtype that the network computes in; `timesteps`
/// `[b]`, f32, on the CPU even where `x` is on a GPU, as the class labels of the condition.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_diffusion::{Condition, Network};
/// let network = |x: &Tensor, _timesteps: &Tensor, _: &Condition| x.zeros_like();
/// let x = Tensor::ones((1, 1, 2, 2, 2), DType::F32, &Device::Cpu)?;
/// let y = network.forward(&x, &Tensor::new(&[3.0_f32], &Device::Cpu)?, &Condition::default())?;
/// assert_eq!(y.sum_all()?.to_scalar::<f32>()?, 0.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub trait Network {
    /// The network's output.
    ///
    /// # Errors
    /// Whatever the network refuses.
    fn forward(&self, x: &Tensor, timesteps: &Tensor, condition: &Condition) -> Result<Tensor>;

    /// The output while training: with dropout, where there is any, drawn from one key per item.
    ///
    /// # Errors
    /// As for [`forward`](Self::forward).
    fn forward_train(
        &self,
        x: &Tensor,
        timesteps: &Tensor,
        condition: &Condition,
        _keys: &[Key],
    ) -> Result<Tensor> {
        self.forward(x, timesteps, condition)
    }
}

impl<F: Fn(&Tensor, &Tensor, &Condition) -> Result<Tensor>> Network for F {
    fn forward(&self, x: &Tensor, timesteps: &Tensor, condition: &Condition) -> Result<Tensor> {
        self(x, timesteps, condition)
    }
}
