//! What lies around the weights in a file.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_nn3d::NamedTensors;
use serde::{Deserialize, Serialize};

/// Which weights to take where a file has those of training and their moving average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointPart {
    /// The average, with which one samples.
    #[default]
    Ema,
    /// Those of the last training step.
    Model,
}

/// If any name begins so, only those count, and nothing else is looked for.
const OWN: &str = "weights.";
/// Names of the dictionary with the average.
const AVERAGES: [&str; 2] = ["ema.", "ema_model."];
/// Names of the dictionary with the weights.
const WRAPPERS: [&str; 5] =
    ["state_dict.", "model_state_dict.", "unet_state_dict.", "model.", "unet."];
/// What a network inside of another, of a parallel or of a compiled one, puts before its names.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "denoise_fn."];
/// More levels than any file has.
const DEEPEST: usize = 8;

/// The tables that Med-DDPM's diffusion keeps beside its network.
const SCHEDULE_BUFFERS: [&str; 13] = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "posterior_mean_coef3",
];

type Tensors = BTreeMap<String, Tensor>;

/// The weights of a file, taken out of everything around them.
pub(super) struct Checkpoint {
    pub(super) tensors: Tensors,
    pub(super) notes: Vec<String>,
    pub(super) schedule_buffers: Tensors,
    pub(super) step: Option<u64>,
}

impl Checkpoint {
    pub(super) fn new(file: NamedTensors, part: CheckpointPart) -> Self {
        let step = ["step", "global_step"].iter().find_map(|key| file.metadata.get(*key));
        let mut checkpoint = Self {
            tensors: file.tensors,
            notes: Vec::new(),
            schedule_buffers: BTreeMap::new(),
            step: step.and_then(|step| step.parse().ok()),
        };
        if checkpoint.has(OWN) {
            checkpoint.keep(OWN);
        }
        for _ in 0..DEEPEST {
            let unwrapped = checkpoint.unwrap(part);
            if !checkpoint.strip() && !unwrapped {
                break;
            }
        }
        for name in SCHEDULE_BUFFERS {
            if let Some((name, tensor)) = checkpoint.tensors.remove_entry(name) {
                checkpoint.schedule_buffers.insert(name, tensor);
            }
        }
        checkpoint
    }

    /// Takes the weights out of the outermost dictionary around them.
    fn unwrap(&mut self, part: CheckpointPart) -> bool {
        let average = AVERAGES.into_iter().find(|name| self.has(name));
        let plain = WRAPPERS.into_iter().find(|name| self.has(name));
        let chosen = match (part, average, plain) {
            (_, None, None) => return false,
            (CheckpointPart::Ema, Some(average), _) => average,
            (CheckpointPart::Model, _, Some(plain)) => plain,
            (CheckpointPart::Ema, None, Some(plain)) => plain,
            (CheckpointPart::Model, Some(average), None) => {
                self.notes.push("the file has averaged weights only".into());
                average
            }
        };
        let outside = self.keep(chosen);
        if outside > 0 {
            let chosen = chosen.trim_end_matches('.');
            let note =
                format!("of the file `{chosen}` was taken, {outside} other tensors were not");
            self.notes.push(note);
        }
        true
    }

    /// Takes prefixes off those names that have them.
    fn strip(&mut self) -> bool {
        let mut stripped = false;
        for prefix in PREFIXES.into_iter().filter(|prefix| self.has(prefix)).collect::<Vec<_>>() {
            let tensors = std::mem::take(&mut self.tensors).into_iter();
            let short = |(name, tensor): (String, Tensor)| match name.strip_prefix(prefix) {
                Some(rest) => (rest.to_owned(), tensor),
                None => (name, tensor),
            };
            self.tensors = tensors.map(short).collect();
            stripped = true;
        }
        stripped
    }

    fn has(&self, prefix: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(prefix))
    }

    /// Lets go of everything without the prefix; says how much that was.
    fn keep(&mut self, prefix: &str) -> usize {
        let tensors = std::mem::take(&mut self.tensors);
        let before = tensors.len();
        let inside = |(name, tensor): (String, Tensor)| {
            Some((name.strip_prefix(prefix)?.to_owned(), tensor))
        };
        self.tensors = tensors.into_iter().filter_map(inside).collect();
        before - self.tensors.len()
    }
}
