//! `cargo +nightly fuzz run read --features libfuzzer`, after `cargo run --release --bin seeds`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = mrisynth_volume_fuzz::read(input);
});
