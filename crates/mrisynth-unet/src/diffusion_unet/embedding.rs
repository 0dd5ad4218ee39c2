//! Time and class as one vector.

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{Linear, linear_layer, ops};

use crate::timestep_embedding::timestep_embedding;

use super::plan::Plan;

/// Of the slowest frequency, in steps.
const MAX_PERIOD: f64 = 10_000.0;

/// `linear(silu(linear(sines and cosines of the time))) + class_embedding[class]`.
///
/// # Source
/// MONAI 1.6.1, `DiffusionModelUNet`.
#[derive(Clone, Debug)]
pub(super) struct Embedding {
    /// Sines and cosines.
    waves: usize,
    linear1: Linear,
    linear2: Linear,
    /// `[classes, channels]`.
    class_embedding: Option<Tensor>,
}

impl Embedding {
    pub(super) fn new(plan: &Plan, vb: &VarBuilder<'_>) -> Result<Self> {
        let (waves, channels) = (plan.config.channels[0], plan.embedding_channels());
        let linear1 = linear_layer(waves, channels, true, vb.pp("time_embed.0"))?;
        let linear2 = linear_layer(channels, channels, true, vb.pp("time_embed.2"))?;
        let class_embedding = plan.config.num_class_embeds.map(|classes| {
            let init = Init::Randn { mean: 0.0, stdev: 1.0 };
            vb.get_with_hints((classes, channels), "class_embedding.weight", init)
        });
        Ok(Self { waves, linear1, linear2, class_embedding: class_embedding.transpose()? })
    }

    /// SiLU of the sum, which every residual block begins with.
    ///
    /// # Shapes
    /// `timesteps` and `classes` (U32) `[n]`, the result `[n, channels]`, on the device.
    pub(super) fn forward(
        &self,
        timesteps: &Tensor,
        classes: Option<&Tensor>,
        (dtype, device): (DType, &Device),
    ) -> Result<Tensor> {
        let waves =
            timestep_embedding(timesteps, self.waves, MAX_PERIOD, device)?.to_dtype(dtype)?;
        let time = self.linear2.forward(&ops::silu(&self.linear1.forward(&waves)?)?)?;
        let sum = match (&self.class_embedding, classes) {
            (Some(weight), Some(classes)) => {
                (time + weight.index_select(&classes.to_device(device)?, 0)?)?
            }
            _ => time,
        };
        ops::silu(&sum)
    }
}
