//! Looks into brain MRI, converts it and draws it.
//!
//! ```text
//! cargo run --release --example volume -- info scan.nii.gz
//! cargo run --release --example volume -- convert scan.nii.gz scan_1mm.nii.gz --orient RAS --spacing 1,1,1
//! cargo run --release --example volume -- view scan.nii.gz scan.png --labels aseg.mgz
//! ```
//!
//! `info` prints where the voxels lie and what they hold, `convert` writes an image on another grid
//! or in another datatype, and `view` draws the three middle planes, the sides lettered.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::{Args, Parser, ValueEnum};
use mrisynth_report::{Convention, MontageOptions, Overlay, montage};
use mrisynth_volume::{
    Datatype, Geometry, Image, Interpolation, LabelInterpolation, LabelMap, Orientation, Regrid,
    Resampling, WriteOptions,
};
use serde_json::{Map, Value, json};

/// Look into brain MRI, convert it and draw it.
#[derive(Parser)]
enum Command {
    /// Print shape, spacing, orientation, affine, datatype, intensities and labels.
    Info {
        /// NIfTI (.nii, .nii.gz, .hdr or .img) or MGH (.mgh, .mgz).
        file: PathBuf,
        /// Print one JSON object and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Write an image on another grid or in another datatype.
    Convert(Convert),
    /// Draw the three middle planes as a PNG file.
    View {
        /// The image to draw.
        file: PathBuf,
        /// The PNG file to write.
        out: PathBuf,
        /// Labels to draw in colour over it.
        #[arg(long)]
        labels: Option<PathBuf>,
        /// Put the person's right on the right of the picture instead of on the left.
        #[arg(long)]
        neurological: bool,
    },
}

#[derive(Args)]
struct Convert {
    /// The image to convert.
    input: PathBuf,
    /// The file to write: .nii, .nii.gz, .mgh or .mgz.
    output: PathBuf,
    /// Permute and flip the axes, first of all.
    #[arg(long)]
    orient: Option<Orientation>,
    /// Voxel size in mm; the field of view stays the same to within half a voxel.
    #[arg(long, value_name = "X,Y,Z", value_parser = triple::<f64>)]
    spacing: Option<[f64; 3]>,
    /// Voxels per axis. Alone: the field of view divided into so many. With --spacing: cut or
    /// extended to so many around the centre.
    #[arg(long, value_name = "X,Y,Z", value_parser = triple::<usize>)]
    shape: Option<[usize; 3]>,
    /// Take the grid of this image.
    #[arg(long, conflicts_with_all = ["orient", "spacing", "shape"])]
    reference: Option<PathBuf>,
    /// Between voxels; by default label for what looks like labels, linear otherwise.
    #[arg(long)]
    interp: Option<Interp>,
    /// u8, i8, u16, i16, u32, i32, u64, i64, f32 or f64; by default that of the input.
    #[arg(long)]
    dtype: Option<Datatype>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Interp {
    Nearest,
    Linear,
    Cubic,
    Label,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Info { file, json } => info(&file, json),
        Command::Convert(convert) => convert.run(),
        Command::View { file, out, labels, neurological } => {
            let convention =
                if neurological { Convention::Neurological } else { Convention::Radiological };
            view(&file, &out, labels.as_deref(), convention)
        }
    }
}

fn info(file: &Path, as_json: bool) -> Result<()> {
    let image = Image::read(file)?;
    let (geometry, statistics) = (image.geometry(), image.statistics());
    let warnings: Vec<String> = image.warnings().iter().map(ToString::to_string).collect();
    let fields = [
        ("file", json!(file.to_string_lossy())),
        ("shape", json!(geometry.shape())),
        ("frames", json!(image.n_frames())),
        ("spacing_mm", json!(geometry.spacing_mm())),
        ("orientation", json!(geometry.orientation())),
        ("affine", json!(geometry.voxel_to_world())),
        ("datatype", json!(image.datatype())),
        ("min", json!(statistics.min)),
        ("max", json!(statistics.max)),
        ("mean", json!(statistics.mean)),
        ("non_finite", json!(statistics.n_non_finite)),
        ("labels", json!(image.label_counts(256))),
        ("label_like", json!(image.is_label_like())),
        ("warnings", json!(warnings)),
    ];
    let mut out = std::io::stdout().lock();
    if as_json {
        let object: Map<_, _> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        return Ok(writeln!(out, "{}", Value::Object(object))?);
    }
    for (name, value) in &fields {
        let lines = match value {
            Value::Array(rows) if rows.iter().any(Value::is_array) => {
                rows.iter().map(Value::to_string).collect()
            }
            Value::Object(counts) => {
                let mut counts: Vec<_> = counts.iter().collect();
                counts.sort_by_key(|(label, _)| label.parse::<i64>().ok());
                counts.iter().map(|(label, count)| format!("{label}: {count} voxels")).collect()
            }
            Value::String(text) => vec![text.clone()],
            other => vec![other.to_string()],
        };
        writeln!(out, "{name:12} {}", lines.join(&format!("\n{:13}", "")))?;
    }
    Ok(())
}

impl Convert {
    fn run(&self) -> Result<()> {
        let image = Image::read(&self.input)?;
        print_warnings(&self.input, &image);
        let regrid = Regrid::new(*image.geometry(), self.target(image.geometry())?)?;
        let by_default = || if image.is_label_like() { Interp::Label } else { Interp::Linear };
        let interpolation = match self.interp.unwrap_or_else(by_default) {
            Interp::Nearest => Some(Interpolation::Nearest),
            Interp::Linear => Some(Interpolation::Linear),
            Interp::Cubic => Some(Interpolation::CubicBSpline),
            Interp::Label => None,
        };
        let converted = match interpolation {
            Some(interpolation) => regrid.apply_image(&image, &Resampling::from(interpolation))?,
            // Copied voxels keep their bits, so labels are not touched either.
            None if regrid.is_exact() => regrid.apply_image(&image, &Resampling::default())?,
            None => {
                let frames = image.n_frames();
                ensure!(frames == 1, "labels in {frames} frames: choose --interp nearest");
                let labels = regrid.apply_labels(&image.label_map(0)?, LabelInterpolation::Vote)?;
                Image::from(labels).with_notes(image.notes().clone())
            }
        };
        // Left open where it already is that of the input, so that a format that lacks it may choose.
        let stored = image.datatype();
        let datatype = self.dtype.or((converted.datatype() != stored).then_some(stored));
        let options = WriteOptions { datatype, ..WriteOptions::default() };
        Ok(converted.write(&self.output, &options)?)
    }

