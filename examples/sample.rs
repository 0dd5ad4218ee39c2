//! Makes synthetic scans of masks with a trained generator, as a BIDS derivative.
//!
//! ```text
//! cargo run --release --example sample -- --checkpoint runs/first --masks phantoms --out synthetic
//! cargo run --release --example sample -- --checkpoint model_128.pt --preset med-ddpm --masks m.nii.gz --out one --steps 25 --scheduler dpm-solver
//! cargo run --release --example sample -- verify synthetic
//! ```
//!
//! Every scan lies in its mask's own grid, with the mask and the record of how it was made beside it.
//! The same command goes on where it was interrupted; `verify` makes one scan again and compares.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use mrisynth_conditioning::LabelScheme;
use mrisynth_diffusion::{Precision, Shard};
use mrisynth_pipeline::{
    Checkpoint, DeviceChoice, Experiment, GenerationConfig, JobEvent, JobOptions, Preset,
    SamplingJob, Subjects, verify,
};
use mrisynth_schedulers::SamplerConfig;
use mrisynth_training::Stop;

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// Make synthetic scans with a trained generator.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    request: Option<Request>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a scan again from its record, and compare.
    Verify {
        dir: PathBuf,
        /// The weights, if they do not lie where they lay.
        #[arg(long)]
        checkpoint: Option<PathBuf>,
        /// Which scan, counted from 0 in the order of names.
        #[arg(long, default_value_t = 0)]
        number: usize,
    },
}

#[derive(Args)]
struct Request {
    /// A run, one of its checkpoints, or a file of weights.
    #[arg(long)]
    checkpoint: PathBuf,
    /// The experiment of weights from elsewhere, by the name of a preset.
    #[arg(long, conflicts_with = "config")]
    preset: Option<Preset>,
    /// The experiment of weights from elsewhere, as a TOML file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A mask, a folder of masks or a manifest.
    #[arg(long, required_unless_present = "count")]
    masks: Option<PathBuf>,
    /// The label scheme of the masks where it is not the network's, as a TOML file: an atlas, say, whose
    /// ids stand for the same channels.
    #[arg(long, requires = "masks")]
    scheme: Option<String>,
    /// How many scans, of a network without masks.
    #[arg(long, conflicts_with = "masks")]
    count: Option<u64>,
    /// The scan whose grid they shall have.
    #[arg(long, requires = "count")]
    grid: Option<PathBuf>,
    #[arg(long)]
    out: PathBuf,
    #[arg(long)]
    steps: Option<usize>,
    /// ddpm, ddim, pndm, dpm-solver, euler, heun or flow.
    #[arg(long, value_parser = GenerationConfig::sampler_named)]
    scheduler: Option<SamplerConfig>,
    /// How strongly masks are followed; 1 is as learnt.
    #[arg(long)]
    guidance: Option<f64>,
    #[arg(long)]
    seed: Option<u64>,
    /// Scans of each mask.
    #[arg(long, default_value_t = 1)]
    replicas: u64,
    /// The part of the job that this process does, such as 2/8.
    #[arg(long, default_value_t)]
    shard: Shard,
    /// f32 or bf16.
    #[arg(long, value_parser = GenerationConfig::precision_named)]
    dtype: Option<Precision>,
    /// Where it runs: cpu, or cuda:0 for the first NVIDIA GPU.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Keep ten states on the way from noise, as files and as a strip.
    #[arg(long)]
    save_trajectory: bool,
}

fn main() -> Result<ExitCode> {
    match Cli::parse() {
        Cli { command: Some(Command::Verify { dir, checkpoint, number }), .. } => {
            let verdict = verify(dir, checkpoint.as_deref(), number)?;
            println!("{verdict}");
            Ok(ExitCode::from(u8::from(!verdict.holds())))
        }
        Cli { request, .. } => request.context("nothing to do; see --help")?.run(),
    }
}

impl Request {
    fn run(&self) -> Result<ExitCode> {
        let checkpoint = Checkpoint::find(&self.checkpoint)?;
        checkpoint.notes().iter().for_each(|note| eprintln!("{note}"));
        let experiment = self.experiment(&checkpoint)?;
        let subjects = match (&self.masks, self.count) {
            (Some(masks), _) => Subjects::of_masks(masks, self.replicas)?,
            (None, count) => {
                Subjects::counted(count.unwrap_or(1), self.grid.as_deref(), &experiment)?
            }
        };
        let options = JobOptions {
            shard: self.shard,
            trajectory_frames: if self.save_trajectory { 10 } else { 0 },
            device: self.device,
            ..JobOptions::default()
        };
        let job = SamplingJob::new(&experiment, &checkpoint, &subjects, &self.out, options)?;
        eprintln!("{} scans at a time: {}", job.batch_size(), job.memory());
        let (stop, terminal) = (Stop::on_signals()?, std::io::stderr().is_terminal());
        let line = if terminal { "\r\x1b[K" } else { "" };
        let summary = job.run(&mut |event| {
            match event {
                JobEvent::Written { path, .. } => eprintln!("{line}{}", path.display()),
                JobEvent::Step { names, done, steps } if terminal => {
                    eprint!("{line}{}: step {done} of {steps}", names.join(", "));
                }
                _ => {}
            }
            if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        println!("{} made, {} found, {} left", summary.made, summary.found, summary.left);
        Ok(if summary.left == 0 { ExitCode::SUCCESS } else { ExitCode::from(130) })
    }

    fn experiment(&self, checkpoint: &Checkpoint) -> Result<Experiment> {
        let given = Experiment::given(self.config.as_deref(), self.preset)?;
        let mut experiment = given
            .or_else(|| checkpoint.experiment().cloned())
            .context("the weights do not say what they are of: give --preset or --config")?;
        if let Some(scheme) = &self.scheme {
            experiment.data.take_masks_in(&LabelScheme::open(scheme)?)?;
        }
        let sampling = &mut experiment.sampling;
        sampling.steps = self.steps.unwrap_or(sampling.steps);
        sampling.seed = self.seed.unwrap_or(sampling.seed);
        sampling.guidance = self.guidance.unwrap_or(sampling.guidance);
        sampling.sampler = self.scheduler.unwrap_or(sampling.sampler);
        sampling.precision = self.dtype.unwrap_or(sampling.precision);
        Ok(experiment)
    }
}
