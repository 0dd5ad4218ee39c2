//! Loops that the compiler vectorises: every tier gives the same bits.

use half::bf16;
use keyed_random::Key;

use super::axis_map::AxisMap;
use super::dropout::{Mask, Unit};
use super::loss::{Absolute, Huber, Penalty, Square};
use super::max_pool::Windows;
use super::real::{Element, Real};
use super::tier::Tier;
use super::{arithmetic, dropout, global_mean, loss, max_pool, resample};

/// Numbers in (-1, 1).
fn sample<T: Element>(n: usize, name: &str) -> Vec<T> {
    let mut uniform = vec![0.0_f64; n];
    Key::new(1).with(name).fill_uniform(&mut uniform);
    uniform.iter().map(|u| T::store(T::Real::from_f64(2.0 * u - 1.0))).collect()
}

/// The bits of what a kernel leaves in `n` elements, the same on every tier.
fn same_on_every_tier<T: Element>(n: usize, kernel: impl Fn(Tier, &mut [T])) {
    let bits = |tier| {
        let mut y = T::zeros(n);
        kernel(tier, &mut y);
        y.iter().map(|y| y.load().to_f64().to_bits()).collect::<Vec<u64>>()
    };
    let portable = bits(Tier::Portable);
    assert!(portable.iter().any(|&bits| bits != 0));
    for tier in Tier::available() {
        assert_eq!(bits(tier), portable, "{tier}");
    }
}

/// Items, voxels per axis, and channels that fill no vector.
const ITEMS: usize = 2;
const SPACE: [usize; 3] = [5, 4, 7];
const CHANNELS: usize = 19;
const N: usize = ITEMS * SPACE[0] * SPACE[1] * SPACE[2] * CHANNELS;

fn check_resampling<T: Element>() {
    let x = sample::<T>(N, "x");
    let maps: [[AxisMap; 3]; 3] = [
        SPACE.map(|size| AxisMap::nearest(size, 2 * size)),
        SPACE.map(|size| AxisMap::linear(size, 2 * size + 1, size as f64 / (2 * size + 1) as f64)),
        SPACE.map(|size| AxisMap::window_mean(size, size, [3, 1, 1], false)),
    ];
    for map in maps {
        let n = ITEMS * CHANNELS * map.iter().map(AxisMap::outputs).product::<usize>();
        same_on_every_tier::<T>(n, |tier, y| resample::resample(tier, &map, CHANNELS, &x, y));
        let (back, gradient) = (map.each_ref().map(AxisMap::transposed), sample::<T>(n, "g"));
        same_on_every_tier::<T>(N, |tier, y| {
            resample::resample(tier, &back, CHANNELS, &gradient, y);
        });
    }
}

fn check_max_pooling<T: Element>() {
    let x = sample::<T>(N, "x");
    let windows = Windows {
        input: SPACE,
        output: [3, 2, 4],
        kernel: [3; 3],
        stride: [2; 3],
        padding: [1; 3],
        channels: CHANNELS,
    };
    let n = ITEMS * 3 * 2 * 4 * CHANNELS;
    let upstream = sample::<T>(n, "g");
    same_on_every_tier::<T>(n, |tier, y| max_pool::forward(tier, &windows, &x, y));
    same_on_every_tier::<T>(N, |tier, y| max_pool::gradient(tier, &windows, &x, &upstream, y));
}

fn check_elementwise<T: Element>() {
    let (a, b) = (sample::<T>(N, "a"), sample::<T>(N, "b"));
    same_on_every_tier::<T>(N, |tier, y| arithmetic::add(tier, &a, &b, y));
    let factor = T::Real::from_f64(0.3);
    same_on_every_tier::<T>(N, |tier, y| arithmetic::scale(tier, factor, &a, y));
    same_on_every_tier::<T>(ITEMS * CHANNELS, |tier, y| {
        global_mean::global_mean(tier, CHANNELS, &a, y);
    });
    for unit in [Unit::Element, Unit::Channel] {
        let keys = (0..ITEMS as u64).map(|n| Key::new(3).with_index(n)).collect();
        let mask = Mask { keys, p: 0.4, unit };
        same_on_every_tier::<T>(N, |tier, y| dropout::dropout(tier, &mask, CHANNELS, &a, y));
    }
}

fn check_loss<T: Element>(penalty: impl Penalty) {
    let (a, b) = (sample::<T>(N, "a"), sample::<T>(N, "b"));
    let weights = [0.7, 1.1];
    same_on_every_tier::<f64>(1, |tier, y| y[0] = loss::mean(tier, penalty, &weights, &a, &b));
    same_on_every_tier::<T>(N, |tier, y| {
        loss::gradient(tier, penalty, &weights, -3.0, [&a, &b], y);
    });
}

fn check_all<T: Element>() {
    check_resampling::<T>();
    check_max_pooling::<T>();
    check_elementwise::<T>();
    check_loss::<T>(Square);
    check_loss::<T>(Absolute);
    check_loss::<T>(Huber(0.5));
}

#[test]
fn every_tier_gives_the_same_bits_in_f32() {
    check_all::<f32>();
}

#[test]
fn every_tier_gives_the_same_bits_in_bf16() {
    check_all::<bf16>();
}

#[test]
fn every_tier_gives_the_same_bits_in_f64() {
    check_all::<f64>();
}
