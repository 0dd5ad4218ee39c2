//! The whole of it in one command: a cohort, a generator, scans, measurements, a study and a page.
//!
//! ```text
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- --data my-bids-tree --out runs/mine
//! ```
//!
//! You will see the stages go by, each with the time left, and find `runs/quickstart/report.html` some
//! minutes later: synthetic brains beside their masks and real ones, metrics with intervals, and whether
//! they help to train a segmentation network. Ctrl-C stops it; the same command goes on, and finds nothing
//! to do when all is done. `--data` does the same with scans and label maps of your own.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use mrisynth_pipeline::StageEvent;
use mrisynth_pipeline::quickstart::{Effort, Quickstart, QuickstartConfig};
use mrisynth_training::{Console, Observer, Stop};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// How often a file or a pipe gets a line of progress.
const REPEAT: Duration = Duration::from_secs(10);

/// From nothing, or from your own scans, to synthetic brains and a page about them.
#[derive(Parser)]
struct Arguments {
    /// Where everything goes.
    #[arg(long, default_value = "runs/quickstart")]
    out: PathBuf,
    /// A manifest, or a folder of scans with label maps; without it, digital brains are made.
    #[arg(long)]
    data: Option<PathBuf>,
    /// What labels mean: a built-in scheme or a TOML file; by default what fits the label maps.
    #[arg(long)]
    scheme: Option<String>,
    /// Just enough to see every part at work; nothing is learnt.
    #[arg(long)]
    quick: bool,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<ExitCode> {
    let Arguments { out, data, scheme, quick, seed } = Arguments::parse();
    let effort = if quick { Effort::smoke_test() } else { Effort::default() };
    let quickstart = Quickstart::new(QuickstartConfig { data, scheme, seed, effort })?;
    let begun = Instant::now();
    let console = Console::stderr();
    let mut teller = Teller { console, began: begun, told: begun, is_open: false };
    let page = quickstart.run(&out, &Stop::on_signals()?, &mut |event| teller.tell(event, ""))?;
    let Some(page) = page else {
        eprintln!("stopped; the same command goes on");
        return Ok(ExitCode::from(130));
    };
    let seconds = begun.elapsed().as_secs();
    eprintln!("done in {} min {} s; open {}", seconds / 60, seconds % 60, page.display());
    Ok(ExitCode::SUCCESS)
}

/// Tells a person how far it is.
struct Teller {
    console: Console<std::io::Stderr>,
    /// When the present stage began.
    began: Instant,
    /// When a line was last told of it.
    told: Instant,
    /// Whether a line is being drawn over.
    is_open: bool,
}

impl Teller {
    fn tell(&mut self, event: &StageEvent<'_>, indent: &str) {
        match event {
            StageEvent::Found { stage } => self.line(&format!("{indent}{stage}: done before")),
            StageEvent::Begun { stage, number, of } => {
                self.began = Instant::now();
                self.line(&format!("{indent}{stage} ({} of {of})", number + 1));
            }
            StageEvent::Skipped { stage, reason } => {
                self.line(&format!("{indent}{stage}: skipped, {reason}"));
            }
            StageEvent::Within { event, .. } => self.tell(event, "  "),
            StageEvent::Training { event, .. } => self.console.observe(event),
            StageEvent::Progress { done, of, .. } => self.progress(*done, *of),
            _ => {}
        }
    }

    fn line(&mut self, text: &str) {
        let start = if std::mem::take(&mut self.is_open) { "\r\x1b[K" } else { "" };
        eprintln!("{start}{text}");
    }

    /// Drawn over and over on a terminal; a line now and then elsewhere.
    fn progress(&mut self, done: usize, of: usize) {
        if done == 0 {
            self.began = Instant::now();
            return;
        }
        let left = self.began.elapsed().as_secs_f64() * (of - done) as f64 / done as f64;
        let text = format!("  {done} of {of}, {left:.0} s left");
        if stderr().is_terminal() {
            // Nobody looking is no reason to end.
            let _ = write!(stderr(), "\r{text}\x1b[K").and_then(|()| stderr().flush());
            self.is_open = true;
        } else if self.told.elapsed() >= REPEAT {
            self.told = Instant::now();
            self.line(&text);
        }
    }
}
