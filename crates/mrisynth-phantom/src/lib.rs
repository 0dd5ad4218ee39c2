//! A digital brain cohort with labels, diagnoses and contrasts.

mod hull;
mod lattice;
mod random_waves;
mod signed_distance;

mod morphology;
mod subject;

mod deep_structures;
mod folding;
mod head;
mod hindbrain;
mod lesions;
mod parcels;

mod anatomy;

mod pulse_sequence;
mod scanner;
mod substance;

mod image_formation;
mod scene;

mod label_imaging;
mod phantom;

mod bids;
mod cohort;

mod error;

pub use anatomy::Anatomy;
pub use cohort::{CohortConfig, Progress, Report, write_cohort};
pub use error::{Error, Result};
pub use label_imaging::{Intensities, LabelImaging};
pub use lesions::{ENHANCING, NECROSIS, OEDEMA};
pub use phantom::{Phantom, head_geometry};
pub use pulse_sequence::{Modality, PulseSequence};
pub use scanner::Scanner;
pub use subject::{Diagnosis, Sex, Subject};
pub use substance::{FieldStrength, Relaxation, Substance};
