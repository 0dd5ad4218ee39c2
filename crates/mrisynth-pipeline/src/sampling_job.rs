//! Making volumes of masks, or of nothing, into a folder; again and again until all are there.

mod item;
mod record;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::Device;
use mrisynth_diffusion::{Generator, Provenance, Shard};
use mrisynth_schedulers::{Ended, Progress};
use mrisynth_volume::{Geometry, Image, Volume};
use serde_json::{Map, Value};

pub(crate) use item::{Item, Prepared};
pub use record::JobRecord;

use crate::checkpoint::Checkpoint;
use crate::conversion::Conversion;
use crate::derivative::{self, Existing};
use crate::device_choice::DeviceChoice;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::mask_file::MaskFile;
use crate::memory::{MemoryEstimate, Work, sampling_batch_on};
use crate::network::ConditionedUnet;
use crate::trajectory;

/// More than this in a batch brings a processor nothing.
const LARGEST_BATCH: usize = 4;

/// What volumes are made of.
#[derive(Clone, Debug)]
pub enum Subjects {
    /// Masks, each of which gets so many volumes.
    Masks {
        /// The masks.
        files: Vec<MaskFile>,
        /// Volumes of each.
        replicas: u64,
    },
    /// So many volumes of a network without masks.
    Count {
        /// How many.
        count: u64,
        /// Their grid.
        grid: Geometry,
    },
}

impl Subjects {
    /// The masks at a path, which [`MaskFile::find`] finds.
    ///
    /// # Errors
    /// As there.
    pub fn of_masks(path: impl AsRef<Path>, replicas: u64) -> Result<Self> {
        Ok(Self::Masks { files: MaskFile::find(path)?, replicas })
    }

    /// So many volumes in the grid of a scan, or else in the one that the experiment has for them.
    ///
    /// # Errors
    /// [`Error::Volume`] for a scan that cannot be read.
    pub fn counted(count: u64, scan: Option<&Path>, experiment: &Experiment) -> Result<Self> {
        let grid = match scan {
            Some(scan) => *Image::read(scan)?.geometry(),
            None => experiment.data.file_grid()?,
        };
        Ok(Self::Count { count, grid })
    }
}

/// How a job is done; which volumes come out does not depend on it, but for rounding on another device.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobOptions {
    /// The part of the job that this process does.
    pub shard: Shard,
    /// Volumes at a time; by default as many as fit into memory, up to four.
    pub batch_size: Option<usize>,
    /// How many states on the way from noise are kept of each volume; none by default.
    pub trajectory_frames: usize,
    /// Where the network runs.
    pub device: DeviceChoice,
}

/// Something that a job tells.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum JobEvent<'a> {
    /// A volume was found whole, and is left as it is.
    Found {
        /// Its name.
        name: &'a str,
    },
    /// A step of a batch is done.
    Step {
        /// The names of its volumes.
        names: &'a [String],
        /// Steps done.
        done: usize,
        /// Steps in all.
        steps: usize,
    },
    /// A volume is on the disk.
    Written {
        /// Its name.
        name: &'a str,
        /// Its first image.
        path: &'a Path,
    },
}

/// What became of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobSummary {
    /// Volumes made now.
    pub made: usize,
    /// Volumes that were there.
    pub found: usize,
    /// Volumes of this shard that are still to be made, because the observer broke off.
    pub left: usize,
}

/// Volumes to be made into a folder with one network.
pub struct SamplingJob {
    root: PathBuf,
    record: JobRecord,
    conversion: Conversion,
    generator: Generator,
    network: ConditionedUnet,
    items: Vec<Item>,
    options: JobOptions,
    batch_size: usize,
    memory: MemoryEstimate,
}

