//! The rules of the house that a machine can check, in a few lines of our own.
//!
//! Each rule has a function that takes text and gives complaints, so that `the_rules_can_fail` beside
//! it shows every one of them refusing something.

mod documented_commands;
mod manifest_rules;
mod repository;
mod text_rules;

use std::fs;
use std::path::Path;
use std::process::Command;

use manifest_rules::{allowed_edges, edge_complaints, gpu_complaints, package_complaints};
use repository::{all_files, member_manifests, root, text_of};
use text_rules::{
    ignored_complaints, leak_complaints, length_complaint, name_complaint, source_complaint,
};

/// What may stand at the top level, dotfiles aside.
const TOP_LEVEL: [&str; 13] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "crates",
    "docs",
    "examples",
    "scripts",
    "tests",
];
/// Modules that implement a paper or follow a reference implementation, and must name it under a
/// `# Source` heading in their documentation.
const MUST_NAME_SOURCE: [&str; 127] = [
    "crates/candle-nn3d/src/attention.rs",
    "crates/candle-nn3d/src/ema.rs",
    "crates/candle-nn3d/src/group_norm.rs",
    "crates/candle-nn3d/src/kernels/conv3d/winograd/mod.rs",
    "crates/candle-nn3d/src/kernels/conv3d/winograd/weight_gradient.rs",
    "crates/candle-nn3d/src/kernels/exponential.rs",
    "crates/candle-nn3d/src/kernels/normal.rs",
    "crates/candle-nn3d/src/named_tensors/pytorch/legacy.rs",
    "crates/candle-nn3d/src/optimiser/adam.rs",
    "crates/candle-nn3d/src/optimiser/sgd.rs",
    "crates/candle-nn3d/src/recompute.rs",
    "crates/candle-nn3d/src/upsample.rs",
    "crates/durable-file/src/lib.rs",
    "crates/keyed-random/src/normal.rs",
    "crates/keyed-random/src/philox.rs",
    "crates/mrisynth-cohort/src/augmentation.rs",
    "crates/mrisynth-cohort/src/bids/mod.rs",
    "crates/mrisynth-cohort/src/card.rs",
    "crates/mrisynth-cohort/src/split.rs",
    "crates/mrisynth-conditioning/src/edit/progression.rs",
    "crates/mrisynth-conditioning/src/edit/tumour.rs",
    "crates/mrisynth-conditioning/src/embedding.rs",
    "crates/mrisynth-conditioning/src/label_scheme.rs",
    "crates/mrisynth-diffusion/src/condition.rs",
    "crates/mrisynth-diffusion/src/config.rs",
    "crates/mrisynth-diffusion/src/fine_tuning.rs",
    "crates/mrisynth-diffusion/src/guidance.rs",
    "crates/mrisynth-diffusion/src/loss.rs",
    "crates/mrisynth-diffusion/src/model.rs",
    "crates/mrisynth-diffusion/src/objective.rs",
    "crates/mrisynth-diffusion/src/training_level.rs",
    "crates/mrisynth-metrics/src/distribution/frechet.rs",
    "crates/mrisynth-metrics/src/distribution/kernel.rs",
    "crates/mrisynth-metrics/src/distribution/kid.rs",
    "crates/mrisynth-metrics/src/distribution/mmd.rs",
    "crates/mrisynth-metrics/src/distribution/neighbourhoods.rs",
    "crates/mrisynth-metrics/src/features/brain_encoder.rs",
    "crates/mrisynth-metrics/src/features/feature_file/npy.rs",
    "crates/mrisynth-metrics/src/features/inception.rs",
    "crates/mrisynth-metrics/src/features/medical_net.rs",
    "crates/mrisynth-metrics/src/features/random_network.rs",
    "crates/mrisynth-metrics/src/image/ms_ssim.rs",
    "crates/mrisynth-metrics/src/image/ssim.rs",
    "crates/mrisynth-metrics/src/privacy/membership.rs",
    "crates/mrisynth-metrics/src/privacy/nearest_training.rs",
    "crates/mrisynth-metrics/src/regional/comparison.rs",
    "crates/mrisynth-metrics/src/segmentation.rs",
    "crates/mrisynth-metrics/src/segmentation/distance_transform.rs",
    "crates/mrisynth-metrics/src/segmentation/surface/elements.rs",
    "crates/mrisynth-metrics/src/segmentation/surface_distances.rs",
    "crates/mrisynth-metrics/src/uncertainty/bounds.rs",
    "crates/mrisynth-metrics/src/uncertainty/normal_law.rs",
    "crates/mrisynth-metrics/src/uncertainty/permutation.rs",
    "crates/mrisynth-phantom/src/bids.rs",
    "crates/mrisynth-phantom/src/image_formation.rs",
    "crates/mrisynth-phantom/src/label_imaging.rs",
    "crates/mrisynth-phantom/src/morphology.rs",
    "crates/mrisynth-phantom/src/parcels.rs",
    "crates/mrisynth-phantom/src/phantom.rs",
    "crates/mrisynth-phantom/src/pulse_sequence.rs",
    "crates/mrisynth-phantom/src/signed_distance.rs",
    "crates/mrisynth-phantom/src/substance.rs",
    "crates/mrisynth-pipeline/src/derivative.rs",
    "crates/mrisynth-pipeline/src/network.rs",
    "crates/mrisynth-pipeline/src/study/published.rs",
    "crates/mrisynth-report/src/html.rs",
    "crates/mrisynth-report/src/review/agreement.rs",
    "crates/mrisynth-report/src/review/proportion.rs",
    "crates/mrisynth-report/src/review/table.rs",
    "crates/mrisynth-schedulers/src/denoiser.rs",
    "crates/mrisynth-schedulers/src/flow_schedule.rs",
    "crates/mrisynth-schedulers/src/forward_process.rs",
    "crates/mrisynth-schedulers/src/level.rs",
    "crates/mrisynth-schedulers/src/loss_weight.rs",
    "crates/mrisynth-schedulers/src/network_denoiser.rs",
    "crates/mrisynth-schedulers/src/prediction.rs",
    "crates/mrisynth-schedulers/src/samplers/ancestral.rs",
    "crates/mrisynth-schedulers/src/samplers/churn.rs",
    "crates/mrisynth-schedulers/src/samplers/ddim.rs",
    "crates/mrisynth-schedulers/src/samplers/ddim_inversion.rs",
    "crates/mrisynth-schedulers/src/samplers/dpm_solver.rs",
    "crates/mrisynth-schedulers/src/samplers/euler.rs",
    "crates/mrisynth-schedulers/src/samplers/flow.rs",
    "crates/mrisynth-schedulers/src/samplers/heun.rs",
    "crates/mrisynth-schedulers/src/samplers/pndm.rs",
    "crates/mrisynth-schedulers/src/sampling_config.rs",
    "crates/mrisynth-schedulers/src/schedule.rs",
    "crates/mrisynth-schedulers/src/schedule/betas.rs",
    "crates/mrisynth-schedulers/src/schedule/gaussian_diffusion.rs",
    "crates/mrisynth-schedulers/src/sigma_spacing.rs",
    "crates/mrisynth-schedulers/src/spacing.rs",
    "crates/mrisynth-schedulers/src/timestep.rs",
    "crates/mrisynth-schedulers/src/training_time.rs",
    "crates/mrisynth-segmentation/src/dice_cross_entropy.rs",
    "crates/mrisynth-segmentation/src/seg_res_net.rs",
    "crates/mrisynth-segmentation/src/sliding_window.rs",
    "crates/mrisynth-segmentation/src/stage_plan.rs",
    "crates/mrisynth-training/src/energy.rs",
    "crates/mrisynth-training/src/model_card.rs",
    "crates/mrisynth-training/src/run_config.rs",
    "crates/mrisynth-training/src/tensorboard/mod.rs",
    "crates/mrisynth-training/src/tensorboard/record.rs",
    "crates/mrisynth-unet/src/diffusion_unet/mod.rs",
    "crates/mrisynth-unet/src/diffusion_unet/residual_block.rs",
    "crates/mrisynth-unet/src/diffusion_unet/spatial_attention.rs",
    "crates/mrisynth-unet/src/diffusion_unet/spatial_transformer.rs",
    "crates/mrisynth-unet/src/diffusion_unet/token_attention.rs",
    "crates/mrisynth-unet/src/diffusion_unet/transformer_block.rs",
    "crates/mrisynth-unet/src/guided_unet/mod.rs",
    "crates/mrisynth-unet/src/guided_unet/presets.rs",
    "crates/mrisynth-unet/src/monai_bundle.rs",
    "crates/mrisynth-unet/src/presets.rs",
    "crates/mrisynth-unet/src/timestep_embedding.rs",
    "crates/mrisynth-unet/src/weights/generative_models.rs",
    "crates/mrisynth-volume/src/deformation.rs",
    "crates/mrisynth-volume/src/file/gzip_blocks.rs",
    "crates/mrisynth-volume/src/file/mgh.rs",
    "crates/mrisynth-volume/src/file/mgh_encode.rs",
    "crates/mrisynth-volume/src/file/nifti_affine.rs",
    "crates/mrisynth-volume/src/file/nifti_encode.rs",
    "crates/mrisynth-volume/src/file/quaternion.rs",
    "crates/mrisynth-volume/src/freesurfer.rs",
    "crates/mrisynth-volume/src/intensity/percentile.rs",
    "crates/mrisynth-volume/src/label_map/components.rs",
    "crates/mrisynth-volume/src/orientation.rs",
    "crates/mrisynth-volume/src/regrid/bspline.rs",
    "crates/mrisynth-volume/src/regrid/gaussian.rs",
];

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn source_files_are_short_and_named_for_what_they_hold() {
    let mut complaints = Vec::new();
    let sources = all_files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    for (path, text) in sources.filter_map(|p| Some((p.display().to_string(), text_of(&p)?))) {
        complaints.extend(length_complaint(&path, &text));
        complaints.extend(name_complaint(&path));
        complaints.extend(ignored_complaints(&path, &text));
    }
    complain(&complaints);
}

