//! A vector of channels added to every voxel of an item, and the sums that are its gradient.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Voxels per task, and per partial sum: part of the definition of the sums, so that threads
/// cannot change them.
const VOXELS: usize = 256;

/// `y[n, :, c] = x[n, :, c] + bias[n, c]`
pub(crate) fn add<T: Element>(tier: Tier, channels: usize, x: &[T], bias: &[T], y: &mut [T]) {
    let item = x.len() / (bias.len() / channels);
    let items = x.par_chunks(item).zip(bias.par_chunks(channels)).zip(y.par_chunks_mut(item));
    items.for_each(|((x, bias), y)| {
        let chunks = x.par_chunks(VOXELS * channels).zip(y.par_chunks_mut(VOXELS * channels));
        chunks.for_each(|(x, y)| tier.run(AddBias { x, bias, y }));
    });
}

/// `y[n, c] = sum of x[n, :, c]`, in f64 and rounded once.
pub(crate) fn sums<T: Element>(tier: Tier, channels: usize, x: &[T], y: &mut [T]) {
    let item = x.len() / (y.len() / channels);
    let items = x.par_chunks(item).zip(y.par_chunks_mut(channels));
    items.for_each(|(x, y)| {
        let partials: Vec<Vec<f64>> = x
            .par_chunks(VOXELS * channels)
            .map(|x| {
                let mut sums = vec![0.0; channels];
                tier.run(Sums { x, sums: &mut sums });
                sums
            })
            .collect();
        for (channel, y) in y.iter_mut().enumerate() {
            let sum: f64 = partials.iter().map(|partial| partial[channel]).sum();
            *y = T::store(T::Real::from_f64(sum));
        }
    });
}

struct AddBias<'a, T> {
    x: &'a [T],
    bias: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for AddBias<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let channels = self.bias.len();
        let voxels = self.x.chunks_exact(channels).zip(self.y.chunks_exact_mut(channels));
        for (x, y) in voxels {
            for ((x, bias), y) in x.iter().zip(self.bias).zip(y) {
                *y = T::store(x.load() + bias.load());
            }
        }
    }
}

struct Sums<'a, T> {
    x: &'a [T],
    sums: &'a mut [f64],
}

impl<T: Element> Kernel for Sums<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for voxel in self.x.chunks_exact(self.sums.len()) {
            for (sum, x) in self.sums.iter_mut().zip(voxel) {
                *sum += x.load().to_f64();
            }
        }
    }
}