impl SamplingJob {
    /// Looks whether the job can be done, and reads the network.
    ///
    /// # Errors
    /// [`Error::Memory`] when not even one volume fits; [`Error::Argument`] for masks that would get
    /// the same name, and for a folder that holds another job; those of the weights.
    pub fn new(
        experiment: &Experiment,
        checkpoint: &Checkpoint,
        subjects: &Subjects,
        root: impl Into<PathBuf>,
        options: JobOptions,
    ) -> Result<Self> {
        experiment.check()?;
        let (root, conversion) = (root.into(), Conversion::new(&experiment.data)?);
        let items = Item::list(subjects, &conversion)?;
        check_names(&items)?;
        let mine = (0..items.len()).filter(|&place| options.shard.holds(place)).count();
        let space = experiment.data.tensor_shape()?;
        let precision = experiment.sampling.precision;
        let one = Work { batch: 1, space, bytes_per_number: precision.dtype().size_in_bytes() };
        let most = options.batch_size.unwrap_or(LARGEST_BATCH).min(mine.max(1));
        let device = options.device.open()?;
        let (batch_size, memory) = sampling_batch_on(&device, &experiment.network, one, most)?;
        let record = JobRecord::new(experiment, checkpoint)?;
        record.check_same_job(&root)?;
        let network = checkpoint.network_on(&device, &experiment.network, precision, space)?;
        let generator = Generator::new(&experiment.generator_config())?.on(&device);
        Ok(Self {
            root,
            record,
            conversion,
            generator,
            network,
            items,
            options,
            batch_size,
            memory,
        })
    }

    /// The memory that a batch is expected to take.
    #[must_use]
    pub fn memory(&self) -> MemoryEstimate {
        self.memory
    }

    /// How many volumes there will be, of this shard.
    #[must_use]
    pub fn volumes(&self) -> usize {
        (0..self.items.len()).filter(|&place| self.options.shard.holds(place)).count()
    }