#[test]
fn modules_that_follow_a_paper_name_it() {
    let complaints = MUST_NAME_SOURCE
        .iter()
        .filter_map(|path| source_complaint(path, &text_of(Path::new(path)).expect("text")));
    complain(&complaints.collect::<Vec<_>>());
}

#[test]
fn crates_use_only_what_the_map_allows() {
    let architecture = text_of(Path::new("docs/ARCHITECTURE.md")).expect("text");
    let allowed = allowed_edges(&architecture);
    let manifests = member_manifests();
    let crates = manifests.iter().filter(|(path, _)| path.starts_with("crates/"));
    complain(&crates.flat_map(|(_, m)| edge_complaints(m, &allowed)).collect::<Vec<_>>());
}

#[test]
fn manifests_share_versions_lints_and_metadata() {
    let manifests = member_manifests();
    assert!(manifests.len() >= 4, "no manifests found");
    complain(&manifests.iter().flat_map(|(p, m)| package_complaints(p, m)).collect::<Vec<_>>());
}

#[test]
fn nothing_of_one_machine_and_nothing_large_is_in_the_repository() {
    let mut complaints = Vec::new();
    for path in all_files() {
        let shown = path.display().to_string();
        let bytes = fs::metadata(root().join(&path)).expect("file exists").len();
        if bytes > 1 << 20 {
            complaints.push(format!("{shown}: {bytes} bytes, the limit is 1 MiB"));
        }
        // The lock file names the registry by design.
        if let (Some(text), false) = (text_of(&path), shown == "Cargo.lock") {
            complaints.extend(leak_complaints(&shown, &text));
        }
    }
    complain(&complaints);
}

