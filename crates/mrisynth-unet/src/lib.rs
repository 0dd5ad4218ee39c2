//! The published 3-D diffusion U-Nets, their configurations and their weights.

mod config;
mod diffusion_unet;
mod guided_unet;
mod padding;
mod parameter_shapes;
mod timestep_embedding;
mod unet;
mod weights;

mod error;

pub use config::UnetConfig;
pub use diffusion_unet::{DiffusionUnet, DiffusionUnetConfig};
pub use error::{Error, Result};
pub use guided_unet::{GuidedUnet, GuidedUnetConfig};
pub use parameter_shapes::parameter_shapes;
pub use unet::{Unet, UnetInput};
pub use weights::{CheckpointPart, LoadedUnet, UnetWeights, read_weights, save_weights};
