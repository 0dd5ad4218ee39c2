//! The published networks of this family.

use super::GuidedUnetConfig;

impl GuidedUnetConfig {
    /// Whole heads of 128³ voxels from a mask of two channels: 3 channels in, 1 out, attention at 16³
    /// voxels; 40.23 million parameters.
    ///
    /// # Source
    /// Dorjsembe et al., "Conditional diffusion models for semantic 3D brain MRI synthesis", IEEE
    /// JBHI 28 (2024); the values are those of its published `model_128.pt`.
    #[must_use]
    pub fn whole_head_128() -> Self {
        Self {
            image_size: 128,
            num_channels: 64,
            num_res_blocks: 1,
            channel_mult: vec![1.0, 1.0, 2.0, 3.0, 4.0],
            attention_resolutions: vec![16],
            in_channels: 3,
            out_channels: 1,
        }
    }

    /// Four modalities of 192×192×144 voxels from a mask of four channels: 8 channels in, 4 out,
    /// attention in the middle only; 57.56 million parameters.
    ///
    /// # Source
    /// As [`whole_head_128`](Self::whole_head_128), its `model_brats.pt`.
    #[must_use]
    pub fn brats_192x192x144() -> Self {
        Self {
            image_size: 192,
            num_res_blocks: 2,
            in_channels: 8,
            out_channels: 4,
            ..Self::whole_head_128()
        }
    }
}
