//! Sums over voxels, channel by channel.

use rayon::prelude::*;

use super::conv3d_reference::Float;

/// Voxels that are summed before the next level of sums: rounding grows with the square root of
/// the voxels, not with their number.
const CHUNK: usize = 512;

/// The sums of `x` `[n, voxels, c]` over `n` and voxels, in the arithmetic of `T`: chunks of voxels
/// of one item first, then chunks in their order, then items.
pub(crate) fn channel_sums<T: Float, S: Copy + Sync + Into<T>>(
    x: &[S],
    voxels: usize,
    c: usize,
) -> Vec<T> {
    let mut total = vec![T::default(); c];
    for item in x.chunks_exact(voxels * c) {
        let partial: Vec<Vec<T>> = item
            .par_chunks(CHUNK * c)
            .map(|chunk| {
                let mut sums = vec![T::default(); c];
                for voxel in chunk.chunks_exact(c) {
                    for (sum, &value) in sums.iter_mut().zip(voxel) {
                        *sum += value.into();
                    }
                }
                sums
            })
            .collect();
        let mut sums = vec![T::default(); c];
        for partial in partial {
            add(&mut sums, &partial);
        }
        add(&mut total, &sums);
    }
    total
}

fn add<T: Float>(to: &mut [T], from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_sum_exactly_whatever_the_chunks() {
        for (n, voxels, c) in [(1, 1, 1), (2, 1025, 3), (3, 7, 17)] {
            let x: Vec<f32> = (0..n * voxels * c).map(|i| (i % 11) as f32).collect();
            let got: Vec<f32> = channel_sums(&x, voxels, c);
            for (channel, got) in got.into_iter().enumerate() {
                let want: f32 = x.iter().skip(channel).step_by(c).sum();
                assert_eq!(got, want);
            }
        }
    }
}
