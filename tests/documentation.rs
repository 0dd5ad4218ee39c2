//! The pages of `docs/` and the READMEs: their Rust programs are compiled and run by
//! `cargo test -p mrisynth-tests --doc`.

#![cfg(doctest)]

/// The README of a crate.
macro_rules! readme {
    ($module:ident, $file:literal) => {
        #[doc = include_str!($file)]
        mod $module {}
    };
}

readme!(root, "../README.md");
readme!(crates_page, "../docs/crates.md");
readme!(candle_nn3d, "../crates/candle-nn3d/README.md");
readme!(durable_file, "../crates/durable-file/README.md");
readme!(keyed_random, "../crates/keyed-random/README.md");
readme!(cohort, "../crates/mrisynth-cohort/README.md");
readme!(conditioning, "../crates/mrisynth-conditioning/README.md");
readme!(diffusion, "../crates/mrisynth-diffusion/README.md");
readme!(metrics, "../crates/mrisynth-metrics/README.md");
readme!(phantom, "../crates/mrisynth-phantom/README.md");
readme!(pipeline, "../crates/mrisynth-pipeline/README.md");
readme!(report, "../crates/mrisynth-report/README.md");
readme!(schedulers, "../crates/mrisynth-schedulers/README.md");
readme!(segmentation, "../crates/mrisynth-segmentation/README.md");
readme!(training, "../crates/mrisynth-training/README.md");
readme!(unet, "../crates/mrisynth-unet/README.md");
readme!(volume, "../crates/mrisynth-volume/README.md");
