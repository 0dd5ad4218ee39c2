//! Reading the goldens of `tests/fixtures/nn3d`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One operation on one set of inputs, as PyTorch has it; or ten steps of an optimiser.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) operation: String,
    settings: serde_json::Value,
    /// By the names that `make/nn3d.py` explains, `in.x` for one.
    tensors: BTreeMap<String, Tensor>,
}

/// The metadata of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    op: String,
    settings: serde_json::Value,
    #[expect(dead_code, reason = "for the reader of the file")]
    made_with: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nn3d")
}

impl Case {
    /// All of them, by name.
    pub(crate) fn all() -> Vec<Self> {
        let entries = std::fs::read_dir(folder()).unwrap_or_else(|e| panic!("{e}"));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let cases: Vec<Self> = paths.iter().map(|path| Self::read(path)).collect();
        assert!(!cases.is_empty(), "no case in {}", folder().display());
        cases
    }

    fn read(path: &Path) -> Self {
        let fail = |fault: String| -> ! { panic!("{}: {fault}", path.display()) };
        if path.extension() != Some("safetensors".as_ref()) {
            fail("a stray file among the goldens".into());
        }
        let bytes = std::fs::read(path).unwrap_or_else(|e| fail(e.to_string()));
        let (_, metadata) =
            SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| fail(e.to_string()));
        let text = metadata.metadata().as_ref().and_then(|map| map.get("case"));
        let text = text.unwrap_or_else(|| fail("no metadata `case`".into()));
        let description: Description =
            serde_json::from_str(text).unwrap_or_else(|e| fail(e.to_string()));
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .unwrap_or_else(|e| fail(e.to_string()));
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            operation: description.op,
            settings: description.settings,
            tensors: tensors.into_iter().collect(),
        }
    }

    /// The settings of the operation, every one of them known to `T`.
    pub(crate) fn settings<T: DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.settings.clone())
            .unwrap_or_else(|e| panic!("{}: settings: {e}", self.name))
    }

    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// The tensors whose names begin so, by the rest of their names.
    pub(crate) fn tensors(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().filter_map(move |(name, t)| Some((name.strip_prefix(prefix)?, t)))
    }
}
