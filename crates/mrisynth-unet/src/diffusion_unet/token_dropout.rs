//! Dropout of tensors of any shape, with a stream of random numbers for every layer and item.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, Dropout};
use keyed_random::Key;

/// A layer that drops elements in training, by keys made from its name and the items' keys.
#[derive(Clone, Debug)]
pub(super) struct TokenDropout {
    layer: Dropout,
    /// The name of the layer in the network, as parameters have one.
    name: String,
}

impl TokenDropout {
    pub(super) fn new(p: f64, vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { layer: Dropout::new(p)?, name: vb.prefix() })
    }

    /// Whether it changes anything.
    pub(super) fn drops(&self, keys: Option<&[Key]>) -> bool {
        keys.is_some() && self.layer.p() > 0.0
    }

    /// `x` `[n, ..]` with a key for each item in training, itself otherwise.
    pub(super) fn forward(&self, x: &Tensor, keys: Option<&[Key]>) -> Result<Tensor> {
        let Some(keys) = keys.filter(|_| self.layer.p() > 0.0) else {
            return Ok(x.clone());
        };
        let keys: Vec<Key> = keys.iter().map(|key| key.with(&self.name)).collect();
        let n = x.dim(0)?;
        let rows = ChannelsLast::new(x.reshape((n, 1, 1, x.elem_count() / n.max(1), 1))?)?;
        let dropped = self.layer.forward_channels_last(&rows, Some(&keys))?;
        dropped.into_tensor().reshape(x.shape())
    }
}
