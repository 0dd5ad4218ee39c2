//! Tensors by name, as files hold them: weights, averages and the states of optimisers.

mod little_endian;
mod pickle;
mod pytorch;
mod safetensors;

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::parameters::ParameterStore;

/// Tensors in the order of their names, and texts about them.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::NamedTensors;
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("weights.safetensors");
/// let mut weights = NamedTensors::default();
/// weights.tensors.insert("w".into(), Tensor::new(&[1.0_f32, 2.0], &Device::Cpu)?);
/// weights.save_safetensors(&path)?;
/// let loaded = NamedTensors::load_safetensors(&path)?;
/// assert_eq!(loaded.tensors["w"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct NamedTensors {
    /// The tensors.
    pub tensors: BTreeMap<String, Tensor>,
    /// The texts.
    pub metadata: BTreeMap<String, String>,
}

/// A rule by which names change, applied to every name in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rename {
    /// Names that begin with `from` begin with `to` instead; others stay.
    Prefix {
        /// The old beginning, dot included.
        from: String,
        /// The new one.
        to: String,
    },
    /// `to` stands wherever `from` stood.
    Part {
        /// The old part.
        from: String,
        /// The new one.
        to: String,
    },
    /// Tensors whose names begin so are left out.
    Drop {
        /// The beginning.
        prefix: String,
    },
    /// Only tensors whose names begin so stay, without that beginning.
    Keep {
        /// The beginning, dot included.
        prefix: String,
    },
}

/// Whether names may differ between a file and a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// All names agree, or nothing is loaded.
    Strict,
    /// What is in both is loaded.
    Lenient,
}

/// Where the names of a file and a network differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Parameters of the network that the file lacks: they keep their values.
    pub missing: Vec<String>,
    /// Tensors of the file that the network lacks.
    pub unexpected: Vec<String>,
}

impl NamedTensors {
    /// The parameters of a store; they share memory with it.
    #[must_use]
    pub fn of(parameters: &ParameterStore) -> Self {
        Self { tensors: parameters.tensors(), metadata: BTreeMap::new() }
    }

    /// The same tensors under the names that the rules make.
    ///
    /// # Errors
    /// [`Error::Tensor`] when two tensors would have one name.
    pub fn renamed(self, rules: &[Rename]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.tensors {
            let Some(new) = rules.iter().try_fold(name.clone(), |name, rule| rule.apply(name))
            else {
                continue;
            };
            if tensors.contains_key(&new) {
                let problem = format!("would be named {new:?}, as another tensor already is");
                return Err(Error::Tensor { name, problem }.into());
            }
            tensors.insert(new, tensor);
        }
        Ok(Self { tensors, metadata: self.metadata })
    }

    /// Copies the tensors into the parameters of these names, cast to the parameters' dtype, and
    /// says where the names differ.
    ///
    /// The numbers are taken as they are, NaN included.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a tensor of another shape than its parameter, for one of whole
    /// numbers, and under [`Matching::Strict`] for the first name that is not in both. Then nothing
    /// has changed.
    pub fn load_into(
        &self,
        parameters: &ParameterStore,
        matching: Matching,
    ) -> Result<Differences> {
        let variables = parameters.variables();
        let not_in_file = |name: &&String| !self.tensors.contains_key(*name);
        let not_in_network = |name: &&String| !variables.contains_key(*name);
        let missing: Vec<_> = variables.keys().filter(not_in_file).cloned().collect();
        let unexpected: Vec<_> = self.tensors.keys().filter(not_in_network).cloned().collect();
        let fault =
            |name: &str, problem| Err(Error::Tensor { name: name.to_owned(), problem }.into());
        if matching == Matching::Strict {
            if let Some(name) = missing.first() {
                let n = missing.len();
                return fault(name, format!("is not in the file ({n} parameters are missing)"));
            }
            if let Some(name) = unexpected.first() {
                let n = unexpected.len();
                return fault(name, format!("is no parameter ({n} tensors are unexpected)"));
            }
        }
        let shared =
            self.tensors.iter().filter_map(|(name, t)| Some((name, t, variables.get(name)?)));
        for (name, tensor, variable) in shared.clone() {
            if tensor.shape() != variable.shape() {
                let (found, expected) = (tensor.shape(), variable.shape());
                return fault(name, format!("has the shape {found:?}, its parameter {expected:?}"));
            }
            if !matches!(tensor.dtype(), DType::F32 | DType::F64 | DType::BF16 | DType::F16) {
                let found = tensor.dtype().as_str();
                return fault(name, format!("is {found}, expected f32, f64, bf16 or f16"));
            }
        }
        shared.into_iter().try_for_each(|(name, tensor, _)| parameters.set(name, tensor))?;
        Ok(Differences { missing, unexpected })
    }
}

impl Rename {
    fn apply(&self, name: String) -> Option<String> {
        match self {
            Self::Prefix { from, to } => Some(match name.strip_prefix(from) {
                Some(rest) => format!("{to}{rest}"),
                None => name,
            }),
            Self::Part { from, to } => Some(name.replace(from, to)),
            Self::Drop { prefix } => (!name.starts_with(prefix)).then_some(name),
            Self::Keep { prefix } => name.strip_prefix(prefix).map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests;
