//! One experiment in one file: data, network, training and sampling.

use std::path::Path;

use mrisynth_cohort::AugmentationConfig;
use mrisynth_diffusion::{DiffusionConfig, GeneratorConfig, Guidance, Precision};
use mrisynth_schedulers::{SamplerConfig, SamplingConfig, Threshold};
use mrisynth_training::RunConfig;
use mrisynth_unet::UnetConfig;
use serde::{Deserialize, Serialize};

use crate::data_config::DataConfig;
use crate::error::{Error, Result};
use crate::fine_tuning::FineTuning;
use crate::preset::Preset;

const FORMAT: &str = "mrisynth-experiment";
const VERSION: u32 = 1;

/// An experiment as it is written down in a TOML file; the default is the preset `quickstart`.
///
/// What a file leaves out has its default, and the resolved text, which
/// [`to_toml`](Self::to_toml) gives, leaves nothing out: it suffices to repeat the experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Always `mrisynth-experiment`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// What it is called.
    pub name: String,
    /// What it is for, in a sentence or two; it goes into model cards.
    #[serde(default)]
    pub description: String,
    /// How scans become tensors and tensors scans.
    pub data: DataConfig,
    /// The network.
    pub network: UnetConfig,
    /// How it learns.
    #[serde(default)]
    pub diffusion: DiffusionConfig,
    /// On what, and for how long.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How it is sampled from.
    #[serde(default)]
    pub sampling: GenerationConfig,
}

/// On what a network is trained, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Volumes of a batch; a step takes `diffusion.accumulation` batches.
    pub batch_size: usize,
    /// Voxels along x, y and z of the grid of the part that a step sees of each volume, at a place drawn
    /// anew each time: more steps for the same work, and less memory. Scans are validated, previewed
    /// and sampled whole. Not for networks with attention, which learn what is far from what.
    pub patch: Option<[usize; 3]>,
    /// Threads that read ahead.
    pub readers: usize,
    /// How volumes are changed each time they are shown. A flip by FreeSurfer's table, the default,
    /// exchanges a label scheme's own ids by the scheme's own partners instead.
    pub augmentation: AugmentationConfig,
    /// The part of the subjects that is held out for validation, where the cohort has no split
    /// `validation`. The split `test` is left alone in any case.
    pub held_out: f64,
    /// Whether activations are computed again in the backward pass instead of remembered: about a
    /// third more time, and much less memory.
    pub recompute: bool,
    /// Steps of the sampler for a preview.
    pub preview_steps: usize,
    /// Where to begin, if not at random weights.
    pub fine_tuning: Option<FineTuning>,
    /// How long the run is, and what it does how often.
    pub run: RunConfig,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            batch_size: 1,
            patch: None,
            readers: 1,
            augmentation: AugmentationConfig::default(),
            held_out: 0.1,
            recompute: false,
            preview_steps: 10,
            fine_tuning: None,
            run: RunConfig::default(),
        }
    }
}

/// How a network is sampled from; the process, and what the network predicts, are those that it was
/// trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// The sampler.
    pub sampler: SamplerConfig,
    /// The number of steps.
    pub steps: usize,
    /// What is done to the guess of the clean volume.
    pub threshold: Threshold,
    /// How strongly conditions are followed: 1 takes them as they were learnt, more exaggerates them,
    /// which a network must have learnt to do without some of the time.
    pub guidance: f64,
    /// What the network computes in.
    pub precision: Precision,
    /// What all noise is drawn from, with the identity of the mask and the replica.
    pub seed: u64,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        let SamplingConfig { sampler, steps, threshold, .. } = SamplingConfig::default();
        let precision = Precision::F32;
        Self { sampler, steps, threshold, guidance: 1.0, precision, seed: 0 }
    }
}

