//! Cohorts from folders: a manifest, splits by subject, a card, and a check for leaks.
//!
//! ```text
//! cargo run --release --example cohort -- phantom OUT --subjects 20 --diagnoses healthy,dementia
//! cargo run --release --example cohort -- scan  OUT
//! cargo run --release --example cohort -- split OUT --stratify site,diagnosis
//! cargo run --release --example cohort -- card  OUT --name "My cohort" --licence "CC BY 4.0"
//! cargo run --release --example cohort -- check OUT
//! ```
//!
//! `scan` writes `cohort.tsv` into a BIDS tree or a flat folder, keeping the splits of one that is
//! there, and tells what it could not pair; the others read it. `check` fails on files that cannot
//! be read and on leaks. With `--json` each prints one object and nothing else.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};
use mrisynth_cohort::{
    Card, CardConfig, Fraction, Inspection, Manifest, ScanOptions, SplitConfig, Splitter, Stratum,
    Survey, scan,
};
use mrisynth_phantom::{CohortConfig, Diagnosis, Modality, write_cohort};
use serde_json::{Value, json};

/// Make, list, divide, describe and check cohorts of brain MRI.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print one JSON object and nothing else.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a cohort of digital brains.
    Phantom(Phantom),
    /// Write the manifest of a BIDS tree or a flat folder.
    Scan {
        dir: PathBuf,
        /// Take only label maps with this `desc`.
        #[arg(long)]
        desc: Option<String>,
        /// Take label maps in this `space` instead of the subjects' own.
        #[arg(long)]
        space: Option<String>,
    },
    /// Give every subject a split.
    Split {
        dir: PathBuf,
        /// The splits.
        #[arg(long, value_delimiter = ',', default_value = "train=0.8,test=0.2")]
        fractions: Vec<Fraction>,
        /// What to balance: site, diagnosis.
        #[arg(long, value_delimiter = ',')]
        stratify: Vec<Stratum>,
        /// Divide anew, also subjects that have a split.
        #[arg(long)]
        reassign: bool,
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Write `card.md` and `card.json` beside the manifest.
    Card {
        dir: PathBuf,
        #[arg(long, default_value = "unnamed cohort")]
        name: String,
        #[arg(long, default_value = "not stated: do not share")]
        licence: String,
        /// Where the cohort comes from.
        #[arg(long, default_value = "")]
        description: String,
        /// A known limit; may be given several times.
        #[arg(long = "limit")]
        limits: Vec<String>,
    },
    /// Look for files that cannot be read and for leaks between splits.
    Check { dir: PathBuf },
}

#[derive(Args)]
struct Phantom {
    /// The folder to write.
    out: PathBuf,
    #[arg(long)]
    subjects: usize,
    /// Make images from the label maps in this folder instead of digital anatomy.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Voxels along each axis.
    #[arg(long, value_delimiter = ',', num_args = 1, value_name = "X,Y,Z")]
    shape: Option<Vec<usize>>,
    /// Of T1w, T1ce, T2w, FLAIR and PD; by default T1w.
    #[arg(long, value_delimiter = ',')]
    modalities: Vec<Modality>,
    /// Of healthy, dementia, glioblastoma and multiple-sclerosis, in turn; by default all.
    #[arg(long, value_delimiter = ',')]
    diagnoses: Vec<Diagnosis>,
    #[arg(long, default_value_t = 2)]
    sites: u32,
    /// Sessions of each subject.
    #[arg(long, default_value_t = 1)]
    sessions: u32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    let (is_good, told, text) = match run(command) {
        Ok(told) => told,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = if json { told.to_string() } else { text };
    // Not `println!`, which panics when the reader of a pipe has gone.
    let written = writeln!(std::io::stdout(), "{}", text.trim_end());
    if is_good && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether all is well, what was done for programs, and for people.
type Told = (bool, Value, String);

fn run(command: Command) -> Result<Told> {
    match command {
        Command::Phantom(phantom) => make_phantom(phantom),
        Command::Scan { dir, desc, space } => {
            let mut scanned = scan(&dir, &ScanOptions { desc, space })?;
            let (path, manifest) = (manifest_in(&dir), &mut scanned.manifest);
            manifest.keep_splits_of(&path)?;
            manifest.write(&path)?;
            let (subjects, visits) = (manifest.subjects().len(), manifest.visits.len());
            let findings = &scanned.findings;
            let told = json!({ "manifest": path, "subjects": subjects, "visits": visits,
                "findings": findings });
            Ok((true, told, format!("{}: {scanned}", path.display())))
        }
        Command::Split { dir, fractions, stratify: stratify_by, reassign, seed } => {
            let (path, mut manifest) = read(&dir)?;
            let config = SplitConfig { fractions, stratify_by, keep_assigned: !reassign, seed };
            let subjects = Splitter::new(&config)?.assign(&mut manifest)?;
            manifest.write(&path)?;
            let text = format!("{}: subjects {subjects:?}", path.display());
            Ok((true, json!({ "manifest": path, "subjects": subjects, "config": config }), text))
        }
        Command::Card { dir, name, licence, description, limits } => {
            let (path, manifest) = read(&dir)?;
            let survey = Survey::of(&manifest, &|_, _| ControlFlow::Continue(()))?;
            let config = CardConfig { name, licence, description, limits, ..CardConfig::default() };
            let card = Card::of(&manifest, &survey, &config);
            let [path, data] = ["card.md", "card.json"].map(|name| path.with_file_name(name));
            card.write(&path)?;
            let text = format!("{}: {} files", path.display(), card.files.len());
            let told = json!({ "cards": [path, data], "counts": card.counts,
                "limits": card.limits, "synthetic": card.is_synthetic() });
            Ok((survey.faults.is_empty(), told, text))
        }
        Command::Check { dir } => {
            let (_, manifest) = read(&dir)?;
            let survey = Survey::of(&manifest, &|_, _| ControlFlow::Continue(()))?;
            let inspection = Inspection::of(&manifest, &survey);
            Ok((inspection.fit, json!(inspection), inspection.to_string()))
        }
    }
}

/// Makes a cohort of digital brains.
fn make_phantom(phantom: Phantom) -> Result<Told> {
    let Phantom { out, subjects, labels, shape, modalities, diagnoses, sites, sessions, seed } =
        phantom;
    let mut config = CohortConfig { subjects, labels, sites, sessions, seed, ..Default::default() };
    if let Some(shape) = shape {
        let n = shape.len();
        config.shape = shape.try_into().map_err(|_| anyhow!("--shape has {n} numbers, not 3"))?;
    }
    config.modalities = if modalities.is_empty() { config.modalities } else { modalities };
    config.diagnoses = if diagnoses.is_empty() { config.diagnoses } else { diagnoses };
    let report = write_cohort(&config, &out, &mut |_| ControlFlow::Continue(()))?;
    let (images, maps) = (report.images, report.label_maps);
    let text =
        format!("{}: {subjects} subjects, {images} images, {maps} label maps", out.display());
    Ok((!report.stopped, json!({ "out": out, "report": report, "config": config }), text))
}

fn manifest_in(dir: &Path) -> PathBuf {
    if dir.extension().is_some_and(|e| e == "tsv") { dir.into() } else { dir.join("cohort.tsv") }
}

fn read(dir: &Path) -> Result<(PathBuf, Manifest)> {
    let path = manifest_in(dir);
    let manifest = Manifest::read(&path)?;
    Ok((path, manifest))
}
