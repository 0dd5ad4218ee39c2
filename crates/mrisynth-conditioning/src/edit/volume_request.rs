//! A change of volume, as it is asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A structure and the change of its volume; written `hippocampus=-20%`.
///
/// # Examples
/// ```
/// use mrisynth_conditioning::VolumeRequest;
/// let request: VolumeRequest = "lateral ventricles=+30%".parse()?;
/// assert_eq!((request.channel.as_str(), request.percent), ("lateral ventricles", 30.0));
/// # Ok::<(), mrisynth_conditioning::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeRequest {
    /// The channel of the scheme.
    pub channel: String,
    /// The change in per cent of the volume it has: −20 leaves four fifths.
    pub percent: f64,
}

impl VolumeRequest {
    /// The volume asked for, in parts of the present one.
    pub(super) fn ratio(&self) -> f64 {
        1.0 + self.percent / 100.0
    }
}

impl FromStr for VolumeRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.rsplit_once('=').and_then(|(channel, change)| {
            let percent = change.trim().strip_suffix('%')?.trim().parse().ok()?;
            let channel = channel.trim().to_owned();
            (!channel.is_empty()).then_some(Self { channel, percent })
        });
        parsed.ok_or_else(|| Error::Argument {
            field: "change of volume".into(),
            found: format!("{text:?}"),
            expected: "a structure and a percentage, such as hippocampus=-20%".into(),
        })
    }
}

impl fmt::Display for VolumeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:+}%", self.channel, self.percent)
    }
}