#[test]
fn the_top_level_holds_only_what_the_plan_names() {
    let entries = fs::read_dir(root()).expect("root can be read");
    let names = entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned());
    let strange = names.filter(|name| {
        !name.starts_with('.')
            && !["target", "runs"].contains(&name.as_str())
            && !TOP_LEVEL.contains(&name.as_str())
    });
    complain(&strange.map(|name| format!("{name} at the top level")).collect::<Vec<_>>());
}

#[test]
fn continuous_integration_runs_the_test_command_of_the_readme() {
    let readme = text_of(Path::new("README.md")).expect("text");
    let command =
        readme.lines().find(|line| line.starts_with("cargo test")).expect("a test command");
    let ci = text_of(Path::new(".ci/run")).expect("text");
    assert!(ci.contains(command), "{command} is not what .ci/run runs");
}

#[test]
fn the_default_build_has_nothing_of_cuda() {
    let mut cargo = Command::new(std::env::var("CARGO").expect("cargo runs the tests"));
    let all = ["tree", "--workspace", "--edges", "all", "--prefix", "none"];
    let tree = cargo.args(all).args(["--locked", "--offline"]).current_dir(root()).output();
    let tree = tree.expect("cargo starts");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("text");
    assert!(tree.contains("candle-core v"), "no tree");
    complain(&gpu_complaints(&tree));
}
