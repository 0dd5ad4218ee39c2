//! Finds out whether it helps to train a segmentation network on synthetic scans.
//!
//! ```text
//! cargo run --release --example cohort -- phantom phantoms --subjects 24 --shape 48,56,48 --diagnoses healthy,dementia
//! cargo run --release --example augmentation_study -- --config examples/studies/phantoms.toml --cohort phantoms --out study
//! cargo run --release --example augmentation_study -- --config examples/studies/slabs.toml --cohort SLABS --out study
//! ```
//!
//! You will see the stages go by, and find `summary/results.md`: mean Dice, HD95, precision and recall of
//! networks trained on real scans, on synthetic ones and on both, with intervals and tests of their
//! differences, and whether synthetic scans are copies of real ones. The same command again goes on where
//! it was interrupted; after a change of the configuration it does again what depends on it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use mrisynth_pipeline::study::AugmentationStudy;
use mrisynth_pipeline::{JobEvent, StageEvent};
use mrisynth_training::{Console, Observer, Stop};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// Find out whether it helps to train on synthetic scans.
#[derive(Parser)]
struct Arguments {
    /// The study, as a TOML file.
    #[arg(long)]
    config: PathBuf,
    /// Where its stages and results go.
    #[arg(long)]
    out: PathBuf,
    /// A manifest or a folder of scans with masks, instead of the study's own.
    #[arg(long)]
    cohort: Option<PathBuf>,
    /// Print the records as JSON instead of the page.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let study = AugmentationStudy::read(&arguments.config, arguments.cohort.as_deref())?;
    let split = study.split();
    let (training, test) = (split.training.len(), split.test.len());
    eprintln!("{}: {training} subjects to learn from, {test} to test", study.config().name);
    let mut console = Console::stderr();
    let mut observer = |event: &StageEvent<'_>| show(event, &mut console);
    let Some(results) = study.run(&arguments.out, &Stop::on_signals()?, &mut observer)? else {
        eprintln!("stopped; the same command goes on");
        return Ok(ExitCode::from(130));
    };
    let text = match arguments.json {
        true => results.to_json()?,
        false => std::fs::read_to_string(arguments.out.join("summary/results.md"))?,
    };
    // Not `print!`, which panics when the reader of a pipe has gone.
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn show(event: &StageEvent<'_>, console: &mut dyn Observer) {
    match event {
        StageEvent::Found { stage } => eprintln!("{stage}: done before"),
        StageEvent::Begun { stage, number, of } => eprintln!("{stage} ({} of {of})", number + 1),
        StageEvent::Training { event, .. } => console.observe(event),
        StageEvent::Sampling { event: JobEvent::Written { name, .. }, .. } => eprintln!("  {name}"),
        StageEvent::Progress { done, of, .. } => eprintln!("  {done} of {of}"),
        _ => {}
    }
}
