//! A blinded review: can radiologists tell synthetic scans from real ones, and how good are they?
//!
//! ```text
//! cargo run --release --example review -- make --real cohort --synthetic synthetic --out review
//! cargo run --release --example review -- evaluate --key review/key/key.json anna.csv bert.csv
//! ```
//!
//! `make` writes `raters/review.html`, one page with real and synthetic scans in random order and a form that
//! exports its answers as CSV, and `key/key.json`, which raters must not see. `evaluate` takes the key and the
//! CSV files that came back: how often raters were right, with intervals, and how well they agree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser};
use keyed_random::Key as RandomKey;
use mrisynth_cohort::Visit;
use mrisynth_pipeline::open_cohort;
use mrisynth_report::page::MetricTable;
use mrisynth_report::review::{Answers, Exhibit, Key, Origin, Sheet, SheetOptions};
use mrisynth_volume::Volume;

/// A blinded review of real and synthetic scans.
#[derive(Parser)]
enum Command {
    /// Write a rating form for radiologists, and the key to it.
    Make(Make),
    /// Say how often raters were right, and how well they agree.
    Evaluate {
        /// The key that `make` wrote.
        #[arg(long)]
        key: PathBuf,
        /// The CSV files that came back, one of each rater.
        #[arg(required = true)]
        answers: Vec<PathBuf>,
        /// Print one JSON object instead of the table.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Make {
    /// Real scans: a manifest or a folder.
    #[arg(long)]
    real: PathBuf,
    /// Synthetic scans: a manifest or a folder.
    #[arg(long)]
    synthetic: PathBuf,
    /// The folder to write.
    #[arg(long)]
    out: PathBuf,
    /// The modality.
    #[arg(long, default_value = "T1w")]
    modality: String,
    /// Of the choice of scans and of their order.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The most scans of either origin, each of another subject.
    #[arg(long, default_value_t = 10)]
    cases: usize,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Make(arguments) => make(&arguments),
        Command::Evaluate { key, answers, json } => evaluate(&key, &answers, json),
    }
}

fn make(arguments: &Make) -> Result<()> {
    let real = chosen(&arguments.real, arguments, &BTreeSet::new()).context("--real")?;
    let shown = real.iter().map(|scan| scan.subject.clone()).collect();
    let synthetic = chosen(&arguments.synthetic, arguments, &shown).context("--synthetic")?;
    let exhibits: Vec<Exhibit<'_>> = [(Origin::Real, &real), (Origin::Synthetic, &synthetic)]
        .into_iter()
        .flat_map(|(origin, scans)| {
            scans.iter().map(move |scan| Exhibit { name: &scan.name, origin, volume: &scan.volume })
        })
        .collect();
    let options = SheetOptions { seed: arguments.seed, ..SheetOptions::default() };
    let (sheet, key) = Sheet::blind(&exhibits, &options)?;
    let [sheet_path, key_path] =
        ["raters/review.html", "key/key.json"].map(|p| arguments.out.join(p));
    for path in [&sheet_path, &key_path] {
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    sheet.write(&sheet_path)?;
    key.write(&key_path)?;
    println!("{} real and {} synthetic scans", real.len(), synthetic.len());
    println!("for raters:   {}", sheet_path.display());
    println!("for yourself: {}", key_path.display());
    Ok(())
}

struct Scan {
    subject: String,
    name: String,
    volume: Volume,
}

/// A few scans of a cohort at random, each of another subject; those whose other scan is on the sheet come
/// last.
fn chosen(path: &Path, arguments: &Make, shown: &BTreeSet<String>) -> Result<Vec<Scan>> {
    let cohort = open_cohort(path)?;
    let modality = &arguments.modality;
    let mut subjects = BTreeSet::new();
    let of_modality = cohort.visits.iter().filter(|visit| visit.images.contains_key(modality));
    let visits: Vec<&Visit> =
        of_modality.filter(|visit| subjects.insert(visit.subject.clone())).collect();
    ensure!(!visits.is_empty(), "{}: no scan of modality {modality}", path.display());
    let mut order =
        RandomKey::new(arguments.seed).with("choice of scans").stream().permutation(visits.len());
    order.sort_by_key(|&place| shown.contains(&visits[place].subject));
    let read = |place: usize| {
        let (subject, path) =
            (visits[place].subject.clone(), cohort.resolve(&visits[place].images[modality]));
        Ok(Scan { subject, name: path.display().to_string(), volume: Volume::read(&path)? })
    };
    order.into_iter().take(arguments.cases).map(read).collect()
}

fn evaluate(key: &Path, answers: &[PathBuf], json: bool) -> Result<()> {
    let key = Key::read(key)?;
    let raters: Vec<Answers> =
        answers.iter().map(|path| Ok(Answers::read(path, &key)?)).collect::<Result<_>>()?;
    let found = key.evaluate(&raters)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_table(&found.to_table());
    }
    Ok(())
}

fn print_table(table: &MetricTable) {
    println!("| of | metric | value and interval | scans |\n|---|---|---|---|");
    for row in &table.rows {
        println!("| {} | {} | {} | {} |", row.group, row.name, row.estimate, row.n);
    }
}
