//! What holds across modules: files there and back, places kept along a chain of steps.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod augmentation_study;
mod cohort_of_phantoms;
mod generator;
mod near_copies;
mod place_kept;
mod quickstart;
mod round_trip;
mod schemes_of_phantoms;
mod unet_training;
