//! The published 3-D diffusion U-Nets, their configurations and their weights.
//!
//! - A [`UnetConfig`] describes a network of one of two families: MONAI's [`DiffusionUnet`] and
//!   Med-DDPM's [`GuidedUnet`]. [`NetworkConfig`] reads one from a file, MONAI's bundles included.
//! - A [`Unet`] is such a network; `Unet::load` reads its weights in every published layout, and
//!   [`save_weights`] writes them.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mrisynth_unet::{DiffusionUnetConfig, Unet, UnetInput};
//! let config = DiffusionUnetConfig { norm_num_groups: 8, ..DiffusionUnetConfig::default() };
//! let random = candle_nn3d::ParameterStore::new(keyed_random::Key::new(1));
//! let unet = Unet::new(&config.into(), random.builder(DType::F32))?;
//! let x = Tensor::zeros((1, 1, 8, 8, 8), DType::F32, &Device::Cpu)?;
//! let t = Tensor::new(&[500_i64], &Device::Cpu)?;
//! assert_eq!(unet.forward(&UnetInput::new(&x, &t))?.dims(), [1, 1, 8, 8, 8]);
//! # Ok::<(), mrisynth_unet::Error>(())
//! ```

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
