//! Checks segmentation masks against a label scheme, edits them and makes them into channels.
//!
//! ```text
//! cargo run --release --example mask -- validate dseg.nii.gz --image T1w.nii.gz
//! cargo run --release --example mask -- edit dseg.nii.gz older.nii.gz --atrophy hippocampus=-20% --atrophy "lateral ventricles=+30%"
//! cargo run --release --example mask -- channels dseg.nii.gz channels.nii.gz --shape 128,128,128
//! ```
//!
//! `validate` prints every structure's volume, or all that is wrong; `edit` writes a new mask on the
//! same grid and prints what became of each structure; `channels` writes what a network sees.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use keyed_random::Key;
use mrisynth_conditioning::{LabelScheme, MaskEdit, ValidationOptions, VolumeRequest};
use mrisynth_volume::{Image, LabelMap, Scaling, StoredVoxels, WriteOptions};
use serde_json::json;

/// Check masks against a label scheme, edit them, make them into channels.
#[derive(Parser)]
enum Command {
    /// Print the volume of every structure, or all that is wrong with the mask.
    Validate {
        #[command(flatten)]
        mask: Mask,
        /// The image that the mask must lie on.
        #[arg(long)]
        image: Option<PathBuf>,
        /// Accept any volumes, as those of a slab.
        #[arg(long)]
        any_volume: bool,
    },
    /// Write a new mask made from this one; edits are applied in the order of this list.
    Edit(Edit),
    /// Write the channels of a condition, one frame each.
    Channels {
        #[command(flatten)]
        mask: Mask,
        /// The NIfTI file to write.
        output: PathBuf,
        /// Voxels per axis to divide the field of view into.
        #[arg(long, value_name = "X,Y,Z", value_parser = triple::<usize>)]
        shape: Option<[usize; 3]>,
    },
}

#[derive(Args)]
struct Mask {
    /// The label map.
    input: PathBuf,
    /// A built-in scheme (ad-structures, ad-structures-lr, tissues, slab-tissues,
    /// med-ddpm-whole-head, med-ddpm-brats) or a TOML file.
    #[arg(long, default_value = "ad-structures")]
    scheme: String,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Edit {
    #[command(flatten)]
    mask: Mask,
    /// The NIfTI or MGH file to write.
    output: PathBuf,
    /// Exchange left and right.
    #[arg(long)]
    flip: bool,
    /// Deform by a smooth random field of this amplitude in mm.
    #[arg(long, value_name = "MM", num_args = 0..=1, default_missing_value = "2")]
    deform: Option<f64>,
    /// How smooth that field is, in mm.
    #[arg(long, value_name = "MM", default_value_t = 16.0)]
    smoothness: f64,
    /// Change the volume of a structure, such as hippocampus=-20%; may be repeated.
    #[arg(long, value_name = "STRUCTURE=±N%")]
    atrophy: Vec<VolumeRequest>,
    /// Make the tumour so many times as long.
    #[arg(long, value_name = "FACTOR")]
    scale_tumour: Option<f64>,
    /// Shift the tumour by voxels.
    #[arg(long, value_name = "X,Y,Z", value_parser = triple::<i64>, allow_hyphen_values = true)]
    shift_tumour: Option<[i64; 3]>,
    /// What the random edits follow from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Validate { mask, image, any_volume } => {
            let (scheme, labels) = mask.open()?;
            let image = image.map(Image::read).transpose()?;
            let options = ValidationOptions { volumes: !any_volume, ..Default::default() };
            let found = scheme.validate(&labels, image.as_ref().map(Image::geometry), options);
            let summary = found.with_context(|| mask.input.display().to_string())?;
            let lines = summary.channels.iter().map(|channel| format!("{channel}\n"));
            mask.print(json!(summary), lines.collect())
        }
        Command::Edit(edit) => edit.run(),
        Command::Channels { mask, output, shape } => {
            let (scheme, labels) = mask.open()?;
            let labels = shape.map_or(Ok(labels.clone()), |s| scheme.resize(&labels, s))?;
            let channels = scheme.channels(&labels)?;
            let frames = channels.into_iter().flat_map(|channel| channel.into_voxels());
            let (n, stored) = (scheme.n_channels(), StoredVoxels::F32(frames.collect()));
            Image::new(*labels.geometry(), n, stored, Scaling::IDENTITY)?
                .write(&output, &WriteOptions::default())?;
            let names: Vec<_> = scheme.channels_config().iter().map(|c| &c.name).collect();
            let facts = json!({ "output": output, "grid": labels.geometry(), "channels": names });
            mask.print(facts, format!("{n} channels: {names:?}\n"))
        }
    }
}

impl Mask {
    fn open(&self) -> Result<(LabelScheme, LabelMap)> {
        Ok((LabelScheme::open(&self.scheme)?, LabelMap::read(&self.input)?))
    }

    fn print(&self, facts: serde_json::Value, text: String) -> Result<()> {
        let text = if self.json { facts.to_string() + "\n" } else { text };
        // Not `print!`, which panics when the reader of a pipe has gone.
        Ok(std::io::stdout().write_all(text.as_bytes())?)
    }
}

impl Edit {
    fn edits(&self) -> Vec<MaskEdit> {
        let smoothness_mm = self.smoothness;
        let deform =
            |amplitude_mm| MaskEdit::Deform { amplitude_mm, smoothness_mm, along: [true; 3] };
        let progress = || MaskEdit::Progress { requests: self.atrophy.clone() };
        let edits = self.flip.then_some(MaskEdit::Flip).into_iter().chain(self.deform.map(deform));
        let edits = edits.chain((!self.atrophy.is_empty()).then(progress));
        let edits = edits.chain(self.scale_tumour.map(|factor| MaskEdit::ScaleTumour { factor }));
        edits.chain(self.shift_tumour.map(|voxels| MaskEdit::ShiftTumour { voxels })).collect()
    }

    fn run(&self) -> Result<()> {
        let (scheme, mut labels) = self.mask.open()?;
        let (edits, mut reports, mut text) = (self.edits(), Vec::new(), String::new());
        anyhow::ensure!(!edits.is_empty(), "no edit was asked for; --help lists them");
        for (index, edit) in edits.iter().enumerate() {
            let key = Key::new(self.seed).with("mask edit").with_index(index as u64);
            let edited = edit.apply(&scheme, &labels, &key)?;
            labels = edited.labels;
            text += &edited.report.to_string();
            reports.push(edited.report);
        }
        labels.write(&self.output, &WriteOptions::default())?;
        let facts = json!({
            "input": self.mask.input, "output": self.output, "scheme": scheme.name(),
            "seed": self.seed, "edits": reports,
        });
        self.mask.print(facts, text)
    }
}

/// Three numbers with commas between them.
fn triple<T: FromStr>(text: &str) -> Result<[T; 3], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let three = numbers.and_then(|numbers| numbers.try_into().ok());
    three.ok_or_else(|| "expected three numbers with commas between them, such as 1,1,1".into())
}
