//! A GPU as a user names it: opening it, what it is, how much memory it has left.

use std::path::Path;

use candle_core::Device;

use super::convolution::choice::Choices;
use super::gpu::{Gpu, capability};
use crate::error::{Error, Result};

/// Opens the GPU of this number, as CUDA counts them.
///
/// # Errors
/// [`Error::Gpu`] with the driver's reason where there is none.
pub fn open(ordinal: usize) -> Result<Device> {
    Device::new_cuda(ordinal).map_err(|error| {
        let remedy = "see whether `nvidia-smi` lists such a GPU, and whether the driver is as new as \
                      the CUDA toolkit";
        Error::gpu(&format!("opening cuda:{ordinal}"), error.to_string(), remedy)
    })
}

/// Of what kind a GPU is, as in `cuda sm_90`: results of one kind are the same bits.
///
/// # Errors
/// [`Error::Gpu`] and candle's for a device that is no GPU.
pub fn kind(device: &Device) -> Result<String> {
    let gpu = Gpu::new(device.as_cuda_device()?);
    let (major, minor) = capability(gpu.stream().context())?;
    Ok(format!("cuda sm_{major}{minor}"))
}

/// Bytes of a GPU's memory that nothing uses.
///
/// # Errors
/// [`Error::Gpu`] and candle's for a device that is no GPU.
pub fn free_bytes(device: &Device) -> Result<u64> {
    let gpu = Gpu::new(device.as_cuda_device()?);
    let (free, _) = gpu.stream().context().mem_get_info().map_err(|error| {
        Error::gpu("free memory", error.to_string(), "see whether the driver works")
    })?;
    Ok(free as u64)
}

impl Choices {
    /// Writes the record as JSON.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let fault = |error: serde_json::Error| Error::File {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        let mut text = serde_json::to_vec_pretty(self).map_err(fault)?;
        text.push(b'\n');
        durable_file::write(path, &text)?;
        Ok(())
    }

    /// Reads such a record.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is missing or no such record.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fault = |problem: String| Error::File { path: path.to_owned(), problem };
        let text = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| fault(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::convolution::choice::{Choice, Key, Order, Pass};

    #[test]
    fn a_record_of_choices_survives_its_file() {
        let key = Key {
            pass: Pass::WeightGradient,
            dtype: "bf16".into(),
            batch: 1,
            c_in: 2,
            c_out: 3,
            groups: 1,
            input: [4, 5, 6],
            output: [4, 5, 6],
            kernel: [3; 3],
            stride: [1; 3],
            dilation: [1; 3],
            padding: [1; 3],
        };
        let choice = Choice { order: Order::ChannelsLast, algorithm: 1, workspace: 77 };
        let choices = Choices { choices: vec![(key, choice)], ..Choices::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.json");
        choices.write(&path).unwrap();
        assert_eq!(Choices::read(&path).unwrap(), choices);
        std::fs::write(&path, "{\"settings\": 3}").unwrap();
        assert!(Choices::read(&path).unwrap_err().to_string().contains("gpu.json"));
    }

    #[test]
    fn the_cpu_is_no_gpu() {
        assert!(kind(&Device::Cpu).is_err());
        assert!(free_bytes(&Device::Cpu).is_err());
    }

    #[test]
    fn a_number_without_a_gpu_is_an_error_that_says_so() {
        let error = open(4096).unwrap_err().to_string();
        assert!(error.contains("cuda:4096") && error.contains("nvidia-smi"), "{error}");
    }
}
