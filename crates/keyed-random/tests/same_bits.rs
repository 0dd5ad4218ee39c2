//! The same key gives the same bits on every tier, in any order, from any thread.

use std::num::NonZero;
use std::thread;

use keyed_random::{Key, Tier};

fn key() -> Key {
    Key::new(2024).with("same bits").with_index(5)
}

fn bits_f32(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn bits_f64(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Both laws in both widths on one tier, as bits.
fn everything(tier: Tier, start: u64, length: usize) -> [Vec<u64>; 4] {
    let (mut wide, mut narrow) = (vec![f64::NAN; length], vec![f32::NAN; length]);
    let widen = |values: &[f32]| bits_f32(values).into_iter().map(u64::from).collect();
    key().fill_normal_on(tier, start, &mut wide);
    let normal = bits_f64(&wide);
    key().fill_uniform_on(tier, start, &mut wide);
    let uniform = bits_f64(&wide);
    key().fill_normal_on(tier, start, &mut narrow);
    let normal_f32 = widen(&narrow);
    key().fill_uniform_on(tier, start, &mut narrow);
    [normal, uniform, normal_f32, widen(&narrow)]
}

#[test]
fn the_baseline_is_always_there_and_the_widest_tier_is_the_last() {
    assert_eq!(Tier::available().next(), Some(Tier::Baseline));
    assert_eq!(Tier::available().last(), Some(Tier::widest()));
}

#[test]
fn every_tier_gives_the_same_bits() {
    let length = 200_001;
    let baseline = everything(Tier::Baseline, 3, length);
    for tier in Tier::available().skip(1) {
        assert!(everything(tier, 3, length) == baseline, "{tier:?} differs from the baseline");
    }
}

#[test]
fn every_shard_gives_the_bits_of_the_whole_on_every_tier() {
    let whole = everything(Tier::Baseline, 0, 160);
    for tier in Tier::available() {
        for start in 0..70 {
            for length in 0..70 {
                let shard = everything(tier, start as u64, length);
                for (part, all) in shard.iter().zip(&whole) {
                    assert_eq!(part, &all[start..start + length], "{tier:?} {start} {length}");
                }
            }
        }
    }
}

#[test]
fn a_fill_is_the_stream_of_the_same_draws() {
    let (mut wide, mut narrow) = ([0.0_f64; 101], [0.0_f32; 101]);
    let start = u64::MAX - 50; // indices count modulo 2⁶⁴
    let stream = || key().stream_at(start);

    let mut draws = stream();
    key().fill_normal_at(start, &mut wide);
    assert_eq!(bits_f64(&wide), [(); 101].map(|()| draws.normal_f64().to_bits()));
    assert_eq!(draws.position(), 50);
    let mut draws = stream();
    key().fill_normal_at(start, &mut narrow);
    assert_eq!(bits_f32(&narrow), [(); 101].map(|()| draws.normal_f32().to_bits()));
    let mut draws = stream();
    key().fill_uniform_at(start, &mut wide);
    assert_eq!(bits_f64(&wide), [(); 101].map(|()| draws.uniform_f64().to_bits()));
    let mut draws = stream();
    key().fill_uniform_at(start, &mut narrow);
    assert_eq!(bits_f32(&narrow), [(); 101].map(|()| draws.uniform_f32().to_bits()));

    let (mut one, mut other) = (stream(), stream());
    one.fill_normal(&mut wide);
    let mut parts = [0.0_f64; 101];
    let (front, back) = parts.split_at_mut(33);
    other.fill_normal(front);
    other.fill_normal(back);
    assert_eq!((bits_f64(&wide), one), (bits_f64(&parts), other));
}

#[test]
fn the_narrow_numbers_are_the_wide_ones_cut_or_rounded() {
    let (mut wide, mut narrow) = (vec![0.0_f64; 10_000], vec![0.0_f32; 10_000]);
    key().fill_normal(&mut wide);
    key().fill_normal(&mut narrow);
    assert!(wide.iter().zip(&narrow).all(|(&wide, &narrow)| wide as f32 == narrow));
    key().fill_uniform(&mut wide);
    key().fill_uniform(&mut narrow);
    let cut = |value: f64| (value * 2_f64.powi(24)).floor() / 2_f64.powi(24);
    assert!(wide.iter().zip(&narrow).all(|(&wide, &narrow)| cut(wide) == f64::from(narrow)));
}

#[test]
fn threads_and_their_order_change_nothing() {
    let mut whole = vec![0.0_f32; 100_000];
    key().fill_normal(&mut whole);
    for threads in [1, 2, 3, 7] {
        let mut shards = vec![0.0_f32; whole.len()];
        let length = whole.len().div_ceil(threads);
        thread::scope(|scope| {
            // The last shard is started first.
            for (index, shard) in shards.chunks_mut(length).enumerate().rev() {
                scope.spawn(move || key().fill_normal_at((index * length) as u64, shard));
            }
        });
        assert!(bits_f32(&shards) == bits_f32(&whole), "{threads} threads");
    }
}

#[test]
fn a_stream_goes_on_from_where_it_was_saved() {
    let mut stream = key().stream();
    let bound = NonZero::new((1 << 63) + 1).unwrap(); // refuses every second word
    for _ in 0..100 {
        let (saved_key, saved_position) = (stream.key().to_string(), stream.position());
        let drawn = (stream.below(bound), stream.bool(0.3), stream.normal_f32(), stream.next_u32());
        let mut again = saved_key.parse::<Key>().unwrap().stream_at(saved_position);
        let redrawn = (again.below(bound), again.bool(0.3), again.normal_f32(), again.next_u32());
        assert_eq!((drawn, stream.position()), (redrawn, again.position()));
    }
}

#[test]
fn an_empty_fill_moves_nothing() {
    let mut stream = key().stream_at(7);
    stream.fill_normal::<f32>(&mut []);
    stream.fill_uniform::<f64>(&mut []);
    assert_eq!(stream.position(), 7);
}
