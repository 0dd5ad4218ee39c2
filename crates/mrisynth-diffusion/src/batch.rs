//! What a trainer learns from.

use candle_core::{DType, Device, Tensor};

use crate::condition::Condition;
use crate::error::{BoxedError, Error, Result};

/// Clean volumes with their conditions.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The volumes, `[b, c, x, y, z]`, f32.
    pub images: Tensor,
    /// What the network is told of them.
    pub condition: Condition,
    /// The place of each item in the endless sequence of training samples, `b` numbers. It keys all
    /// that is drawn for the item, whatever batch the item comes in: the same volume has another
    /// number whenever it is shown again.
    pub indices: Vec<u64>,
}

impl Batch {
    /// The number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.indices.len()
    }

    /// The voxels of all items, however many channels each has.
    #[must_use]
    pub fn voxels(&self) -> u64 {
        let space = self.images.dims().get(2..).unwrap_or_default();
        (self.items() * space.iter().product::<usize>()) as u64
    }

    /// The same on the device where a network is.
    ///
    /// # Errors
    /// None but candle's.
    pub fn to_device(&self, device: &Device) -> candle_core::Result<Self> {
        Ok(Self {
            images: self.images.to_device(device)?,
            condition: self.condition.to_device(device)?,
            indices: self.indices.clone(),
        })
    }

    pub(crate) fn check(&self) -> Result<()> {
        let dims = self.images.dims();
        if dims.len() != 5 || dims[0] != self.items() || self.images.elem_count() == 0 {
            let expected = format!("[{}, c, x, y, z], as many items as indices", self.items());
            return Err(Error::shape("images", dims, expected));
        }
        if self.images.dtype() != DType::F32 {
            return Err(Error::shape("images", self.images.dtype(), "f32"));
        }
        match self.condition.items() {
            Some(items) if items != self.items() => {
                let expected = format!("{}, one per image", self.items());
                Err(Error::shape("the items of the condition", items, expected))
            }
            _ => Ok(()),
        }
    }
}

/// Delivers batches by number, the same batch whenever it is asked for the same number.
///
/// Training step `s` with `k` micro-batches asks for the batches `s k`, …, `s k + k − 1`; all of
/// a step have as many items. Closures are sources.
pub trait BatchSource {
    /// The batch of this number.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    fn batch(&mut self, number: u64) -> std::result::Result<Batch, BoxedError>;
}

impl<F: FnMut(u64) -> std::result::Result<Batch, BoxedError>> BatchSource for F {
    fn batch(&mut self, number: u64) -> std::result::Result<Batch, BoxedError> {
        self(number)
    }
}

/// The batch, checked, on a device.
pub(crate) fn fetch(source: &mut dyn BatchSource, number: u64, device: &Device) -> Result<Batch> {
    let batch = source.batch(number).map_err(|source| Error::Source { number, source })?;
    batch.check()?;
    Ok(batch.to_device(device)?)
}
