//! A volume on its way from noise: the states as files, and a strip of pictures.

use std::path::{Path, PathBuf};

use candle_core::Device;
use durable_file::create_folder;
use mrisynth_diffusion::Frame;
use mrisynth_report::{MontageOptions, Picture, montage};
use mrisynth_volume::WriteOptions;

use crate::conversion::Conversion;
use crate::derivative::OutputName;
use crate::error::Result;
use crate::preview::stacked;
use crate::sampling_job::Prepared;

/// Outside the volumes proper, so that nobody takes a noisy state for a scan.
const FOLDER: &str = "trajectories";
const PICTURE_PX: usize = 160;

const STRIP: &str = "strip.png";

/// The folder of the states of a volume, below the root of its job.
pub(crate) fn folder_of(root: &Path, name: &OutputName) -> PathBuf {
    root.join(FOLDER).join(name.to_string())
}

/// Whether all states lie in a folder: the strip is written last.
pub(crate) fn is_whole(folder: &Path) -> bool {
    folder.join(STRIP).is_file()
}

/// Writes the states of the volume at a place of its batch, in the volume's own grid, and a strip of
/// the first modality's middle planes, the noisiest on top.
pub(crate) fn write(
    root: &Path,
    conversion: &Conversion,
    prepared: &Prepared,
    place: usize,
    frames: &[Frame],
) -> Result<()> {
    if frames.is_empty() {
        return Ok(());
    }
    let folder = folder_of(root, &prepared.name);
    create_folder(&folder)?;
    // What a validator of BIDS shall pass over.
    durable_file::write(root.join(".bidsignore"), format!("{FOLDER}/\n").as_bytes())?;
    let options = MontageOptions { longest_side_px: PICTURE_PX, ..MontageOptions::default() };
    let mut strip: Vec<Picture> = Vec::new();
    for frame in frames {
        let sample = frame.sample.get(place)?.to_device(&Device::Cpu)?;
        let volumes = conversion.volumes(&sample, &prepared.regrid)?;
        strip.extend(volumes.first().map(|volume| montage(volume, None, &options)).transpose()?);
        for (suffix, volume) in conversion.config().images.iter().zip(&volumes) {
            let name = format!("step-{:04}_{suffix}.nii.gz", frame.steps_done);
            let description = Some(format!("synthetic: after {} steps", frame.steps_done));
            volume.write(folder.join(name), &WriteOptions { description, ..Default::default() })?;
        }
    }
    stacked(&strip)?.write(folder.join(STRIP))?;
    Ok(())
}
