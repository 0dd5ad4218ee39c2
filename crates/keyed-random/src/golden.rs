//! Bits and texts that `tests/golden.py`, an implementation in Python, gives too.
//!
//! Whatever changes one of these breaks every run that was ever recorded.

use std::num::NonZero;

use sha2::{Digest, Sha256};

use crate::normal::box_muller;
use crate::{Key, Tier};

mod values;
use values::*;

fn key() -> Key {
    Key::new(42).with("golden")
}

fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_are_golden() {
    let noise = Key::new(42).with("training noise");
    let long = "a label that is longer than one block of SHA-256, whatever went before it";
    let keys = [
        Key::new(0),
        Key::new(u64::MAX),
        noise,
        noise.with("sub-01").with_index(1200),
        Key::new(42).with("").with_index(0),
        Key::new(42).with("naïve étude"),
        Key::new(42).with(long),
    ];
    assert_eq!(keys.map(|key| key.to_string()), KEYS);
}

#[test]
fn blocks_are_golden() {
    assert_eq!([0, 1, 1 << 32, 1 << 63, u64::MAX].map(|position| key().block(position)), BLOCKS);
}

#[test]
fn elements_are_golden() {
    let at = |place| key().stream_at(place);
    assert_eq!(PLACES.map(|place| at(place).next_u64()), WORDS);
    assert_eq!(PLACES.map(|place| at(place).uniform_f64().to_bits()), UNIFORM_F64);
    assert_eq!(PLACES.map(|place| at(place).uniform_f32().to_bits()), UNIFORM_F32);
    assert_eq!(PLACES.map(|place| at(place).normal_f64().to_bits()), NORMAL_F64);
    assert_eq!(PLACES.map(|place| at(place).normal_f32().to_bits()), NORMAL_F32);
}

/// Three runs of eight consecutive elements: from the front, far off, and across the wrap at 2⁶⁴.
#[test]
fn fills_are_golden() {
    for run in 0..3 {
        let these = 8 * run..8 * (run + 1);
        let start = PLACES[these.start];
        let (mut wide, mut narrow) = ([0.0_f64; 8], [0.0_f32; 8]);
        key().fill_uniform_at(start, &mut wide);
        key().fill_uniform_at(start, &mut narrow);
        assert_eq!(wide.map(f64::to_bits), UNIFORM_F64[these.clone()]);
        assert_eq!(narrow.map(f32::to_bits), UNIFORM_F32[these.clone()]);
        key().fill_normal_at(start, &mut wide);
        key().fill_normal_at(start, &mut narrow);
        assert_eq!(wide.map(f64::to_bits), NORMAL_F64[these.clone()]);
        assert_eq!(narrow.map(f32::to_bits), NORMAL_F32[these]);
    }
}

#[test]
fn long_fills_are_golden_on_every_tier() {
    let (mut wide, mut narrow) = (vec![0.0_f64; 1 << 16], vec![0.0_f32; 1 << 16]);
    for tier in Tier::available() {
        key().fill_normal_on(tier, 0, &mut wide);
        key().fill_normal_on(tier, 0, &mut narrow);
        let bytes: Vec<u8> = wide.iter().flat_map(|z| z.to_le_bytes()).collect();
        assert_eq!(fingerprint(&bytes), NORMALS_F64, "{tier:?}");
        let bytes: Vec<u8> = narrow.iter().flat_map(|z| z.to_le_bytes()).collect();
        assert_eq!(fingerprint(&bytes), NORMALS_F32, "{tier:?}");
    }
}

#[test]
fn the_edges_of_the_transform_are_golden() {
    let words = |a: u64, b: u64| [a & 0xFFFF_FFFF, a >> 32, b & 0xFFFF_FFFF, b >> 32];
    let pairs = EDGES.iter().flat_map(|&a| EDGES.map(|b| box_muller(words(a, b))));
    let bytes: Vec<u8> = pairs.flatten().flat_map(f64::to_le_bytes).collect();
    assert_eq!(fingerprint(&bytes), EDGE_PAIRS);
}

#[test]
fn choices_are_golden() {
    let six = NonZero::new(6).unwrap();
    let mut stream = key().stream();
    assert_eq!([(); 16].map(|()| stream.below(six)), BELOW_6);

    let over_half = NonZero::new((1 << 63) + 1).unwrap();
    let mut stream = key().stream();
    assert_eq!([(); 8].map(|()| stream.below(over_half)), BELOW_HALF);
    assert_eq!(stream.position(), BELOW_HALF_END);

    let mut stream = key().with("range").stream();
    assert_eq!([(); 12].map(|()| stream.range(-5..=5)), RANGE.map(Some));
    assert_eq!(key().stream().permutation(12), PERMUTATION);
    assert_eq!(key().stream().sample_indices(1000, 8), SAMPLE);
}
