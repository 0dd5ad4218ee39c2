//! The tables that a Med-DDPM checkpoint carries. Large goldens lie outside the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use mrisynth_schedulers::{
    Betas, GAUSSIAN_DIFFUSION_BUFFERS, Process, SamplingPreset, Schedule, ScheduleConfig,
};

use super::case::numbers;

/// Found through `MRISYNTH_FIXTURES`, else beside the repository.
fn checkpoint() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let folder = std::env::var_os("MRISYNTH_FIXTURES").map_or(beside, PathBuf::from);
    let path = folder.join("med_ddpm_chain_250.safetensors");
    path.exists().then_some(path)
}

#[test]
#[allow(clippy::print_stderr, reason = "a case that did not run says so")]
fn the_thirteen_tables_of_a_med_ddpm_checkpoint_are_met() {
    let Some(path) = checkpoint() else {
        eprintln!("SKIPPED: no med_ddpm_chain_250.safetensors; set MRISYNTH_FIXTURES");
        return;
    };
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let buffers: BTreeMap<String, Vec<f32>> = GAUSSIAN_DIFFUSION_BUFFERS
        .iter()
        .map(|name| {
            let values = numbers(&tensors[&format!("chain.{name}")]);
            ((*name).to_owned(), values.into_iter().map(|v| v as f32).collect())
        })
        .collect();
    let Process::Diffusion { schedule, .. } = SamplingPreset::MedDdpm.config().process else {
        panic!("Med-DDPM is a diffusion");
    };
    let schedule = Schedule::new(&schedule).unwrap();
    let differences = schedule.compare_gaussian_diffusion_buffers(&buffers, 1e-6).unwrap();
    assert_eq!(differences, []);

    // Another schedule is told from it.
    let linear = ScheduleConfig { steps: 250, betas: Betas::default(), ..Default::default() };
    let linear = Schedule::new(&linear).unwrap();
    let differences = linear.compare_gaussian_diffusion_buffers(&buffers, 1e-6).unwrap();
    assert_eq!(differences.len(), 13);
}
