use super::*;
use crate::diffusion_unet::{DiffusionUnetConfig, PerLevel};
use crate::presets;

fn diffusion(text: &str) -> (DiffusionUnetConfig, Vec<String>) {
    let NetworkConfig { config, notes } = NetworkConfig::parse("c.json", text).unwrap();
    let UnetConfig::DiffusionUnet(config) = config else { panic!("{config:?}") };
    (config, notes)
}

fn problem(text: &str) -> String {
    NetworkConfig::parse("c.json", text).unwrap_err().to_string()
}

/// The networks of a bundle in the form of `brain_image_synthesis_latent_diffusion_model`, and what
/// stands around them.
const BRAIN_LDM: &str = r#"{
    "imports": ["$import torch"], "bundle_root": ".", "model_dir": "$@bundle_root + '/models'",
    "spatial_dims": 3, "latent": {"channels": 3, "levels": [256, 512, 768]},
    "autoencoder_def": {
        "_target_": "generative.networks.nets.AutoencoderKL",
        "spatial_dims": "@spatial_dims", "num_channels": [64, 128, 128, 128]
    },
    "diffusion_def": {
        "_target_": "generative.networks.nets.DiffusionModelUNet",
        "spatial_dims": "@spatial_dims", "in_channels": 7, "out_channels": "@latent::channels",
        "num_channels": "@latent#levels", "num_res_blocks": 2,
        "attention_levels": [false, true, true], "norm_num_groups": 32, "norm_eps": 1e-06,
        "resblock_updown": true, "num_head_channels": [0, "@latent::levels::1", 768],
        "with_conditioning": true, "transformer_num_layers": 1, "cross_attention_dim": 4,
        "upcast_attention": true, "use_flash_attention": false
    },
    "diffusion": "$@diffusion_def.to(@device)",
    "sampler": {"_target_": "scripts.sampler.Sampler", "_requires_": "@set_timesteps"}
}"#;

#[test]
fn a_whole_bundle_is_the_network_in_it() {
    let (config, notes) = diffusion(BRAIN_LDM);
    assert_eq!(config, presets::brain_ldm());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("diffusion_def::upcast_attention has no effect"), "{notes:?}");
}

#[test]
fn an_object_of_arguments_is_a_network_with_and_without_its_target() {
    let arguments = r#""spatial_dims": 3, "in_channels": 8, "out_channels": 8, "include_fc": false,
        "channels": [256, 256, 512], "attention_levels": [false, true, true],
        "num_head_channels": [0, 64, 64], "num_res_blocks": 2"#;
    assert_eq!(diffusion(&format!("{{{arguments}}}")), (presets::brats_ldm(), vec![]));
    let target = r#""_target_": "monai.networks.nets.diffusion_model_unet.DiffusionModelUNet""#;
    assert_eq!(diffusion(&format!("{{{target}, {arguments}}}")), (presets::brats_ldm(), vec![]));
}

#[test]
fn plain_attention_of_generative_models_has_no_output_projection() {
    let text = r#"{"_target_": "generative.networks.nets.DiffusionModelUNet", "spatial_dims": 3,
        "in_channels": 1, "out_channels": 1, "num_channels": [32, 64],
        "attention_levels": [false, true], "num_head_channels": 8, "use_flash_attention": true}"#;
    let (config, notes) = diffusion(text);
    assert!(!config.include_fc);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert_eq!(config.num_res_blocks, PerLevel::Each(vec![2; 4]));
}

#[test]
fn our_own_object_names_its_architecture() {
    let (config, notes) =
        diffusion(r#"{"architecture": "diffusion_unet", "channels": [8], "out_channels": 2}"#);
    let want = DiffusionUnetConfig { channels: vec![8], out_channels: 2, ..Default::default() };
    assert_eq!((config, notes), (want, vec![]));
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let bare = |changed: &str| {
        format!(r#"{{"spatial_dims": 3, "in_channels": 1, "out_channels": 1, {changed}}}"#)
    };
    for (text, parts) in [
        ("[]".to_owned(), vec!["c.json", "object"]),
        ("{".to_owned(), vec!["line 1"]),
        (r#"{"a": 1}"#.to_owned(), vec!["_target_", "architecture"]),
        (r#"{"architecture": "unet"}"#.to_owned(), vec!["unet", "diffusion_unet"]),
        (r#"{"architecture": "diffusion_unet", "chanels": 1}"#.to_owned(), vec!["chanels"]),
        (r#"{"architecture": "diffusion_unet", "norm_eps": "a"}"#.to_owned(), vec!["norm_eps: "]),
        (r#"{"in_channels": 1}"#.to_owned(), vec!["spatial_dims is absent"]),
        (bare(r#""chanels": [8]"#), vec!["chanels", "no such argument"]),
        (bare(r#""num_res_blocks": [1, -2]"#), vec!["num_res_blocks: ", "-2"]),
        (bare(r#""channels": [8], "num_channels": [8]"#), vec!["channels", "same argument"]),
        (bare(r#""channels": "$[8] * 2""#), vec!["channels is the expression", "$[8] * 2"]),
        (bare(r#""channels": [8, "$4 * 4"]"#), vec!["channels::1 is the expression"]),
        (bare(r#""channels": "@width""#), vec!["channels refers to @width"]),
        (bare(r#""channels": "@channels""#), vec!["channels", "circle"]),
        (bare(r#""channels": [[8]]"#), vec!["channels::0"]),
    ] {
        let problem = problem(&text);
        assert!(parts.iter().all(|part| problem.contains(part)), "{text}: {problem}");
    }
}

#[test]
fn relatives_of_the_network_and_several_networks_are_refused_by_name() {
    let maisi = r#""unet_def": {"_target_": "monai.apps.generation.maisi.networks.diffusion_model_unet_maisi.DiffusionModelUNetMaisi"}"#;
    let other = r#""mask_def": {"_target_": "monai.networks.nets.diffusion_model_unet.DiffusionModelUNet"}"#;
    let message = problem(&format!("{{{maisi}}}"));
    assert!(message.contains("unet_def::_target_ is monai.apps") && message.contains("Maisi"));
    let message = problem(&format!("{{{maisi}, {other}}}"));
    assert!(message.contains("unet_def (") && message.contains("mask_def ("), "{message}");
}

#[test]
fn references_cannot_multiply() {
    // Each refers to the next twice: what is meant would be 2⁶⁰ numbers.
    let mut text =
        r#"{"spatial_dims": 3, "in_channels": 1, "out_channels": 1, "channels": "@a0""#.to_owned();
    let mut bundle = String::new();
    for i in 0..60 {
        bundle += &format!(r#", "a{i}": ["@a{}", "@a{}"]"#, i + 1, i + 1);
    }
    text += &format!(r#", "_target_": "DiffusionModelUNet"{bundle}}}"#);
    assert!(problem(&text).contains("channels::0") || problem(&text).contains("a0"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let message = NetworkConfig::read("nowhere/at-all.json").unwrap_err().to_string();
    assert!(message.starts_with("nowhere/at-all.json: "), "{message}");
}
