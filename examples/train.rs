//! Trains a generator of brain MRI on a cohort.
//!
//! ```text
//! cargo run --release --example cohort -- phantom phantoms --subjects 20 --diagnoses healthy,dementia
//! cargo run --release --example train -- --preset quickstart --data phantoms --out runs/first
//! cargo run --release --example train -- --out runs/first --data phantoms --resume
//! ```
//!
//! You will see the loss, voxels per second and the time left; `tensorboard --logdir runs/first/events`
//! shows the curves, `runs/first/previews` what the network makes of a mask (below the scan that the
//! mask belongs to). Ctrl-C finishes the step and saves; `--resume` goes on from there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use mrisynth_cohort::Cache;
use mrisynth_pipeline::{
    DeviceChoice, Experiment, Preset, TrainingRun, memory_of_training, open_cohort,
};
use mrisynth_training::{Console, Outcome, RunFolder, Stop};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// Train a generator of brain MRI on a cohort.
#[derive(Parser)]
struct Arguments {
    /// An experiment that comes with the program: med-ddpm, med-ddpm-brats, bari-ddpm, ad-mask-ddpm or
    /// quickstart.
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// An experiment in a TOML file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A manifest, or a folder of scans.
    #[arg(long)]
    data: PathBuf,
    /// The folder of the run.
    #[arg(long)]
    out: PathBuf,
    /// Where prepared scans are kept; by default `cache` beside the run, for all runs there.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Go on with the run that the folder holds, by its own configuration.
    #[arg(long)]
    resume: bool,
    /// The steps of the whole run, instead of the experiment's.
    #[arg(long)]
    steps: Option<u64>,
    /// What everything is drawn from, instead of the experiment's.
    #[arg(long, conflicts_with = "resume")]
    seed: Option<u64>,
    /// Where it runs: cpu, or cuda:0 for the first NVIDIA GPU.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Say what memory it takes, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let resumed = arguments.resume.then(|| RunFolder::open(&arguments.out)).transpose()?;
    let experiment = experiment(&arguments, resumed.as_ref())?;
    let memory = memory_of_training(&experiment)?;
    eprintln!("{}: {memory}", experiment.name);
    memory.check_on(&arguments.device.open()?, &format!("training {}", experiment.name))?;
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }

    let cohort = open_cohort(&arguments.data)?;
    let beside = || arguments.out.parent().unwrap_or(Path::new("")).join("cache");
    let cache = Cache::open(arguments.cache.clone().unwrap_or_else(beside))?;
    let begun =
        resumed.as_ref().is_some_and(|run| run.checkpoints().steps().is_ok_and(|s| !s.is_empty()));
    let mut run = TrainingRun::new_on(arguments.device, &experiment, &cohort, &cache, begun)?;
    let division = run.division();
    let held_out = division.held_out.as_ref().map_or(0, |visits| visits.visits.len());
    eprintln!("{} visits to learn from, {held_out} held out", division.training.visits.len());

    let folder = match resumed {
        Some(folder) => folder,
        None => RunFolder::create(&arguments.out, &experiment.to_toml()?)?,
    };
    let card = arguments.data.join("card.json");
    let card = card.is_file().then_some(card.as_path());
    let stop = Stop::on_signals()?;
    match run.train(&folder, card, &stop, &mut Console::stderr())? {
        Outcome::Finished(_) => Ok(ExitCode::SUCCESS),
        Outcome::Stopped(summary) => {
            eprintln!("stopped after step {}; --resume goes on", summary.step);
            Ok(ExitCode::from(130))
        }
    }
}

/// The experiment of the arguments, or that of the run to go on with.
fn experiment(arguments: &Arguments, resumed: Option<&RunFolder>) -> Result<Experiment> {
    let given = Experiment::given(arguments.config.as_deref(), arguments.preset)?;
    let mut experiment = match (resumed, given) {
        (Some(run), None) => {
            Experiment::from_toml(run.config(), &run.path().display().to_string())?
        }
        (Some(_), Some(_)) => bail!("--resume takes the run's own configuration, not another"),
        (None, given) => given.context("--preset or --config is needed")?,
    };
    experiment.training.run.steps = arguments.steps.unwrap_or(experiment.training.run.steps);
    experiment.diffusion.seed = arguments.seed.unwrap_or(experiment.diffusion.seed);
    Ok(experiment)
}