impl GenerationConfig {
    /// The sampler of a name, such as `ddim` or `dpm-solver`, with its own defaults.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that no sampler has, or one that has no defaults.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_pipeline::GenerationConfig;
    /// use mrisynth_schedulers::SamplerConfig;
    /// assert_eq!(GenerationConfig::sampler_named("ddim")?, SamplerConfig::Ddim { eta: 0.0 });
    /// # Ok::<(), mrisynth_pipeline::Error>(())
    /// ```
    pub fn sampler_named(name: &str) -> Result<SamplerConfig> {
        let kind = toml::Value::String(name.replace('-', "_"));
        let table = toml::Table::from_iter([("kind".to_owned(), kind)]);
        table.try_into().map_err(|_| {
            let expected = "one of ddpm, ddim, pndm, dpm-solver, euler, heun, flow";
            Error::argument("scheduler", format!("{name:?}"), expected)
        })
    }

    /// The precision of a name: `f32` or `bf16`.
    ///
    /// # Errors
    /// [`Error::Argument`] for another name.
    pub fn precision_named(name: &str) -> Result<Precision> {
        match name {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(Error::argument("dtype", format!("{name:?}"), "f32 or bf16")),
        }
    }
}

impl Default for Experiment {
    #[expect(clippy::expect_used, reason = "a test reads every preset")]
    fn default() -> Self {
        Preset::Quickstart.experiment().expect("a preset is an experiment")
    }
}

impl Experiment {
    /// Reads an experiment from a TOML file. A label scheme that it names as a file, relative to its
    /// own folder, becomes part of it.
    ///
    /// # Errors
    /// [`Error::Io`], and those of [`from_toml`](Self::from_toml).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
        let mut experiment = Self::parse(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        experiment.data = experiment.data.with_inline_scheme(folder)?;
        experiment.check()?;
        Ok(experiment)
    }

