//! How good synthetic scans are: diversity, distances of features, privacy, volumes of structures and,
//! where a synthetic scan was made of a real scan's mask, how alike the two are.
//!
//! Every record says what it depends on. What cannot be measured of so few scans is left out with a
//! warning, or has no interval.

mod comparison;
mod config;
mod event;
mod feature_source;
mod features;
mod interval_plots;
mod one_grid;
mod paired_images;
mod part;
mod privacy;
mod scan_set;
mod set_distances;
mod set_diversity;
mod structure_volumes;

use std::path::{Path, PathBuf};

use mrisynth_metrics::Results;
use mrisynth_report::plot::Svg;

pub use config::EvaluationConfig;
pub use event::EvaluationEvent;
pub use feature_source::FeatureSource;
pub use scan_set::ScanSet;

use crate::error::Result;
use comparison::Comparison;

/// The document of all records.
const METRICS: &str = "metrics.json";
/// The same as tables.
const TABLES: &str = "metrics.md";

/// What is known of synthetic scans.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// All metrics with their settings, and what a reader must know before quoting them.
    pub results: Results,
    /// Drawings of what has intervals, and of the volumes of structures.
    pub plots: Vec<NamedPlot>,
}

/// A drawing and what it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPlot {
    /// The name of its file without the ending, such as `FID`.
    pub name: String,
    /// The drawing.
    pub svg: Svg,
}

/// Compares synthetic with real scans; `held_out` are real ones that the generator did not see, for the
/// membership-inference attack. All lie on one grid.
///
/// Intensities are rescaled scan by scan first, as the records say. Metrics are of everybody and, where
/// both sets say site, sex, diagnosis or age, of each group with enough scans.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) for settings outside their domain, and for files of features that do not fit the
/// sets; [`Error::Format`](crate::Error::Format) naming a scan on another grid, or with voxels that are not numbers;
/// [`Error::Scan`](crate::Error::Scan) naming one without contrast; [`Error::Volume`](crate::Error::Volume), [`Error::Metrics`](crate::Error::Metrics) of reading files
/// and measuring. Too few scans are no error.
///
/// # Examples
/// ```
/// use mrisynth_pipeline::evaluation::{EvaluationConfig, ScanSet, evaluate};
/// use mrisynth_volume::{Affine, Geometry, Volume, WriteOptions};
/// let folder = tempfile::tempdir()?;
/// for n in 0..3 {
///     let grid = Geometry::new([16; 3], Affine::identity())?;
///     let scan = Volume::from_fn(grid, |[x, y, z]| (x * y + n * z * z) as f32);
///     scan.write(folder.path().join(format!("{n}.nii")), &WriteOptions::default())?;
/// }
/// let scans = ScanSet::find(folder.path())?;
/// let found = evaluate(&scans, &scans, None, &EvaluationConfig::default(), &mut |_| {})?;
/// assert!(found.results.records.iter().any(|r| r.name == "Near copies" && r.value == 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate(
    real: &ScanSet,
    synthetic: &ScanSet,
    held_out: Option<&ScanSet>,
    config: &EvaluationConfig,
    observer: &mut dyn FnMut(&EvaluationEvent),
) -> Result<Evaluation> {
    measure(Scope::Everything, [real, synthetic], held_out, config, observer)
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All there is.
    Everything,
    /// All but copies, attacks and volumes: beside the scans whose masks the synthetic ones were made of.
    SameMasks,
    /// Copies and attacks alone: beside the scans that the generator has seen.
    Privacy,
}

/// As [`evaluate`], a part of it.
pub(crate) fn measure(
    scope: Scope,
    sets: [&ScanSet; 2],
    held_out: Option<&ScanSet>,
    config: &EvaluationConfig,
    observer: &mut dyn FnMut(&EvaluationEvent),
) -> Result<Evaluation> {
    config.check()?;
    one_grid::check(sets.into_iter().chain(held_out), observer)?;
    let mut results = Results::new(Vec::new());
    let parts = part::parts(sets, config.min_group, &mut results.warnings)?;
    let comparison = Comparison { sets, parts, config };
    // Before anything that takes long, as a file of weights may be at fault.
    let features = features::extract(sets, held_out, &config.features, observer)?;
    let mut plots = Vec::new();
    if scope != Scope::Privacy {
        set_diversity::measure(&comparison, &mut results, observer)?;
        set_distances::measure(&comparison, &features, &mut results, observer)?;
    }
    if scope != Scope::SameMasks {
        privacy::measure(&comparison, &features, &mut results, observer)?;
    }
    if scope == Scope::Everything {
        plots.extend(structure_volumes::measure(&comparison, &mut results, observer)?);
    }
    if scope != Scope::Privacy {
        paired_images::measure(&comparison, &mut results, observer)?;
    }
    plots.extend(interval_plots::of(&results)?);
    Ok(Evaluation { results, plots })
}

impl Evaluation {
    /// Writes `metrics.json`, `metrics.md` and the plots as SVG into a folder, each whole or not at
    /// all, and says where they are.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write), [`Error::Metrics`](crate::Error::Metrics) and [`Error::Report`](crate::Error::Report) for what cannot be written.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        durable_file::create_folder(folder)?;
        let mut written = Vec::with_capacity(self.plots.len() + 2);
        for NamedPlot { name, svg } in &self.plots {
            let path = folder.join(format!("{name}.svg"));
            svg.write(&path)?;
            written.push(path);
        }
        let tables = folder.join(TABLES);
        durable_file::write(&tables, self.results.to_markdown().as_bytes())?;
        // Last: whoever finds it finds all else.
        let metrics = folder.join(METRICS);
        self.results.write(&metrics)?;
        written.extend([tables, metrics]);
        Ok(written)
    }
}

#[cfg(test)]
mod tests;
