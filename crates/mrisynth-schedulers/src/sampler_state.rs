//! All that a sampler carries from step to step, and its file form.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn3d::NamedTensors;

use crate::error::{Error, Result};
use crate::level::Level;

const FORMAT: &str = "mrisynth-sampler-state";
const VERSION: u32 = 1;

/// The sample, what multistep samplers remember, and the number of steps done.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_schedulers::SamplerState;
/// let x = Tensor::zeros((1, 1, 2, 2, 2), DType::F32, &Device::Cpu)?;
/// let saved = SamplerState::new(x).to_named_tensors()?;
/// assert_eq!(SamplerState::from_named_tensors(&saved)?.index, 0);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SamplerState {
    /// The sample, `[b, …]`.
    pub sample: Tensor,
    /// The number of steps done.
    pub index: usize,
    /// What the sampler remembers of earlier steps, the latest last: guesses of x₀, or ε.
    pub history: Vec<Tensor>,
    /// The levels that `history` belongs to.
    pub history_levels: Vec<Level>,
    /// The sampler that made the history; empty before the first step.
    pub sampler: String,
}

impl SamplerState {
    /// The state before the first step.
    #[must_use]
    pub fn new(sample: Tensor) -> Self {
        Self {
            sample,
            index: 0,
            history: Vec::new(),
            history_levels: Vec::new(),
            sampler: String::new(),
        }
    }

    /// The same on another device; a file's is on the CPU.
    ///
    /// # Errors
    /// None but candle's.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let history = self.history.iter().map(|tensor| tensor.to_device(device));
        let history = history.collect::<candle_core::Result<_>>()?;
        Ok(Self { sample: self.sample.to_device(device)?, history, ..self.clone() })
    }

    /// For a file: tensors `sample`, `history.0`, … and `history_levels` `[k, 2]`; the rest as
    /// texts, with `format` and `version`.
    ///
    /// # Errors
    /// None but candle's.
    pub fn to_named_tensors(&self) -> Result<NamedTensors> {
        let mut tensors = BTreeMap::from([("sample".to_owned(), self.sample.clone())]);
        for (i, tensor) in self.history.iter().enumerate() {
            tensors.insert(format!("history.{i}"), tensor.clone());
        }
        if !self.history_levels.is_empty() {
            let rows: Vec<_> =
                self.history_levels.iter().map(|l| vec![l.signal, l.noise]).collect();
            tensors.insert("history_levels".to_owned(), Tensor::new(rows, &Device::Cpu)?);
        }
        let text = |name: &str, value: String| (name.to_owned(), value);
        let metadata = BTreeMap::from([
            text("format", FORMAT.to_owned()),
            text("version", VERSION.to_string()),
            text("index", self.index.to_string()),
            text("sampler", self.sampler.clone()),
        ]);
        Ok(NamedTensors { tensors, metadata })
    }

    /// From a file.
    ///
    /// # Errors
    /// [`Error::State`] naming the field that is missing, strange, or of a newer version.
    pub fn from_named_tensors(saved: &NamedTensors) -> Result<Self> {
        let refused = |field: &str, found: &str, expected: &str| Error::State {
            field: field.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        let text = |name: &str| {
            saved.metadata.get(name).ok_or_else(|| refused(name, "missing", "in the metadata"))
        };
        let format = text("format")?;
        if format != FORMAT {
            return Err(refused("format", format, FORMAT));
        }
        let version = text("version")?;
        if version.parse() != Ok(VERSION) {
            return Err(refused("version", version, &format!("{VERSION}, the newest known here")));
        }
        let index = text("index")?;
        let index = index.parse().map_err(|_| refused("index", index, "a whole number"))?;
        let tensor = |name: &str| saved.tensors.get(name);
        let sample = tensor("sample").ok_or_else(|| refused("sample", "missing", "a tensor"))?;
        let history: Vec<Tensor> =
            (0..).map_while(|i| tensor(&format!("history.{i}")).cloned()).collect();
        let rows = match tensor("history_levels") {
            Some(levels) => levels.to_dtype(DType::F64)?.to_vec2::<f64>()?,
            None => Vec::new(),
        };
        let strange = || refused("history_levels", "of another shape", "two numbers per tensor");
        let history_levels: Vec<Level> = rows
            .iter()
            .map(|row| match row[..] {
                [signal, noise] => Ok(Level { signal, noise }),
                _ => Err(strange()),
            })
            .collect::<Result<_>>()?;
        if history.len() != history_levels.len() {
            return Err(strange());
        }
        for level in &history_levels {
            level.check()?;
        }
        if let Some(tensor) = history.iter().find(|tensor| tensor.dims() != sample.dims()) {
            let found = format!("{:?}", tensor.dims());
            return Err(refused("history", &found, &format!("{:?}", sample.dims())));
        }
        let sampler = text("sampler")?.clone();
        Ok(Self { sample: sample.clone(), index, history, history_levels, sampler })
    }

    /// Remembers a tensor, and at most `most` in all.
    pub(crate) fn remember(&mut self, tensor: Tensor, level: Level, most: usize) {
        self.history.push(tensor);
        self.history_levels.push(level);
        let surplus = self.history.len().saturating_sub(most);
        self.history.drain(..surplus);
        self.history_levels.drain(..surplus);
    }
}
