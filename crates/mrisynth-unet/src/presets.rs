//! Published networks, by name.

use crate::config::UnetConfig;
use crate::diffusion_unet::{DiffusionUnetConfig, PerLevel};

/// Unconditional T1-weighted brains of 84×128×84 voxels, the volumes themselves and not latents.
/// 47,475,969 parameters.
///
/// # Source
/// The pixel-space model of PMC12628488 (HC@AIxIA 2024).
#[must_use]
pub fn bari_84x128x84() -> DiffusionUnetConfig {
    DiffusionUnetConfig {
        num_res_blocks: PerLevel::All(2),
        channels: vec![128, 128, 256],
        attention_levels: vec![false, false, true],
        num_head_channels: PerLevel::Each(vec![0, 0, 256]),
        ..DiffusionUnetConfig::default()
    }
}

/// Pinaya et al. 2022, latents of T1-weighted brains of 20×28×20 voxels. Age, sex and the volumes
/// of ventricles and brain are four channels behind the three of the latent, and a context.
/// 553,168,899 parameters.
///
/// # Source
/// The bundle `brain_image_synthesis_latent_diffusion_model` of MONAI GenerativeModels.
#[must_use]
pub fn brain_ldm() -> DiffusionUnetConfig {
    DiffusionUnetConfig {
        in_channels: 7,
        out_channels: 3,
        num_res_blocks: PerLevel::All(2),
        channels: vec![256, 512, 768],
        attention_levels: vec![false, true, true],
        num_head_channels: PerLevel::Each(vec![0, 512, 768]),
        resblock_updown: true,
        with_conditioning: true,
        cross_attention_dim: Some(4),
        upcast_attention: true,
        ..DiffusionUnetConfig::default()
    }
}

/// Latents of FLAIR images of brains with tumours, 36×44×28 voxels. 189,325,576 parameters.
///
/// # Source
/// The bundle `brats_mri_generative_diffusion` of the MONAI model zoo.
#[must_use]
pub fn brats_ldm() -> DiffusionUnetConfig {
    DiffusionUnetConfig {
        in_channels: 8,
        out_channels: 8,
        num_res_blocks: PerLevel::All(2),
        channels: vec![256, 256, 512],
        attention_levels: vec![false, true, true],
        num_head_channels: PerLevel::Each(vec![0, 64, 64]),
        include_fc: false,
        ..DiffusionUnetConfig::default()
    }
}

impl From<DiffusionUnetConfig> for UnetConfig {
    fn from(config: DiffusionUnetConfig) -> Self {
        Self::DiffusionUnet(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter_shapes::parameter_shapes;

    #[test]
    fn published_networks_have_the_published_number_of_parameters() {
        for (config, want) in
            [(bari_84x128x84(), 47_475_969), (brain_ldm(), 553_168_899), (brats_ldm(), 189_325_576)]
        {
            let shapes = parameter_shapes(&config.into()).unwrap();
            let counts = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>());
            assert_eq!(counts.sum::<usize>(), want);
        }
    }
}
