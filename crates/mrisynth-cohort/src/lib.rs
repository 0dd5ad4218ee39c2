//! Cohorts of scans: manifests, BIDS, splits by subject, cached loading, dataset cards.
//!
//! - A [`Manifest`] is a table with one row per [`Visit`]; [`scan`] makes one of a BIDS tree or a
//!   flat folder.

mod error;
mod format;
mod table;

mod visit;

mod manifest;

mod bids;

pub use bids::{BidsName, Finding, FindingKind, ScanOptions, Scanned, scan};
pub use error::{Error, Result, ScanFault, TableFault};
pub use manifest::Manifest;
pub use visit::{SUFFIXES, Sex, Visit};
