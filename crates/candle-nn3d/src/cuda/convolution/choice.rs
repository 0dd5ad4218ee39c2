//! Which of cuDNN's algorithms computes a convolution, and the record of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

use candle_core::Result;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How convolutions choose their algorithms. Only deterministic ones are ever chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Bytes of scratch memory that a convolution may take; 1 GiB by default.
    pub workspace_bytes: usize,
    /// Whether f32 may be multiplied with the 10 bits of TensorFloat-32, faster on tensor cores.
    pub tf32: bool,
    /// Where the order of preference comes from.
    pub search: Search,
}

/// Where the order of preference among algorithms comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// cuDNN's table: the same for every run on one kind of GPU.
    #[default]
    Table,
    /// Times taken at first use: another run may choose otherwise unless it recalls the choices.
    Measured,
}

impl Default for Settings {
    fn default() -> Self {
        Self { workspace_bytes: 1 << 30, tf32: false, search: Search::Table }
    }
}

static SETTINGS: RwLock<Option<Settings>> = RwLock::new(None);

impl Settings {
    /// Those in force in this process.
    #[must_use]
    pub fn current() -> Self {
        SETTINGS.read().unwrap_or_else(PoisonError::into_inner).unwrap_or_default()
    }

    /// Puts these in force; choices made so far are forgotten.
    pub fn apply(self) {
        *SETTINGS.write().unwrap_or_else(PoisonError::into_inner) = Some(self);
        CHOICES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What a convolution computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// The result.
    Forward,
    /// The gradient of its input.
    InputGradient,
    /// The gradient of its weight.
    WeightGradient,
}

/// How the arrays that cuDNN is given lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As ours.
    ChannelsLast,
    /// Copies.
    ChannelsFirst,
}

/// A convolution, as its choice is recorded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are the sizes of a convolution, under their names")]
pub struct Key {
    pub pass: Pass,
    pub dtype: String,
    pub batch: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub groups: usize,
    pub input: [usize; 3],
    pub output: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub dilation: [usize; 3],
    pub padding: [u32; 3],
}

/// The algorithm of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// In which order the arrays are handed over.
    pub order: Order,
    /// cuDNN's number of the algorithm, in its list for the pass.
    pub algorithm: u32,
    /// Bytes of scratch memory.
    pub workspace: usize,
}

/// Every choice of a run: kept with its checkpoints, so that what resumes it computes the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choices {
    /// The settings that they were made under.
    pub settings: Settings,
    /// Each with what it was made for.
    pub choices: Vec<(Key, Choice)>,
}

static CHOICES: Mutex<BTreeMap<Key, Choice>> = Mutex::new(BTreeMap::new());

impl Choices {
    /// Those that this process has made or recalled.
    #[must_use]
    pub fn made() -> Self {
        let choices = CHOICES.lock().unwrap_or_else(PoisonError::into_inner);
        let choices = choices.iter().map(|(key, choice)| (key.clone(), *choice)).collect();
        Self { settings: Settings::current(), choices }
    }

    /// Makes these, and puts their settings in force; other convolutions choose for themselves.
    pub fn recall(&self) {
        self.settings.apply();
        let mut choices = CHOICES.lock().unwrap_or_else(PoisonError::into_inner);
        choices.extend(self.choices.iter().cloned());
    }
}

/// An algorithm that cuDNN names for a problem, in its order of preference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) algorithm: u32,
    /// Whether it can compute the problem.
    pub(super) ready: bool,
    pub(super) deterministic: bool,
    pub(super) workspace: usize,
    /// Milliseconds, negative if not measured.
    pub(super) time: f32,
}

/// The choice recorded under a key, or a new one among the candidates for either order.
pub(super) fn choose(
    key: Key,
    candidates: impl Fn(&Settings, Order) -> Result<Vec<Candidate>>,
) -> Result<Choice> {
    let recorded = CHOICES.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    if let Some(choice) = recorded {
        return Ok(choice);
    }
    let settings = Settings::current();
    let mut best: Option<(Choice, f32)> = None;
    let mut refused = Vec::new();
    for order in [Order::ChannelsLast, Order::ChannelsFirst] {
        // Not every dtype has channels-last algorithms; then cuDNN refuses the descriptors too.
        let found = match candidates(&settings, order) {
            Ok(found) => found,
            Err(error) => {
                refused.push(format!("{order:?}: {error}"));
                continue;
            }
        };
        match first_fit(&found, settings.workspace_bytes) {
            Some(fit) => {
                let choice = Choice { order, algorithm: fit.algorithm, workspace: fit.workspace };
                if best.is_none_or(|(_, time)| fit.time < time) {
                    best = Some((choice, fit.time));
                }
            }
            None => refused.push(format!("{order:?}: {found:?}")),
        }
        // Without times the order without copies is the better.
        if best.is_some() && settings.search == Search::Table {
            break;
        }
    }
    let Some((choice, _)) = best else {
        let problem = format!(
            "no deterministic algorithm within {} bytes of workspace for {key:?}; {}",
            settings.workspace_bytes,
            refused.join("; ")
        );
        return Err(Error::gpu("conv3d", problem, "allow a larger workspace, or use bf16").into());
    };
    CHOICES.lock().unwrap_or_else(PoisonError::into_inner).insert(key, choice);
    Ok(choice)
}

fn first_fit(candidates: &[Candidate], workspace: usize) -> Option<Candidate> {
    let fits = |c: &&Candidate| c.ready && c.deterministic && c.workspace <= workspace;
    candidates.iter().find(fits).copied()
}

#[cfg(test)]
mod tests;
