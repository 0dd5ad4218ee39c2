//! How good synthetic volumes are: diversity, distances of features, privacy, volumes of
//! structures, likeness to the real scan of the same mask, each with its interval and with
//! everything that it depends on.
//!
//! ```text
//! cargo run --release --example evaluate -- --real cohort --synthetic samples --out report
//! cargo run --release --example evaluate -- --real A --synthetic B --features medicalnet10:resnet_10_23dataset.pth
//! cargo run --release --example evaluate -- --real A --synthetic B --features files:real.npy,synthetic.npy
//! ```
//!
//! `--real` and `--synthetic` are folders of scans or manifests, all scans on one grid. Where both
//! manifests say site, sex, diagnosis or age, every metric is given for each such group too; label
//! maps are compared where all scans have one. Writes `metrics.json`, `metrics.md` and plots into
//! the folder; `docs/metrics.md` says what each number means.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use mrisynth_pipeline::evaluation::{
    EvaluationConfig, EvaluationEvent, FeatureSource, ScanSet, evaluate,
};

#[derive(Parser)]
#[command(about = "Compares synthetic volumes with real ones")]
struct Arguments {
    /// A folder of real scans, the training set, or its manifest.
    #[arg(long)]
    real: PathBuf,
    /// A folder of synthetic scans, or its manifest.
    #[arg(long)]
    synthetic: PathBuf,
    /// Real scans that the generator did not see, for the membership-inference attack.
    #[arg(long)]
    held_out: Option<PathBuf>,
    /// `random`, `medicalnet10:WEIGHTS`, `medicalnet50:WEIGHTS`, `inception:WEIGHTS`,
    /// `hd-bet:WEIGHTS`, or `files:REAL,SYNTHETIC[,HELD-OUT]` (npy, csv or safetensors, a row per
    /// scan in the order of the set).
    #[arg(long, default_value = "random")]
    features: FeatureSource,
    /// Resamples of every interval.
    #[arg(long, default_value_t = 1000)]
    bootstrap: usize,
    /// The most pairs of a set to compare for diversity.
    #[arg(long, default_value_t = 500)]
    pairs: usize,
    /// The label maps are not by FreeSurfer's table: names structures by their number.
    #[arg(long)]
    numbered_labels: bool,
    /// The fewest scans, of either set, of a group that is looked at by itself.
    #[arg(long, default_value_t = 5)]
    min_group: usize,
    /// Of resamples and sampled pairs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write.
    #[arg(long, default_value = "evaluation")]
    out: PathBuf,
    /// Prints the JSON document instead of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", in_one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, but for those that it says itself.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        match (told.is_empty(), told.contains(&cause)) {
            (true, _) => cause,
            (_, true) => told,
            _ => format!("{told}: {cause}"),
        }
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    let real = ScanSet::find(&arguments.real).context("--real")?;
    let synthetic = ScanSet::find(&arguments.synthetic).context("--synthetic")?;
    let held_out = arguments.held_out.as_ref().map(ScanSet::find).transpose();
    let held_out = held_out.context("--held-out")?;
    let &Arguments { bootstrap, pairs, numbered_labels, min_group, seed, .. } = arguments;
    let features = arguments.features.clone();
    let config = EvaluationConfig { bootstrap, pairs, min_group, numbered_labels, seed, features };
    let mut bars = Bars::new()?;
    let found = evaluate(&real, &synthetic, held_out.as_ref(), &config, &mut |e| bars.show(e))?;
    found.write(&arguments.out)?;
    let results = &found.results;
    let text = if arguments.json { results.to_json()? } else { results.to_markdown() };
    // Not `print!`, which panics when the reader of a pipe has gone.
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// A bar on stderr where that is a terminal, nothing otherwise; it goes when its part is done.
struct Bars {
    style: ProgressStyle,
    bar: ProgressBar,
}

impl Bars {
    fn new() -> Result<Self> {
        let style = ProgressStyle::with_template("{msg:20} {wide_bar} {pos}/{len} {eta}")?;
        Ok(Self { style, bar: ProgressBar::hidden() })
    }

    fn show(&mut self, event: &EvaluationEvent) {
        let EvaluationEvent::Progress { what, done, of } = *event else { return };
        if self.bar.message() != what || self.bar.is_finished() {
            let bar = ProgressBar::new(of as u64).with_style(self.style.clone());
            self.bar = bar.with_message(what);
        }
        self.bar.set_position(done as u64);
        if done == of {
            self.bar.finish_and_clear();
        }
    }
}
