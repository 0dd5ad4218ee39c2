//! The networks of mrisynth-unet beside their references: one case per file.

mod diffusion;
mod golden;
mod weights;
