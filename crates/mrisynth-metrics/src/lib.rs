//! How good synthetic volumes are, how well a segmentation fits, and how sure that number is.
//!
//! Every result is a [`Record`]: a value under the name that papers use, its interval, how many
//! scans are behind it, and all settings that it depends on, so that two numbers can be compared
//! or seen to be incomparable. [`Results`] writes records as JSON and as a Markdown table.
//!
//! - [`image`]: two images voxel by voxel. [`diversity`]: how alike the volumes of a set are.
//! - [`segmentation`]: two label maps. [`regional`]: volumes of structures in two sets.
//! - [`distribution`]: two sets, by features of their volumes, which networks in `features` make.
//!   [`privacy`]: whether a set gives away what a network was trained on.
//! - [`uncertainty`]: intervals and tests of any statistic; [`groups`]: any metric by site, sex, age
//!   band or diagnosis.
//!
//! Nothing here prints or reads a clock, and the same input and seed give the same bits for any
//! number of threads.
//!
//! ```
//! use mrisynth_metrics::segmentation::{SegmentationConfig, label_scores};
//! use mrisynth_volume::{Affine, Geometry, LabelMap};
//! let geometry = Geometry::new([8, 8, 8], Affine::from_spacing_mm([1.0, 1.0, 2.0], [0.0; 3])?)?;
//! let cube = |from: usize| {
//!     LabelMap::from_fn(geometry, |at| i32::from(at.iter().all(|i| (from..from + 4).contains(i))))
//! };
//! let scores = label_scores(&cube(2), &cube(3), &[1], &SegmentationConfig::default())?;
//! assert_eq!(scores[0].value("Dice"), Some(27.0 / 64.0));
//! assert_eq!(scores[0].value("HD"), Some(6.0_f64.sqrt())); // in millimetres
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod record;

pub mod diversity;
pub mod image;
pub mod regional;
pub mod segmentation;

pub mod distribution;
#[cfg(feature = "features")]
pub mod features;
pub mod privacy;

pub mod groups;
pub mod uncertainty;

mod finite;
mod grid;
mod sample_moments;

mod error;

pub use error::{Error, Result};
pub use record::{Record, Results, Settings};