    /// Volumes at a time.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Makes what is not there yet. A volume that is there, as it was written and from this very
    /// request, is left as it is; one that is damaged or cut short is made again.
    ///
    /// # Errors
    /// [`Error::Mask`] naming a mask that cannot be used; [`Error::Format`] for a volume that is there
    /// and was made otherwise; whatever the network or the disk refuses. What was written stays.
    pub fn run(
        &self,
        observer: &mut dyn FnMut(&JobEvent<'_>) -> ControlFlow<()>,
    ) -> Result<JobSummary> {
        self.record.write(&self.root)?;
        derivative::describe(&self.root, &self.record.experiment.name)?;
        let mut summary = JobSummary::default();
        let mine = self.items.iter().enumerate().filter(|(n, _)| self.options.shard.holds(*n));
        let mine: Vec<&Item> = mine.map(|(_, item)| item).collect();
        let mut waiting = Vec::new();
        for (place, item) in mine.iter().enumerate() {
            let prepared = item.prepare(&self.conversion)?;
            if self.is_there(&prepared)? {
                summary.found += 1;
                let name = prepared.name.to_string();
                if observer(&JobEvent::Found { name: &name }).is_break() {
                    summary.left = mine.len() - summary.made - summary.found;
                    return Ok(summary);
                }
            } else {
                waiting.push(prepared);
            }
            let is_last = place + 1 == mine.len();
            if waiting.len() == self.batch_size || (is_last && !waiting.is_empty()) {
                match self.make(&waiting, observer)? {
                    ControlFlow::Continue(()) => summary.made += waiting.len(),
                    ControlFlow::Break(written) => {
                        summary.made += written;
                        summary.left = mine.len() - summary.made - summary.found;
                        return Ok(summary);
                    }
                }
                waiting.clear();
            }
        }
        Ok(summary)
    }

    /// Whether a volume is there; one that was made otherwise is refused.
    fn is_there(&self, prepared: &Prepared) -> Result<bool> {
        let suffixes = &self.conversion.config().images;
        match derivative::existing(&self.root, &prepared.name, suffixes)? {
            Existing::Incomplete => Ok(false),
            Existing::Whole(mut found) => {
                let expected = self.generator.provenance(&prepared.sample, self.record.sha256()?);
                // On another processor the volume would differ by rounding: it is good as it is.
                found.kernel_tier.clone_from(&expected.kernel_tier);
                if *found == expected {
                    return Ok(true);
                }
                let path = self.root.join(prepared.name.image(&suffixes[0], "json"));
                let found = format!("of another {}", differing(&found, &expected)?.join(", "));
                Err(Error::format(path, "the volume", found, "what is asked for, or no file"))
            }
        }
    }

    /// Makes a batch; broken off, it says how many volumes were written before.
    fn make(
        &self,
        batch: &[Prepared],
        observer: &mut dyn FnMut(&JobEvent<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<usize>> {
        let names: Vec<String> = batch.iter().map(|prepared| prepared.name.to_string()).collect();
        let samples: Vec<_> = batch.iter().map(|prepared| prepared.sample.clone()).collect();
        let config = self.conversion.config();
        let [x, y, z] = config.tensor_shape()?;
        let mut state = self.generator.begin(&samples, [config.images.len(), x, y, z])?;
        let mut told = |progress: &Progress<'_>| {
            let (done, steps) = (progress.done, progress.steps);
            observer(&JobEvent::Step { names: &names, done, steps })
        };
        let frames = self.options.trajectory_frames;
        let mut kept = mrisynth_diffusion::Trajectory::new(frames, &mut told);
        let ended = self.generator.run(&self.network, &samples, &mut state, &mut kept)?;
        let frames = kept.frames().to_vec();
        if ended == Ended::Cancelled {
            return Ok(ControlFlow::Break(0));
        }
        let made = state.sample.to_device(&Device::Cpu)?;
        for (place, prepared) in batch.iter().enumerate() {
            let path = self.write(prepared, &made.get(place)?)?;
            trajectory::write(&self.root, &self.conversion, prepared, place, &frames)?;
            let (name, path) = (&names[place], &path);
            if observer(&JobEvent::Written { name, path }).is_break() {
                return Ok(ControlFlow::Break(place + 1));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn write(&self, prepared: &Prepared, made: &candle_core::Tensor) -> Result<PathBuf> {
        let suffixes = &self.conversion.config().images;
        let volumes = self.conversion.volumes(made, &prepared.regrid)?;
        let images: Vec<_> = suffixes.iter().map(String::as_str).zip(volumes).collect();
        let provenance = self.generator.provenance(&prepared.sample, self.record.sha256()?);
        derivative::write(
            &self.root,
            &prepared.name,
            &images,
            prepared.mask.as_ref(),
            &provenance,
        )?;
        Ok(self.root.join(prepared.name.image(&suffixes[0], "nii.gz")))
    }

    /// Makes the volume of a mask, whatever is there, and gives it instead of writing it.
    pub(crate) fn remake(&self, prepared: &Prepared) -> Result<Vec<Volume>> {
        let samples = [prepared.sample.clone()];
        let config = self.conversion.config();
        let [x, y, z] = config.tensor_shape()?;
        let mut state = self.generator.begin(&samples, [config.images.len(), x, y, z])?;
        let mut unobserved = mrisynth_schedulers::Unobserved;
        self.generator.run(&self.network, &samples, &mut state, &mut unobserved)?;
        let made = state.sample.to_device(&Device::Cpu)?;
        self.conversion.volumes(&made.get(0)?, &prepared.regrid)
    }
}

impl std::fmt::Debug for SamplingJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamplingJob")
            .field("root", &self.root)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// The fields in which two records differ.
fn differing(a: &Provenance, b: &Provenance) -> Result<Vec<String>> {
    let fields = |record: &Provenance| -> Result<Map<String, Value>> {
        let refused = |e| Error::argument("provenance", e, "a JSON object");
        serde_json::from_str(&record.to_json()?).map_err(refused)
    };
    let (a, b) = (fields(a)?, fields(b)?);
    Ok(a.into_iter().filter(|(name, value)| b.get(name) != Some(value)).map(|(n, _)| n).collect())
}

/// Refuses two volumes of one name.
fn check_names(items: &[Item]) -> Result<()> {
    let mut known = BTreeMap::new();
    for item in items {
        if let Some(other) = known.insert(item.name(), item) {
            let found = format!("{} for {} and {}", item.name(), other.origin(), item.origin());
            let expected = "a subject and session of its own for each mask";
            return Err(Error::argument("the name of the output", found, expected));
        }
    }
    Ok(())
}
