//! Exact order statistics of `f32` by radix selection, in two parallel passes and constant memory.
//!
//! # Source
//! Interpolation between order statistics as `numpy.percentile` with `method="linear"`, in `f64`.

use rayon::prelude::*;

/// Voxels that one task counts before its histogram is handed on.
const CHUNK: usize = 1 << 17;

/// Bins of a histogram over half of the bits of a key.
const BINS: usize = 1 << 16;

/// The percentiles of the finite selected voxels, or `None` when there are none.
pub(super) fn percentiles(
    voxels: &[f32],
    selected: impl Fn(usize, f32) -> bool + Sync,
    percents: &[f64],
) -> Option<Vec<f64>> {
    let keys = |i: usize, v: f32| (v.is_finite() && selected(i, v)).then(|| key(v));
    let high = histogram(voxels, BINS, |i, v| keys(i, v).map(|k| (k >> 16) as usize));
    let n: u64 = high.iter().sum();
    let last = n.checked_sub(1)?;

    let mut ranks = Vec::with_capacity(2 * percents.len());
    for percent in percents {
        let below = position(*percent, last).floor() as u64;
        ranks.extend([below.min(last), (below + 1).min(last)]);
    }
    let statistics = order_statistics(voxels, keys, &high, &ranks);
    let interpolated = percents.iter().zip(statistics.chunks_exact(2)).map(|(percent, pair)| {
        let position = position(*percent, last);
        interpolate(f64::from(pair[0]), f64::from(pair[1]), position - position.floor())
    });
    Some(interpolated.collect())
}

/// The fractional rank of a percentile among `last + 1` values.
fn position(percent: f64, last: u64) -> f64 {
    percent / 100.0 * last as f64
}

/// Between `a` and `b`, from the nearer end, so that the ends come out exactly.
fn interpolate(a: f64, b: f64, t: f64) -> f64 {
    if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
}

/// The values at these ranks, given the histogram of the upper halves of the keys.
fn order_statistics(
    voxels: &[f32],
    keys: impl Fn(usize, f32) -> Option<u32> + Sync,
    high: &[u64],
    ranks: &[u64],
) -> Vec<f32> {
    let places: Vec<(usize, u64)> = ranks.iter().map(|&rank| locate(high, rank)).collect();
    let mut bins: Vec<usize> = places.iter().map(|place| place.0).collect();
    bins.sort_unstable();
    bins.dedup();
    let low = histogram(voxels, bins.len() * BINS, |i, v| {
        let k = keys(i, v)?;
        let bin = bins.binary_search(&((k >> 16) as usize)).ok()?;
        Some(bin * BINS + (k & 0xFFFF) as usize)
    });
    let value = |(bin, rank): (usize, u64)| {
        let at = bins.partition_point(|&b| b < bin) * BINS;
        let (rest, _) = locate(&low[at..at + BINS], rank);
        unkey(((bin as u32) << 16) | rest as u32)
    };
    places.into_iter().map(value).collect()
}

/// The bin that holds the value of this rank, and its rank among the values of that bin.
fn locate(histogram: &[u64], mut rank: u64) -> (usize, u64) {
    for (bin, &count) in histogram.iter().enumerate() {
        if rank < count {
            return (bin, rank);
        }
        rank -= count;
    }
    (histogram.len() - 1, 0)
}

fn histogram(
    voxels: &[f32],
    n_bins: usize,
    bin: impl Fn(usize, f32) -> Option<usize> + Sync,
) -> Vec<u64> {
    let empty = || vec![0_u64; n_bins];
    let chunks = voxels.par_chunks(CHUNK).enumerate();
    let counted = chunks.fold(empty, |mut counts, (c, chunk)| {
        for (i, &v) in chunk.iter().enumerate() {
            if let Some(bin) = bin(c * CHUNK + i, v) {
                counts[bin] += 1;
            }
        }
        counts
    });
    counted.reduce(empty, |mut a, b| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    })
}

/// An integer that orders as the float does (−0 just below 0).
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 0x8000_0000 } else { !bits }
}

fn unkey(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & 0x7FFF_FFFF } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_floats_and_come_back() {
        let floats = [f32::MIN, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, 1.0 + f32::EPSILON, f32::MAX];
        for pair in floats.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        assert!(floats.iter().all(|&v| unkey(key(v)).to_bits() == v.to_bits()));
    }

    #[test]
    fn selection_agrees_with_sorting() {
        // A multiplicative generator over all bit patterns, negative and subnormal ones included.
        let voxels: Vec<f32> = (1..300_000_u32)
            .map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)))
            .filter(|v| v.is_finite())
            .collect();
        let mut sorted = voxels.clone();
        sorted.sort_by(f32::total_cmp);
        let last = sorted.len() - 1;
        for rank in [0, 1, last / 3, last / 2, last - 1, last] {
            let percent = 100.0 * rank as f64 / last as f64;
            let found = percentiles(&voxels, |_, _| true, &[percent]).unwrap()[0];
            let expected = f64::from(sorted[rank]);
            assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found} {expected}");
        }
    }
}
