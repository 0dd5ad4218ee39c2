//! Dropout whose masks come from keys, so that a step can be replayed.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use keyed_random::Key;

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{dropout as on_gpu, gpu::Gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::dropout::{self as kernel, Mask, Unit};
use crate::kernels::real::Element;
use crate::kernels::tier::Tier;
use crate::tape::{Needs, apply1};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

const OP: &str = "dropout";

/// Sets elements to 0 with probability `p` and multiplies the others by 1 / (1 − p).
///
/// Element i of an item in the order x, y, z, channel (channels fastest) is dropped where uniform
/// number i (f32) of the item's key is below `p`. Hence an item has the same mask alone and in any
/// batch. A dropped element is 0 even if it was not finite.
///
/// # Shapes
/// `[n, x, y, z, c]`, and n keys.
///
/// # Errors
/// `p` outside [0, 1], another number of keys than items, or a dtype other than f32, bf16 and f64.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// use keyed_random::Key;
/// let x = ChannelsLast::new(Tensor::ones((1, 16, 16, 16, 8), DType::F32, &Device::Cpu)?)?;
/// let y = ops::dropout(&x, 0.25, &[Key::new(1).with("dropout").with_index(0)])?;
/// let mean = y.tensor().mean_all()?.to_scalar::<f32>()?;
/// assert!((mean - 1.0).abs() < 0.02);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn dropout(x: &ChannelsLast, p: f64, keys: &[Key]) -> Result<ChannelsLast> {
    drop_units(x, p, keys, Unit::Element)
}

/// [`dropout`] of whole channels: channel c of an item by uniform number c of its key.
///
/// # Errors
/// As [`dropout`].
///
/// # Source
/// `torch.nn.Dropout3d`.
pub fn dropout_channels(x: &ChannelsLast, p: f64, keys: &[Key]) -> Result<ChannelsLast> {
    drop_units(x, p, keys, Unit::Channel)
}

fn drop_units(x: &ChannelsLast, p: f64, keys: &[Key], unit: Unit) -> Result<ChannelsLast> {
    check_probability(p)?;
    if keys.len() != x.batch() {
        let found = format!("{} keys", keys.len());
        let expected = format!("one per item of x, {:?}", x.tensor().dims());
        return Err(Error::Argument { op: OP, argument: "keys", found, expected }.into());
    }
    ChannelsLast::new(apply1(
        x.tensor(),
        DropUnits(Mask { p, keys: keys.to_vec(), unit }),
        Needs::Shapes,
    )?)
}

fn check_probability(p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    let (found, expected) = (p.to_string(), "a probability".into());
    Err(Error::Argument { op: OP, argument: "p", found, expected }.into())
}

/// The mask is linear and symmetric: the gradient is the same operation.
struct DropUnits(Mask);

impl DropUnits {
    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(OP, "x", storage, layout)?;
        let channels = layout.shape().dims5()?.4;
        let mut y = T::unwritten(x.len());
        kernel::dropout(Tier::current(), &self.0, channels, x, &mut y);
        Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
    }
}

impl CustomOp1 for DropUnits {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(OP, "x", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let channels = layout.shape().dims5()?.4;
        by_dtype!(OP, "x", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(OP, (x, layout))?);
            let y = on_gpu::dropout(&gpu, &self.0, channels, x)?;
            Ok((gpu.storage(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(self)?))
    }
}

/// A layer that drops elements in training and does nothing otherwise.
///
/// No `Module`: training needs keys. Which keys is the caller's choice; the usual one is a key per
/// run, step, layer and item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// A layer that drops with probability `p`.
    ///
    /// # Errors
    /// `p` outside [0, 1].
    pub fn new(p: f64) -> Result<Self> {
        check_probability(p)?;
        Ok(Self { p })
    }

    /// The probability.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p
    }

    /// Training with a key per item, or evaluation (no keys): the identity.
    ///
    /// # Errors
    /// As [`dropout`].
    pub fn forward_channels_last(
        &self,
        x: &ChannelsLast,
        train: Option<&[Key]>,
    ) -> Result<ChannelsLast> {
        match train {
            Some(keys) => dropout(x, self.p, keys),
            None => Ok(x.clone()),
        }
    }

    /// The same on `[n, c, x, y, z]`, with the same mask.
    ///
    /// # Errors
    /// As [`dropout`].
    pub fn forward(&self, x: &Tensor, train: Option<&[Key]>) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x, train))
    }
}
