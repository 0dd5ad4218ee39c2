//! The mean of every channel over all voxels of an item.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Voxels per partial sum: part of the result's definition, so that threads cannot change it.
const VOXELS: usize = 1024;

/// `y[n, c] = mean of x[n, :, c]`, summed in f64 within chunks of fixed size.
pub(crate) fn global_mean<T: Element>(tier: Tier, channels: usize, x: &[T], y: &mut [T]) {
    let item = x.len() / (y.len() / channels);
    let voxels = item / channels;
    let items = x.par_chunks(item).zip(y.par_chunks_mut(channels));
    items.for_each(|(x, y)| {
        let partials: Vec<Vec<f64>> = x
            .par_chunks(VOXELS * channels)
            .map(|x| {
                let mut sums = vec![0.0; channels];
                tier.run(ChannelSums { x, sums: &mut sums });
                sums
            })
            .collect();
        for (channel, y) in y.iter_mut().enumerate() {
            let sum: f64 = partials.iter().map(|partial| partial[channel]).sum();
            *y = T::store(T::Real::from_f64(sum / voxels as f64));
        }
    });
}

struct ChannelSums<'a, T> {
    x: &'a [T],
    sums: &'a mut [f64],
}

impl<T: Element> Kernel for ChannelSums<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for voxel in self.x.chunks_exact(self.sums.len()) {
            for (sum, x) in self.sums.iter_mut().zip(voxel) {
                *sum += x.load().to_f64();
            }
        }
    }
}
