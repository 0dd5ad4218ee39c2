//! The names and shapes of a network's parameters, without the parameters.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result as CandleResult, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::config::UnetConfig;
use crate::error::Result;
use crate::unet::Unet;

/// The names and shapes of all parameters of a network, in the order of the network; nothing of
/// their size is allocated.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for a value that no network can be made from.
///
/// # Examples
/// ```
/// let config = mrisynth_unet::presets::bari_84x128x84();
/// let shapes = mrisynth_unet::parameter_shapes(&config.into())?;
/// assert_eq!(shapes[0], ("conv_in.conv.weight".to_owned(), vec![128, 1, 3, 3, 3]));
/// let parameters = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>());
/// assert_eq!(parameters.sum::<usize>(), 47_475_969);
/// # Ok::<(), mrisynth_unet::Error>(())
/// ```
pub fn parameter_shapes(config: &UnetConfig) -> Result<Vec<(String, Vec<usize>)>> {
    let shapes = Arc::default();
    let recorder = Box::new(Recorder(Arc::clone(&shapes)));
    Unet::new(config, VarBuilder::from_backend(recorder, DType::F32, Device::Cpu))?;
    let shapes = std::mem::take(&mut *shapes.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(shapes)
}

type Shapes = Arc<Mutex<Vec<(String, Vec<usize>)>>>;

/// Gives zeros that share one element, and notes what was asked for.
struct Recorder(Shapes);

impl SimpleBackend for Recorder {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> CandleResult<Tensor> {
        let entry = (name.to_owned(), shape.dims().to_vec());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> CandleResult<Tensor> {
        candle_core::bail!("{name} is asked for without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
