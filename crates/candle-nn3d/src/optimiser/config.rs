//! Which optimiser, as a configuration says it.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use super::{Adam, AdamSettings, AdamW, AdamWSettings, Optimiser, Sgd, SgdSettings};

/// The choice of an optimiser; `Default` is Adam with PyTorch's settings.
///
/// # Examples
/// ```
/// use candle_nn3d::{OptimiserConfig, SgdSettings};
/// let config: OptimiserConfig = serde_json::from_str(r#"{"kind": "sgd", "momentum": 0.9}"#)?;
/// let settings = SgdSettings { momentum: 0.9, ..SgdSettings::default() };
/// assert_eq!(config, OptimiserConfig::Sgd(settings));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OptimiserConfig {
    /// [`Adam`].
    Adam(AdamSettings),
    /// [`AdamW`].
    #[serde(rename = "adamw")]
    AdamW(AdamWSettings),
    /// [`Sgd`].
    Sgd(SgdSettings),
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self::Adam(AdamSettings::default())
    }
}

impl OptimiserConfig {
    /// The optimiser, before its first step.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for settings outside their domain.
    pub fn build(&self) -> Result<Box<dyn Optimiser>> {
        Ok(match *self {
            Self::Adam(settings) => Box::new(Adam::new(settings)?),
            Self::AdamW(settings) => Box::new(AdamW::new(settings)?),
            Self::Sgd(settings) => Box::new(Sgd::new(settings)?),
        })
    }
}
