//! MONAI's `DiffusionModelUNet`.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::unet::UnetInput;

/// Stands until the network is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiffusionUnetConfig {}

/// Stands until the network is written.
#[derive(Clone, Debug)]
pub struct DiffusionUnet {}

impl DiffusionUnetConfig {
    pub(crate) fn total_stride(&self) -> usize {
        1
    }
}

impl DiffusionUnet {
    pub(crate) fn config(&self) -> &DiffusionUnetConfig {
        &DiffusionUnetConfig {}
    }

    pub(crate) fn new(_: &DiffusionUnetConfig, _: VarBuilder<'_>) -> Result<Self> {
        Ok(Self {})
    }

    pub(crate) fn forward(&self, input: &UnetInput<'_>) -> Result<Tensor> {
        Ok(input.x.clone())
    }
}
