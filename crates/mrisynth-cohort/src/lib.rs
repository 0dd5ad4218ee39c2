//! Cohorts of scans: manifests, BIDS, splits by subject, cached loading, dataset cards.
//!
//! - A [`Manifest`] is a table with one row per [`Visit`]; [`scan`] makes one of a BIDS tree or a
//!   flat folder.
//! - A [`Splitter`] divides it by subject, and [`Leakage`] tells whether a division can be trusted.
//! - A [`Loader`] prepares it once into a [`Cache`] and streams shuffled, augmented batches.
//! - A [`Survey`] reads every file once; a [`Card`] says what the cohort is.
//!
//! ```
//! use mrisynth_cohort::{Leakage, Manifest, SplitConfig, Splitter, Visit};
//! let visit = |i: usize| Visit { subject: format!("sub-{}", i / 2), ..Visit::default() };
//! let mut cohort = Manifest::new("", (0..40).map(visit).collect()); // 20 subjects, twice each
//! let subjects = Splitter::new(&SplitConfig::default())?.assign(&mut cohort)?;
//! assert_eq!((subjects["train"], subjects["test"]), (16, 4));
//! assert!(Leakage::of_subjects(&cohort).is_clean());
//! # Ok::<(), mrisynth_cohort::Error>(())
//! ```

mod error;
mod format;
mod table;
mod workers;

mod visit;

mod manifest;

mod bids;

mod split;

mod fingerprint;
mod synthetic;

mod survey;

mod leakage;

mod inspection;

mod card;

mod preparation;

mod cache;

mod augmentation;

mod loader;

pub use augmentation::{
    AffineDraw, AffineJitter, Augmentation, AugmentationConfig, BiasField, Flip, FlipLabels, Gamma,
    Noise,
};
pub use bids::{BidsName, Finding, FindingKind, ScanOptions, Scanned, scan};
pub use cache::Cache;
pub use card::{AgeBands, Card, CardConfig, Counts, LabelVolumes, Provenance};
pub use error::{Error, Result, ScanFault, TableFault};
pub use fingerprint::{Fingerprint, Sum};
pub use inspection::Inspection;
pub use leakage::{CopiedFile, Copies, CopyKind, Leakage, LeakingSubject};
pub use loader::{Batch, BatchStream, Loader, LoaderConfig, Patch, SampleInfo};
pub use manifest::Manifest;
pub use preparation::{NonFinite, Preparation};
pub use split::{Fraction, SplitConfig, Splitter, Stratum};
pub use survey::{FileRecord, Observer, Survey};
pub use synthetic::{Marks, SyntheticMark, mark_synthetic};
pub use visit::{SUFFIXES, Sex, Visit};
