//! A segmentation network on a cohort: planned, trained in a run, used on other scans, and
//! measured.

mod evaluation;
mod experiment;
mod planning;
mod prediction;
mod run;

pub use evaluation::{MEAN, METRICS, ScanScores, SegmentationScores};
pub(crate) use evaluation::{mean_record, subject_means};
pub use experiment::SegmentationExperiment;
pub use planning::PlanOptions;
pub(crate) use prediction::prediction_name;
pub use prediction::{SegmentedScan, load_predictor, load_predictor_on, segment_cohort};
pub use run::{SegmentationRun, cases_of};
