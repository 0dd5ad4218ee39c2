//! A digital brain cohort with labels, diagnoses and contrasts, for everything that must run where
//! real scans cannot be.
//!
//! - [`Subject`] says who is scanned; [`Anatomy`] is that head as a function of place, in millimetres:
//!   solids with rounded joints, a hull whose sulci are sheets of random waves, lesions.
//! - [`Phantom`] is a head on a grid: [`labels`](Phantom::labels) in FreeSurfer's numbers, and an
//!   [`image`](Phantom::image) of any [`Modality`] from relaxation times ([`Substance`]) through a
//!   [`PulseSequence`] and a site's [`Scanner`]. [`Phantom::from_labels`] makes one of any label map.
//! - [`write_cohort`] writes a BIDS tree of them, every image marked as synthetic.
//!
//! All is a function of the seed, to the bit, for any number of threads. `docs/phantom.md` shows the
//! pictures and the measurements.
//!
//! ```
//! use mrisynth_phantom::{Diagnosis, Modality, Phantom, Scanner, Subject, head_geometry};
//! let subject = Subject { seed: 7, diagnosis: Diagnosis::Dementia, ..Subject::default() };
//! let phantom = Phantom::new(&subject, head_geometry([32; 3])?)?;
//! let t1w = phantom.image(Modality::T1w, &Scanner::of_site(7, 0))?;
//! assert!(phantom.labels().counts().contains_key(&17)); // left hippocampus
//! # Ok::<(), mrisynth_phantom::Error>(())
//! ```

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
