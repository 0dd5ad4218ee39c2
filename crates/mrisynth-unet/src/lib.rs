//! The published 3-D diffusion U-Nets, their configurations and their weights.

mod config;
mod diffusion_unet;
mod guided_unet;
mod timestep_embedding;
mod unet;

mod error;

pub use config::UnetConfig;
pub use diffusion_unet::{DiffusionUnet, DiffusionUnetConfig};
pub use error::{Error, Result};
pub use guided_unet::{GuidedUnet, GuidedUnetConfig};
pub use unet::{Unet, UnetInput};
