//! Reading a golden: a configuration, weights, inputs and what a reference makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn3d::{NamedTensors, ParameterStore};
use keyed_random::Key;
use mrisynth_unet::{NetworkConfig, UnetConfig};

pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) config: UnetConfig,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

/// The folder of the committed goldens.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/unet")
}

impl Golden {
    pub(crate) fn read(path: &Path) -> Self {
        let file = NamedTensors::load_safetensors(path).unwrap_or_else(|e| panic!("{e}"));
        let config = file.metadata.get("config").unwrap_or_else(|| panic!("{}", path.display()));
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            config: NetworkConfig::parse(&path.display().to_string(), config).unwrap().config,
            tensors: file.tensors,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// The tensors whose names begin so, by the rest of their names.
    pub(crate) fn under(&self, prefix: &str) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().filter_map(move |(name, t)| Some((name.strip_prefix(prefix)?, t)))
    }

    /// The weights, as trainable parameters.
    pub(crate) fn parameters(&self) -> ParameterStore {
        let store = ParameterStore::new(Key::new(0));
        for (name, weight) in self.under("weights.") {
            store.set(name, weight).unwrap();
        }
        store
    }
}

/// How far `got` is from `want`, as a part of the norm of `want`.
pub(crate) fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let numbers = |t: &Tensor| {
        let t = t.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
        t.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let (got, want) = (numbers(got), numbers(want));
    let far = norm(&mut got.iter().zip(&want).map(|(g, w)| g - w));
    far / norm(&mut want.iter().copied())
}
