//! Trains a segmentation network, segments scans with it, and measures how well.
//!
//! ```text
//! cargo run --release --example cohort -- phantom phantoms --subjects 8 --shape 48,56,48
//! cargo run --release --example segment -- train --data phantoms --out runs/segment --steps 300 --base-channels 8
//! cargo run --release --example segment -- predict --weights runs/segment --images phantoms --out segmented
//! cargo run --release --example segment -- evaluate --labels phantoms --predictions segmented
//! ```
//!
//! You will see the loss, the Dice of held-out subjects and the time left, and find a label map for every
//! scan in its own grid, with the label scheme's ids; then Dice, HD95, precision and recall of each structure
//! with their intervals.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser};
use mrisynth_pipeline::segmentation::{
    PlanOptions, SegmentationExperiment, SegmentationRun, load_predictor_on, segment_cohort,
};
use mrisynth_pipeline::{DeviceChoice, SchemeSource, open_cohort};
use mrisynth_training::{Console, Outcome, RunFolder, Stop};

#[path = "segment/evaluate.rs"]
mod evaluate;

use evaluate::Evaluate;

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// Train a segmentation network, segment scans with it, measure how well.
#[derive(Parser)]
enum Command {
    /// Train on a cohort with masks.
    Train(Train),
    /// Segment the scans of a cohort, each on its own grid.
    Predict(Predict),
    /// Compare label maps with the predictions of the same subjects, each on its own grid.
    Evaluate(Evaluate),
}

#[derive(Args)]
struct Train {
    /// A manifest, or a folder of scans with masks.
    #[arg(long)]
    data: PathBuf,
    /// The folder of the run.
    #[arg(long)]
    out: PathBuf,
    /// An experiment in a TOML file; without it one is planned for the cohort, as nnU-Net does.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which labels make which class: a built-in scheme or a TOML file.
    #[arg(long, default_value = "ad-structures", conflicts_with = "config")]
    scheme: String,
    /// The channels, as suffixes of BIDS.
    #[arg(long, value_delimiter = ',', default_value = "T1w", conflicts_with = "config")]
    modalities: Vec<String>,
    /// Channels of the finest stage.
    #[arg(long, default_value_t = 32, conflicts_with = "config")]
    base_channels: usize,
    /// Voxels of a patch, at most.
    #[arg(long, default_value_t = 128 * 128 * 128, conflicts_with = "config")]
    patch_voxels: usize,
    /// The steps of the whole run.
    #[arg(long)]
    steps: Option<u64>,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 0, conflicts_with = "config")]
    seed: u64,
    /// Go on with the run that the folder holds, by its own configuration.
    #[arg(long)]
    resume: bool,
    /// Where it runs: cpu, or cuda:0 for the first NVIDIA GPU.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

#[derive(Args)]
struct Predict {
    /// A run, or the folder of one checkpoint.
    #[arg(long)]
    weights: PathBuf,
    /// A manifest, or a folder of scans.
    #[arg(long)]
    images: PathBuf,
    /// Where label maps go.
    #[arg(long)]
    out: PathBuf,
    /// Where it runs: cpu, or cuda:0 for the first NVIDIA GPU.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

fn main() -> Result<ExitCode> {
    match Command::parse() {
        Command::Train(arguments) => train(&arguments),
        Command::Predict(arguments) => predict(&arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(&arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn train(arguments: &Train) -> Result<ExitCode> {
    let cohort = open_cohort(&arguments.data)?;
    let resumed = arguments.resume.then(|| RunFolder::open(&arguments.out)).transpose()?;
    let mut experiment = match (&resumed, &arguments.config) {
        (Some(_), Some(_)) => bail!("--resume takes the run's own configuration, not another"),
        (Some(run), None) => {
            SegmentationExperiment::from_toml(run.config(), &run.path().display().to_string())?
        }
        (None, Some(path)) => SegmentationExperiment::read(path)?,
        (None, None) => {
            let options = PlanOptions {
                base_channels: arguments.base_channels,
                patch_voxels: arguments.patch_voxels,
                steps: arguments.steps.unwrap_or(PlanOptions::default().steps),
                seed: arguments.seed,
                ..PlanOptions::default()
            };
            let scheme = SchemeSource::Named(arguments.scheme.clone());
            SegmentationExperiment::plan(&cohort, arguments.modalities.clone(), scheme, &options)?
        }
    };
    experiment.run.steps = arguments.steps.unwrap_or(experiment.run.steps);
    let mut run = SegmentationRun::new_on(arguments.device, &experiment, &cohort)?;
    let division = run.division();
    let held_out = division.held_out.as_ref().map_or(0, |visits| visits.visits.len());
    eprintln!("{} visits to learn from, {held_out} held out", division.training.visits.len());
    let folder = match resumed {
        Some(folder) => folder,
        None => RunFolder::create(&arguments.out, &experiment.to_toml()?)?,
    };
    match run.train(&folder, &Stop::on_signals()?, &mut Console::stderr())? {
        Outcome::Finished(_) => Ok(ExitCode::SUCCESS),
        Outcome::Stopped(summary) => {
            eprintln!("stopped after step {}; --resume goes on", summary.step);
            Ok(ExitCode::from(130))
        }
    }
}

fn predict(arguments: &Predict) -> Result<ExitCode> {
    let (predictor, experiment) = load_predictor_on(arguments.device, &arguments.weights)?;
    let cohort = open_cohort(&arguments.images)?;
    let mut progress = |done: usize, all: usize| {
        eprintln!("{done} of {all} segmented");
        ControlFlow::Continue(())
    };
    let written =
        segment_cohort(&predictor, &experiment.images, &cohort, &arguments.out, &mut progress)?;
    for scan in written {
        println!("{}", arguments.out.join(scan.labels).display());
    }
    Ok(ExitCode::SUCCESS)
}
