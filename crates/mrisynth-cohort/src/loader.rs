//! Batches for training: prepared once, shuffled, augmented, read ahead.
//!
//! What a batch holds depends on the cohort, the settings, the seed and the step alone. A run that
//! resumes at step k gets the batches that it would have got, however many readers there are; an
//! item is augmented the same alone or in a batch of any size.

mod batch;
mod order;
mod patch;
mod ready;
mod stream;

use std::collections::BTreeSet;
use std::sync::Arc;

use keyed_random::Key;
use serde::{Deserialize, Serialize};

pub use batch::{Batch, SampleInfo};
use order::Order;
pub use patch::Patch;
use ready::Item;
pub use stream::BatchStream;

use crate::augmentation::AugmentationConfig;
use crate::cache::{Cache, SourceDigests};
use crate::error::{Error, Result, ScanFault};
use crate::manifest::Manifest;
use crate::preparation::Preparation;
use crate::survey::Observer;
use crate::workers::map_indices;

/// How a cohort is turned into batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// What is done once.
    pub preparation: Preparation,
    /// What is done anew each time.
    pub augmentation: AugmentationConfig,
    /// Voxels along x, y and z of the part that is shown of each volume, at a place drawn anew each
    /// time; the whole by default.
    pub patch: Option<[usize; 3]>,
    /// Samples per batch; 1 by default.
    pub batch_size: usize,
    /// The seed of order and augmentation.
    pub seed: u64,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        let (preparation, augmentation) = (Preparation::default(), AugmentationConfig::default());
        Self { preparation, augmentation, patch: None, batch_size: 1, seed: 0 }
    }
}

/// A cohort that is ready to be trained on.
#[derive(Clone, Debug)]
pub struct Loader {
    shared: Arc<Shared>,
}

/// What readers look at.
#[derive(Debug)]
struct Shared {
    items: Vec<Item>,
    cache: Cache,
    config: LoaderConfig,
    order: Order,
    /// Of a whole volume.
    shape: [usize; 3],
}

impl Loader {
    /// Prepares every visit that the cache does not hold yet, a few at a time.
    ///
    /// All scans that cannot be used are told together: missing or corrupt files, missing channels,
    /// empty or non-finite images, shapes that differ. May be interrupted at any point, and goes on
    /// where it was.
    ///
    /// # Errors
    /// [`Error::Scans`]; [`Error::Argument`] for a setting out of its domain or a manifest without
    /// visits; [`Error::Stopped`] when the observer says so; [`Error::Io`], [`Error::Write`] or
    /// [`Error::Newer`] for the cache.
    ///
    /// # Examples
    /// ```
    /// # use std::ops::ControlFlow::Continue;
    /// use mrisynth_cohort::{Cache, Loader, LoaderConfig, Preparation, ScanOptions, scan};
    /// use mrisynth_volume::{Affine, Geometry, Volume, WriteOptions};
    /// let folder = tempfile::tempdir()?;
    /// let volume = Volume::from_fn(Geometry::new([4, 3, 2], Affine::identity())?, |[x, ..]| x as f32);
    /// volume.write(folder.path().join("sub-01_T1w.nii.gz"), &WriteOptions::default())?;
    /// let cohort = scan(folder.path(), &ScanOptions::default())?.manifest;
    /// let preparation = Preparation { mask: false, ..Preparation::default() };
    /// let config = LoaderConfig { preparation, ..LoaderConfig::default() };
    /// let cache = Cache::open(folder.path().join("cache"))?;
    /// let loader = Loader::new(&cohort, &config, &cache, &|_, _| Continue(()))?;
    /// assert_eq!(loader.batch(1200)?.shape, [1, 1, 4, 3, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        manifest: &Manifest,
        config: &LoaderConfig,
        cache: &Cache,
        observer: Observer<'_>,
    ) -> Result<Self> {
        config.preparation.check()?;
        config.augmentation.check()?;
        if config.batch_size == 0 {
            return Err(Error::argument("batch_size", 0, "at least 1"));
        }
        let total = manifest.visits.len();
        if total == 0 {
            return Err(Error::argument("the manifest", "without visits", "at least one visit"));
        }
        let digests = SourceDigests::read(cache)?;
        let ready = |row: usize| Item::ready(manifest, row, &config.preparation, cache, &digests);
        let results = map_indices(total, ready, &|done| observer(done, total).is_continue());
        digests.write(cache)?;
        let (mut items, mut faults) = (Vec::new(), Vec::new());
        for result in results.map_err(|done| Error::Stopped { done, total })? {
            match result {
                Ok(item) => items.push(item),
                Err(these) => faults.extend(these),
            }
        }
        let shape = items.first().map(|item| item.shape).unwrap_or_default();
        faults.extend(other_shapes(&items, shape));
        if !faults.is_empty() {
            return Err(Error::Scans { faults });
        }
        config.patch.map_or(Ok(()), |patch| patch::check(patch, shape))?;
        let order = Order::new(Key::new(config.seed).with("order"), items.len());
        let (cache, config) = (cache.clone(), config.clone());
        Ok(Self { shared: Arc::new(Shared { items, cache, config, order, shape }) })
    }

    /// The number of visits.
    #[must_use]
    pub fn n_visits(&self) -> usize {
        self.shared.items.len()
    }

    /// Voxels along x, y and z of every sample.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shared.config.patch.unwrap_or(self.shared.shape)
    }

    /// The batch of a step, read now: what [`stream`](Self::stream) gives there.
    ///
    /// Step `s` of batches of `b` holds the items `s·b … s·b + b − 1` of an endless sequence, in
    /// which each pass over the cohort has an order of its own.
    ///
    /// # Errors
    /// As [`Loader::new`], for an entry of the cache that was damaged since, if its sources are gone
    /// or have changed too.
    pub fn batch(&self, step: u64) -> Result<Batch> {
        self.shared.batch(step, &|| true)
    }

    /// The batches from a step on, without end, read ahead by so many threads (at least one).
    ///
    /// Each keeps up to [`BatchStream::READ_AHEAD`] batches ready beside the one it works on, so
    /// memory is bounded. Dropping the stream ends the threads.
    #[must_use]
    pub fn stream(&self, first_step: u64, readers: usize) -> BatchStream {
        BatchStream::new(Arc::clone(&self.shared), first_step, readers.max(1))
    }
}

/// Samples of a batch must have one shape.
fn other_shapes(items: &[Item], expected: [usize; 3]) -> Vec<ScanFault> {
    let shapes: BTreeSet<[usize; 3]> = items.iter().map(|item| item.shape).collect();
    if shapes.len() < 2 {
        return Vec::new();
    }
    let others = items.iter().filter(|item| item.shape != expected);
    let reason = |item: &Item| {
        let found = item.shape;
        format!(
            "{found:?} voxels, the first visit has {expected:?}; set the grid's shape and spacing"
        )
    };
    others.map(|item| item.visit.fault(None, reason(item))).collect()
}

#[cfg(test)]
mod tests;
