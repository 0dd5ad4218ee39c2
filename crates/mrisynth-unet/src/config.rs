//! The configuration of any network, told apart by its `architecture`.

use serde::{Deserialize, Serialize};

use crate::diffusion_unet::DiffusionUnetConfig;
use crate::guided_unet::GuidedUnetConfig;

/// A network's configuration; its field `architecture` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum UnetConfig {
    /// `"diffusion_unet"`: MONAI's `DiffusionModelUNet`.
    DiffusionUnet(DiffusionUnetConfig),
    /// `"guided_unet"`: Med-DDPM's network.
    GuidedUnet(GuidedUnetConfig),
}
