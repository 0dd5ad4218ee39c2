//! Where a network runs, as a user says it.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// `cpu`, or `cuda:N` for the NVIDIA GPU of number N; `Default` is the CPU.
///
/// # Examples
/// ```
/// use mrisynth_pipeline::DeviceChoice;
/// let choice: DeviceChoice = "cuda:1".parse()?;
/// assert_eq!(choice, DeviceChoice::Cuda { ordinal: 1 });
/// assert!(DeviceChoice::Cpu.open()?.is_cpu());
/// # Ok::<(), mrisynth_pipeline::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// All cores of the processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda {
        /// Its number, as CUDA counts; `nvidia-smi` may count otherwise.
        ordinal: usize,
    },
}

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// [`Error::Device`] for a GPU when this program was built without the feature `cuda`, and when
    /// there is no such GPU.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda { ordinal } => self.open_gpu(ordinal),
        }
    }

    #[cfg(feature = "cuda")]
    fn open_gpu(self, ordinal: usize) -> Result<Device> {
        candle_nn3d::gpu::open(ordinal)
            .map_err(|error| Error::Device { device: self, problem: error.to_string() })
    }

    #[cfg(not(feature = "cuda"))]
    fn open_gpu(self, _: usize) -> Result<Device> {
        let problem = "this program was built without the feature `cuda`; build it with \
                       `--features cuda`, as docs/gpu.md says"
            .to_owned();
        Err(Error::Device { device: self, problem })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda { ordinal } => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        // `parse` alone would take a sign too.
        let ordinal = text.strip_prefix("cuda:").filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        let ordinal = ordinal.and_then(|ordinal| ordinal.parse().ok());
        ordinal.map(|ordinal| Self::Cuda { ordinal }).ok_or_else(|| {
            Error::argument("device", format!("{text:?}"), "cpu, or cuda:N such as cuda:0")
        })
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written() {
        for text in ["cpu", "cuda:0", "cuda:11"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:x", "CPU", "cpu:0"] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("cuda:N") && error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_gpu_without_the_feature_is_an_error_that_names_it() {
        let error = DeviceChoice::Cuda { ordinal: 0 }.open().unwrap_err();
        assert!(matches!(error, Error::Device { device: DeviceChoice::Cuda { ordinal: 0 }, .. }));
        let text = error.to_string();
        assert!(text.contains("cuda:0") && text.contains("`cuda`"), "{text}");
    }

    #[test]
    fn a_device_that_cannot_be_used_is_told_before_any_file_is_looked_for() {
        let device = DeviceChoice::Cuda { ordinal: 4096 };
        let error = crate::segmentation::load_predictor_on(device, "nowhere").unwrap_err();
        assert!(matches!(error, Error::Device { .. }), "{error}");
    }

    #[test]
    #[cfg(feature = "cuda")]
    fn a_gpu_that_is_not_there_is_an_error_that_says_so() {
        let error = DeviceChoice::Cuda { ordinal: 4096 }.open().unwrap_err();
        assert!(matches!(error, Error::Device { .. }));
        assert!(error.to_string().contains("cuda:4096"), "{error}");
    }
}
