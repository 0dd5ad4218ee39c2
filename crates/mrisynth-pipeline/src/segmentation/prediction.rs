//! A trained network on the scans of a cohort.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_nn3d::{Matching, NamedTensors, ParameterStore};
use durable_file::create_folder;
use keyed_random::Key;
use mrisynth_cohort::{Manifest, Visit};
use mrisynth_segmentation::{Predictor, Segmenter};
use mrisynth_training::{CheckpointReader, Checkpoints};
use mrisynth_volume::WriteOptions;

use super::run::channels_of;
use crate::device_choice::DeviceChoice;
use crate::error::{Error, Result};
use crate::segmentation::SegmentationExperiment;

/// The configuration and the weights of a checkpoint.
const CONFIG: &str = "config.toml";
const WEIGHTS: &str = "model.safetensors";

/// What was segmented, and where the labels lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentedScan {
    /// The subject.
    pub subject: String,
    /// The session, if there are sessions.
    pub session: Option<String>,
    /// The label map, below the folder of the output.
    pub labels: PathBuf,
}

/// The network of a run (its best checkpoint where there is one, else its last) or of one checkpoint's
/// folder, with its experiment.
///
/// # Errors
/// [`Error::Argument`] for what is neither; those of reading it.
pub fn load_predictor(path: impl AsRef<Path>) -> Result<(Predictor, SegmentationExperiment)> {
    load_predictor_on(DeviceChoice::Cpu, path)
}

/// The same on a device.
///
/// # Errors
/// As [`load_predictor`], and [`Error::Device`].
pub fn load_predictor_on(
    device: DeviceChoice,
    path: impl AsRef<Path>,
) -> Result<(Predictor, SegmentationExperiment)> {
    let device = device.open()?;
    let reader = reader_of(path.as_ref())?;
    let experiment = SegmentationExperiment::read(reader.path_of(CONFIG)?)?;
    let parameters = ParameterStore::new(Key::new(0)).on(&device)?;
    let weights = NamedTensors::load_safetensors(reader.path_of(WEIGHTS)?)?;
    // The network asks for all its parameters; then they must be those of the file, name by name.
    let mut network = Segmenter::new(&experiment.network, parameters.builder(DType::F32))?;
    weights.load_into(&parameters, Matching::Strict)?;
    network.prepare(experiment.recipe.patches.patch)?;
    let predictor = Predictor {
        network,
        preparation: experiment.preparation()?,
        window: experiment.sliding_window()?,
        clean_up: experiment.clean_up,
        device,
    };
    Ok((predictor, experiment))
}

fn reader_of(path: &Path) -> Result<CheckpointReader> {
    if path.join("checkpoint.json").is_file() {
        return Ok(CheckpointReader::open(path)?);
    }
    let checkpoints = Checkpoints::of_run(path);
    if let Some(best) = checkpoints.best()? {
        return Ok(best);
    }
    let latest = checkpoints.latest()?.ok_or_else(|| {
        Error::argument("weights", path.display(), "a run with a checkpoint, or a checkpoint")
    })?;
    Ok(latest.checkpoint)
}

/// What the label map of a visit is called: `sub-01[_ses-1]_dseg.nii.gz`.
pub(crate) fn prediction_name(visit: &Visit) -> PathBuf {
    let session = visit.session.iter().map(|session| format!("_{session}"));
    let stem = session.fold(visit.subject.clone(), |stem, session| stem + &session);
    PathBuf::from(format!("{stem}_dseg.nii.gz"))
}

/// Segments every visit that has the images, and writes a label map for each, on the scan's own grid:
/// `sub-01[_ses-1]_dseg.nii.gz`.
///
/// `observer` is told how many are done, and may stop.
///
/// # Errors
/// [`Error::Argument`] when no visit has the images; those of reading, segmenting and writing.
pub fn segment_cohort(
    predictor: &Predictor,
    images: &[String],
    cohort: &Manifest,
    out: &Path,
    observer: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Vec<SegmentedScan>> {
    let wanted = |visit: &&Visit| images.iter().all(|suffix| visit.images.contains_key(suffix));
    let visits: Vec<&Visit> = cohort.visits.iter().filter(wanted).collect();
    if visits.is_empty() {
        let expected = format!("visits with {}", images.join(", "));
        return Err(Error::argument("the cohort", "none that can be used", expected));
    }
    create_folder(out)?;
    let mut segmented = Vec::with_capacity(visits.len());
    for (done, visit) in visits.iter().enumerate() {
        if observer(done, visits.len()).is_break() {
            break;
        }
        let Some(channels) = channels_of(cohort, visit, images)? else { continue };
        let labels = predictor.segment(&channels)?;
        let path = prediction_name(visit);
        labels.write(out.join(&path), &WriteOptions::default())?;
        let (subject, session) = (visit.subject.clone(), visit.session.clone());
        segmented.push(SegmentedScan { subject, session, labels: path });
    }
    Ok(segmented)
}
