//! Our results beside those of nibabel, SciPy and SimpleITK: one case per committed fixture.
//!
//! `tests/fixtures/README.md` says how the goldens were made.

mod close;
mod golden;

mod affine;
mod intensity;
mod labels;
mod reading;
mod resampling;