    /// The grid asked for.
    fn target(&self, source: &Geometry) -> Result<Geometry> {
        if let Some(reference) = &self.reference {
            return Ok(*Image::read(reference)?.geometry());
        }
        let oriented = self.orient.map_or(*source, |code| source.reoriented(code));
        Ok(match (self.spacing, self.shape) {
            (None, None) => oriented,
            (Some(spacing_mm), None) => oriented.with_spacing_mm(spacing_mm)?,
            (None, Some(shape)) => oriented.with_shape(shape)?,
            (Some(spacing_mm), Some(shape)) => {
                oriented.with_spacing_and_shape(spacing_mm, shape)?
            }
        })
    }
}

fn view(file: &Path, out: &Path, labels: Option<&Path>, convention: Convention) -> Result<()> {
    let image = Image::read(file)?;
    print_warnings(file, &image);
    // A label map is drawn in colour, not as grey numbers.
    let (labels, opacity) = match labels {
        Some(path) => (Some(LabelMap::read(path)?), 0.5),
        None if image.is_label_like() => (Some(image.label_map(0)?), 1.0),
        None => (None, 0.0),
    };
    let overlay = labels.as_ref().map(|labels| Overlay { opacity, ..Overlay::new(labels) });
    let options = MontageOptions { convention, ..MontageOptions::default() };
    let picture = montage(&image.volume(0)?, overlay.as_ref(), &options)?;
    Ok(picture.write(out)?)
}

/// Tells what was odd about a file without being wrong.
fn print_warnings(file: &Path, image: &Image) {
    for warning in image.warnings() {
        eprintln!("{}: {warning}", file.display());
    }
}

/// Three numbers with commas between them.
fn triple<T: FromStr>(text: &str) -> Result<[T; 3], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    let three = numbers.and_then(|numbers| numbers.try_into().ok());
    three.ok_or_else(|| "expected three numbers with commas between them, such as 1,1,1.5".into())
}
