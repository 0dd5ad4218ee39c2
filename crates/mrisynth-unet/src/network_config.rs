//! A network's configuration from a file: our own, MONAI's, or a whole bundle of MONAI's.

use std::path::Path;

use serde_json::{Map, Value};

use crate::config::UnetConfig;
use crate::error::{Error, Result};
use crate::monai_bundle;

/// A configuration that was read, and what is worth knowing about how.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// The network.
    pub config: UnetConfig,
    /// One sentence for each argument that is known and without effect, or has another meaning than
    /// it seems.
    pub notes: Vec<String>,
}

impl NetworkConfig {
    /// Reads a JSON file that holds one of three things:
    ///
    /// - our own object, which names its `architecture`;
    /// - the arguments of MONAI's `DiffusionModelUNet`, with or without `_target_`, in which
    ///   `num_channels` may stand for `channels`, as in GenerativeModels;
    /// - a whole MONAI bundle, in which exactly one network is of that kind; references (`@id`,
    ///   `@id::part`, `@id#part`) are followed.
    ///
    /// # Errors
    /// [`Error::Syntax`] naming the file, and the field where there is one: for another kind of
    /// network, an argument that MONAI does not have, and for expressions (`$…`), which are not
    /// evaluated. What values a network can be made from is not checked here.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|e| syntax(&origin, e.to_string()))?;
        Self::parse(&origin, &text)
    }

    /// The same from text; `origin` is what errors call it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// use mrisynth_unet::{NetworkConfig, UnetConfig};
    /// let bundle = r#"{
    ///     "dims": 3, "latent": 4,
    ///     "unet": {
    ///         "_target_": "monai.networks.nets.DiffusionModelUNet", "spatial_dims": "@dims",
    ///         "in_channels": "@latent", "out_channels": "@latent", "channels": [32, 64],
    ///         "attention_levels": [false, true], "num_head_channels": [0, 32]
    ///     }
    /// }"#;
    /// let read = NetworkConfig::parse("inference.json", bundle)?;
    /// let UnetConfig::DiffusionUnet(unet) = read.config else { unreachable!() };
    /// assert_eq!(unet.in_channels, 4);
    /// # Ok::<(), mrisynth_unet::Error>(())
    /// ```
    pub fn parse(origin: &str, text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| syntax(origin, e.to_string()))?;
        let Value::Object(object) = &value else {
            return Err(syntax(origin, "expected an object".to_owned()));
        };
        if object.contains_key("architecture") {
            let config = checked(origin, "", object)?;
            return Ok(Self { config, notes: Vec::new() });
        }
        let found = monai_bundle::network(object).map_err(|problem| syntax(origin, problem))?;
        let config = checked(origin, &found.place, &found.arguments)?;
        Ok(Self { config, notes: found.notes })
    }
}

/// The configuration, or the first field that has no such value.
fn checked(origin: &str, place: &str, object: &Map<String, Value>) -> Result<UnetConfig> {
    let read = |object: Map<String, Value>| serde_json::from_value(Value::Object(object));
    let whole = match read(object.clone()) {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    // serde does not say in which field a value is wrong: each is tried by itself.
    let tag = "architecture";
    for (field, value) in object.iter().filter(|(field, _)| *field != tag) {
        let mut alone: Map<String, Value> = object
            .iter()
            .filter(|(name, _)| *name == tag)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        alone.insert(field.clone(), value.clone());
        if let Err(error) = read(alone) {
            return Err(syntax(origin, format!("{place}{field}: {error}")));
        }
    }
    Err(syntax(origin, format!("{place}{whole}")))
}

fn syntax(origin: &str, problem: String) -> Error {
    Error::Syntax { origin: origin.to_owned(), problem }
}

#[cfg(test)]
mod tests;
