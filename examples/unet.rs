//! Runs a published 3-D U-Net on the tensors of a file.
//!
//! ```text
//! cargo run --release --example unet -- --config unet.json --weights model.pt --inputs in.safetensors --output out.safetensors
//! ```
//!
//! The configuration names its `architecture`, `"diffusion_unet"` (MONAI) or `"guided_unet"` (Med-DDPM).
//! The inputs are `input`, `timesteps`, and where the network takes them `context`, `class_labels`,
//! `down_residuals.0`, `down_residuals.1` … and `mid_residual`; the file written holds `output`, f32.
//! You will see the size of the network, the median time of a pass and the peak of memory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use candle_core::{DType, Device, Tensor};
use candle_nn3d::NamedTensors;
use clap::Parser;
use mrisynth_diffusion::Precision;
use mrisynth_pipeline::{DeviceChoice, GenerationConfig};
use mrisynth_unet::{Error, NetworkConfig, Unet, UnetConfig, UnetInput, parameter_shapes};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// Run a U-Net on the tensors of a file.
#[derive(Parser)]
struct Arguments {
    /// JSON that describes the network.
    #[arg(long)]
    config: PathBuf,
    /// Its weights: safetensors, or what `torch.save` wrote.
    #[arg(long)]
    weights: PathBuf,
    /// A safetensors file with `input` and `timesteps`; the one of the weights, if it likes.
    #[arg(long)]
    inputs: PathBuf,
    /// The safetensors file to write.
    #[arg(long)]
    output: PathBuf,
    /// What the network computes in: f32 or bf16.
    #[arg(long, value_parser = GenerationConfig::precision_named, default_value = "f32")]
    dtype: Precision,
    /// Where it runs: cpu, or cuda:0 for the first NVIDIA GPU.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// How many passes to time, after one that is not.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Pad volumes whose size the network cannot halve with this number, and crop the output.
    #[arg(long, allow_hyphen_values = true)]
    pad: Option<f64>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let NetworkConfig { config, notes, .. } = NetworkConfig::read(&arguments.config)?;
    notes.iter().for_each(|note| eprintln!("{}: {note}", arguments.config.display()));
    let shapes = parameter_shapes(&config)
        .with_context(|| format!("the configuration in {}", arguments.config.display()))?;
    let parameters: usize = shapes.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    let device = arguments.device.open()?;
    let inputs = Inputs::read(&arguments.inputs, &device)?;
    let dtype = arguments.dtype.dtype();
    let mut loaded = Unet::load_on(&device, &config, &arguments.weights, dtype)?;
    loaded.notes.iter().for_each(|note| eprintln!("{}: {note}", arguments.weights.display()));
    if let Ok((_, _, x, y, z)) = inputs.input.dims5() {
        loaded.unet.prepare([x, y, z])?;
    }
    let pass = || {
        let output = inputs.run(&loaded.unet, arguments.pad);
        // A GPU has done the pass when its numbers are here.
        let output = output.and_then(|output| Ok(output.to_device(&Device::Cpu)?));
        output.map_err(|error| in_file(&arguments.inputs, error))
    };
    let output = pass()?;
    let mut seconds = Vec::new();
    for _ in 0..arguments.repeat {
        let start = Instant::now();
        pass()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let mut file = NamedTensors::default();
    file.tensors.insert("output".into(), output.to_dtype(DType::F32)?);
    file.save_safetensors(&arguments.output)?;

    seconds.sort_by(f64::total_cmp);
    let (half, n) = (seconds.len() / 2, seconds.len());
    let median = (seconds[half] + seconds[(n - 1) / 2]) / 2.0;
    let architecture = match config {
        UnetConfig::DiffusionUnet(_) => "diffusion_unet",
        UnetConfig::GuidedUnet(_) => "guided_unet",
    };
    let peak = peak_rss_mib();
    if arguments.json {
        let report = serde_json::json!({
            "architecture": architecture, "parameters": parameters,
            "median_seconds": median, "peak_rss_mib": peak,
        });
        println!("{report}");
    } else {
        println!("{architecture}, {parameters} parameters: {median:.3} s, the median of {n}");
        peak.iter().for_each(|peak| println!("at most {peak:.0} MiB of memory"));
    }
    Ok(())
}

/// The tensors of the file that the network is given.
struct Inputs {
    input: Tensor,
    timesteps: Tensor,
    context: Option<Tensor>,
    class_labels: Option<Tensor>,
    down_residuals: Vec<Tensor>,
    mid_residual: Option<Tensor>,
}

impl Inputs {
    /// On a device, but for times and classes, which are looked at on the host.
    fn read(path: &Path, device: &Device) -> Result<Self> {
        let mut file = NamedTensors::load_safetensors(path)?;
        for (name, tensor) in &mut file.tensors {
            if name != "timesteps" && name != "class_labels" {
                *tensor = tensor.to_device(device)?;
            }
        }
        let mut take = |name: &str| file.tensors.remove(name);
        let missing = |name| format!("{}: there is no tensor {name:?}", path.display());
        let inputs = Self {
            input: take("input").with_context(|| missing("input"))?,
            timesteps: take("timesteps").with_context(|| missing("timesteps"))?,
            context: take("context"),
            class_labels: take("class_labels"),
            down_residuals: (0..).map_while(|i| take(&format!("down_residuals.{i}"))).collect(),
            mid_residual: take("mid_residual"),
        };
        let labels = inputs.class_labels.as_ref().map(|labels| ("class_labels", labels));
        for (name, tensor) in labels.into_iter().chain([("timesteps", &inputs.timesteps)]) {
            let (path, found) = (path.display(), tensor.dtype());
            ensure!(found == DType::I64, "{path}: {name:?} is {found:?}, expected I64");
        }
        Ok(inputs)
    }

    fn run(&self, unet: &Unet, pad: Option<f64>) -> Result<Tensor, Error> {
        let input = UnetInput {
            context: self.context.as_ref(),
            class_labels: self.class_labels.as_ref(),
            down_block_additional_residuals: &self.down_residuals,
            mid_block_additional_residual: self.mid_residual.as_ref(),
            ..UnetInput::new(&self.input, &self.timesteps)
        };
        match pad {
            Some(value) => unet.forward_padded(&input, value),
            None => unet.forward(&input),
        }
    }
}

/// The error with the file, and with the name that the tensor has there.
fn in_file(path: &Path, error: Error) -> anyhow::Error {
    let Error::Input { argument, found, expected } = error else { return error.into() };
    let tensor = match argument {
        "x" => "input",
        "down_block_additional_residuals" => "down_residuals",
        "mid_block_additional_residual" => "mid_residual",
        same => same,
    };
    anyhow!("{}: {tensor:?} has the shape {found:?}, expected {expected}", path.display())
}

/// The most memory that this process has held, where the system says.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}
