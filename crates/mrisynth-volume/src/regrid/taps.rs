//! Which source voxels an index along one axis draws on, and with which weights.

use std::ops::Range;

use super::voxel_map::{AlignedMap, is_inside};

/// `K` successive source voxels and their weights. The indices may lie outside the axis, where it
/// is continued by [`mirrored`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Taps<const K: usize> {
    pub(super) first: i64,
    pub(super) weights: [f32; K],
}

impl<const K: usize> Taps<K> {
    /// The source index of tap `k` on an axis of `n` voxels.
    pub(super) fn index(&self, k: usize, n: usize) -> usize {
        mirrored(self.first + k as i64, n)
    }
}

/// Linear interpolation at a continuous index inside the field of view; beyond the outer voxel
/// centres it is the outer voxel.
#[inline]
pub(super) fn linear(coordinate: f64, n: usize) -> Taps<2> {
    let clamped = coordinate.clamp(0.0, n as f64 - 1.0);
    let first = clamped as i64; // truncation is floor: nothing is negative
    let t = (clamped - first as f64) as f32;
    Taps { first, weights: [1.0 - t, t] }
}

/// The four cubic B-splines that reach a continuous index inside the field of view.
#[inline]
pub(super) fn cubic(coordinate: f64, _n: usize) -> Taps<4> {
    let first = (coordinate + 2.0) as i64 - 2; // floor: nothing inside is below −1
    Taps { first: first - 1, weights: cubic_weights((coordinate - first as f64) as f32) }
}

/// The values of the cubic B-splines centred on −1, 0, 1 and 2 at `t` in [0, 1].
#[inline]
pub(super) fn cubic_weights(t: f32) -> [f32; 4] {
    const SIXTH: f32 = 1.0 / 6.0;
    let s = 1.0 - t;
    let (t2, s2) = (t * t, s * s);
    [
        SIXTH * s * s2,
        SIXTH * (4.0 - 3.0 * t2 * (2.0 - t)),
        SIXTH * (4.0 - 3.0 * s2 * (2.0 - s)),
        SIXTH * t * t2,
    ]
}

/// The index in `0..n` at which an axis continued by reflection about its outer voxel centres
/// (`d c b a b c d c b a`) has the value of `index`.
pub(super) fn mirrored(index: i64, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let n = n as i64;
    let period = 2 * n - 2;
    let within = index.rem_euclid(period);
    (if within < n { within } else { period - within }) as usize
}

/// The weighted sum of `K` values. For two it is written so that equal values give themselves.
#[inline(always)]
pub(super) fn weigh<const K: usize>(values: [f32; K], weights: [f32; K]) -> f32 {
    if K == 2 {
        return values[0] + weights[1] * (values[1] - values[0]);
    }
    let mut sum = values[0] * weights[0];
    for k in 1..K {
        sum += values[k] * weights[k];
    }
    sum
}

/// The taps of every index of a target axis that lies inside the field of view of the source.
#[derive(Debug)]
pub(super) struct AxisTaps<const K: usize> {
    pub(super) inside: Range<usize>,
    pub(super) taps: Vec<Taps<K>>,
}

impl<const K: usize> AxisTaps<K> {
    /// The taps along target axis `t`, of `target_n` voxels, on a source axis of `n` voxels.
    pub(super) fn new(
        map: &AlignedMap,
        t: usize,
        target_n: usize,
        n: usize,
        taps_at: fn(f64, usize) -> Taps<K>,
    ) -> Self {
        let mut inside = 0..0;
        let mut taps = Vec::new();
        for index in 0..target_n {
            let coordinate = map.coordinate(t, index);
            if is_inside(coordinate, n) {
                if taps.is_empty() {
                    inside.start = index;
                }
                inside.end = index + 1; // the inside is one run: the map is monotonic
                taps.push(taps_at(coordinate, n));
            }
        }
        Self { inside, taps }
    }

    /// The taps of a target index, or `None` when it lies outside.
    pub(super) fn at(&self, index: usize) -> Option<&Taps<K>> {
        self.inside.contains(&index).then(|| &self.taps[index - self.inside.start])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_repeats_with_period_2n_minus_2() {
        let line: Vec<usize> = (-5..8).map(|i| mirrored(i, 4)).collect();
        assert_eq!(line, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!([-3, -1, 0, 1, 2].map(|i| mirrored(i, 2)), [1, 1, 0, 1, 0]);
        assert_eq!([-7, 0, 5].map(|i| mirrored(i, 1)), [0, 0, 0]);
    }

    #[test]
    fn weights_are_those_of_the_closed_forms() {
        assert_eq!(linear(2.25, 5), Taps { first: 2, weights: [0.75, 0.25] });
        assert_eq!(linear(-0.5, 5), Taps { first: 0, weights: [1.0, 0.0] });
        assert_eq!(linear(4.5, 5), Taps { first: 4, weights: [1.0, 0.0] });
        // The cubic B-spline is 2/3 at its centre, 1/6 at ±1, and 23/48, 1/48 at ±1/2, ±3/2.
        let near = |a: [f32; 4], b: [f32; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-7);
        assert!(near(cubic(3.0, 9).weights, [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0, 0.0]));
        let half = cubic(-0.5, 9);
        assert_eq!(half.first, -2);
        assert!(near(half.weights, [1.0 / 48.0, 23.0 / 48.0, 23.0 / 48.0, 1.0 / 48.0]));
    }

    #[test]
    fn cubic_weights_sum_to_one_and_reproduce_position() {
        for step in 0..=100 {
            let t = step as f32 / 100.0;
            let weights = cubic_weights(t);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 2e-7, "{t}");
            let position: f32 = weights.iter().zip([-1.0, 0.0, 1.0, 2.0]).map(|(w, x)| w * x).sum();
            assert!((position - t).abs() < 2e-7, "{t}");
        }
    }
}
