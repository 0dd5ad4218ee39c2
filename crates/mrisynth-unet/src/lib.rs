//! The published 3-D diffusion U-Nets, their configurations and their weights.

mod config;
mod diffusion_unet;
mod guided_unet;
mod monai_bundle;
mod network_config;
mod padding;
mod parameter_shapes;
pub mod presets;
mod timestep_embedding;
mod unet;
mod weights;

mod error;

pub use config::UnetConfig;
pub use diffusion_unet::{DiffusionUnet, DiffusionUnetConfig, PerLevel};
pub use error::{Error, Result};
pub use guided_unet::{GuidedUnet, GuidedUnetConfig};
pub use network_config::NetworkConfig;
pub use parameter_shapes::parameter_shapes;
pub use unet::{Unet, UnetInput};
pub use weights::{CheckpointPart, LoadedUnet, UnetWeights, read_weights, save_weights};