    /// The experiment of a file or, without one, of a preset; none where neither is given.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn given(file: Option<&Path>, preset: Option<Preset>) -> Result<Option<Self>> {
        match file {
            Some(file) => Self::read(file).map(Some),
            None => preset.map(Preset::experiment).transpose(),
        }
    }

    /// Reads an experiment from text; `origin` names it in errors.
    ///
    /// # Errors
    /// [`Error::Syntax`] for what is no TOML, has a field too many, is of a newer version or of
    /// another format; [`Error::Argument`] and those of the crates below for values outside their
    /// domain, and for sections that do not fit each other.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_pipeline::{Experiment, Preset};
    /// let text = Preset::MedDdpm.toml().replace("name = \"med-ddpm\"", "name = \"mine\"");
    /// let experiment = Experiment::from_toml(&text, "mine.toml")?;
    /// assert_eq!(experiment.sampling.steps, 250);
    /// assert_eq!(Experiment::from_toml(&experiment.to_toml()?, "again")?, experiment);
    /// # Ok::<(), mrisynth_pipeline::Error>(())
    /// ```
    pub fn from_toml(text: &str, origin: &str) -> Result<Self> {
        let experiment = Self::parse(text, origin)?;
        experiment.check()?;
        Ok(experiment)
    }

    fn parse(text: &str, origin: &str) -> Result<Self> {
        check_format(text, origin, (FORMAT, VERSION))?;
        let syntax = |problem: String| Error::Syntax { origin: origin.to_owned(), problem };
        toml::from_str(text).map_err(|e| syntax(e.to_string()))
    }

    /// The experiment with nothing left out, as TOML.
    ///
    /// # Errors
    /// [`Error::Syntax`] for a value that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let origin = self.name.clone();
        toml::to_string(self).map_err(|e| Error::Syntax { origin, problem: e.to_string() })
    }

    /// All that a sampler needs to know.
    #[must_use]
    pub fn sampling_config(&self) -> SamplingConfig {
        let DiffusionConfig { process, prediction, timesteps, .. } = &self.diffusion;
        let GenerationConfig { sampler, steps, threshold, .. } = self.sampling;
        SamplingConfig {
            process: process.clone(),
            prediction: *prediction,
            timesteps: *timesteps,
            threshold,
            sampler,
            steps,
        }
    }

    /// How volumes are made, noise, guidance and precision included.
    #[must_use]
    pub fn generator_config(&self) -> GeneratorConfig {
        let GenerationConfig { seed, guidance: scale, precision, .. } = self.sampling;
        // What stands for no condition must be what stood for none in training.
        let unconditional = self.diffusion.condition_dropout.unconditional;
        let guidance = Guidance { scale, unconditional };
        GeneratorConfig { seed, sampling: self.sampling_config(), guidance, precision }
    }

    /// Refuses sections that do not fit each other, and values that would be found out late.
    pub(crate) fn check(&self) -> Result<()> {
        let conversion = crate::Conversion::new(&self.data)?;
        let (inputs, outputs) = match &self.network {
            UnetConfig::DiffusionUnet(config) => (config.in_channels, config.out_channels),
            UnetConfig::GuidedUnet(config) => (config.in_channels, config.out_channels),
        };
        let images = self.data.images.len();
        let masks = conversion.n_condition_channels();
        if outputs != images {
            let expected = format!("{images}, as many as data.images");
            return Err(Error::argument("network.out_channels", outputs, expected));
        }
        if inputs != images + masks {
            let expected =
                format!("{}, {images} images and {masks} channels of masks", images + masks);
            return Err(Error::argument("network.in_channels", inputs, expected));
        }
        let shapes = mrisynth_unet::parameter_shapes(&self.network)?;
        let stride = crate::memory::total_stride(&shapes);
        let shape = self.data.shape()?;
        if let Some(size) = shape.iter().find(|size| **size == 0 || *size % stride != 0) {
            let expected = format!("multiples of {stride}, as the network halves them");
            return Err(Error::argument("data.grid.shape", size, expected));
        }
        if let Some(patch) = self.training.patch {
            let fits = |(&wanted, whole): (&usize, usize)| {
                (1..=whole).contains(&wanted) && wanted.is_multiple_of(stride)
            };
            if !patch.iter().zip(shape).all(fits) {
                let expected =
                    format!("multiples of {stride}, and no more than the grid's {shape:?}");
                return Err(Error::argument("training.patch", format!("{patch:?}"), expected));
            }
        }
        let (guidance, dropout) = (self.sampling.guidance, &self.diffusion.condition_dropout);
        if guidance != 1.0 && dropout.probability == 0.0 {
            let expected = "1, since the network has not learnt to do without its condition \
                            (diffusion.condition_dropout)";
            return Err(Error::argument("sampling.guidance", guidance, expected));
        }
        mrisynth_diffusion::Objective::new(&self.diffusion)?;
        mrisynth_diffusion::Generator::new(&self.generator_config())?;
        self.training.check()
    }
}

/// Refuses text that is no TOML, of another format or of a newer version; first of all, because a later
/// version may have other fields.
pub(crate) fn check_format(text: &str, origin: &str, (format, version): (&str, u32)) -> Result<()> {
    let syntax = |problem: String| Error::Syntax { origin: origin.to_owned(), problem };
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| syntax(e.to_string()))?;
    let found = table.get("format").and_then(toml::Value::as_str);
    if found != Some(format) {
        return Err(syntax(format!("format is {found:?}, expected {format:?}")));
    }
    match table.get("version").and_then(toml::Value::as_integer) {
        Some(found) if found == i64::from(version) => Ok(()),
        Some(found) if found > i64::from(version) => {
            Err(syntax(format!("is {format} version {found}, this program reads {version}")))
        }
        found => Err(syntax(format!("version is {found:?}, expected {version}"))),
    }
}

impl TrainingConfig {
    fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::argument("training.batch_size", 0, "at least 1"));
        }
        if !(0.0..1.0).contains(&self.held_out) {
            let expected = "a part of 1, such as 0.1";
            return Err(Error::argument("training.held_out", self.held_out, expected));
        }
        if self.preview_steps == 0 {
            return Err(Error::argument("training.preview_steps", 0, "at least 1"));
        }
        Ok(self.run.validate()?)
    }
}

#[cfg(test)]
mod tests;
