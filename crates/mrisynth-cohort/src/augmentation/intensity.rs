//! Contrast, bias field and noise of a sample.

use keyed_random::Key;

use super::Augmentation;
use crate::preparation::Prepared;

const ORDER: usize = 3;
/// The terms `xⁱ yʲ zᵏ` with 1 ≤ i + j + k ≤ 3.
pub(super) const N_TERMS: usize = 19;
/// Voxels that noise is drawn for at a time.
const CHUNK: usize = 1 << 12;

/// Changes every channel within its own range; one that is constant stays as it is.
pub(super) fn apply(drawn: &Augmentation, key: Key, sample: &mut Prepared) {
    if drawn.gamma.is_none() && drawn.bias.is_none() && drawn.noise.is_none() {
        return;
    }
    let shape = sample.geometry.shape();
    let channels = sample.images.chunks_exact_mut(sample.geometry.n_voxels());
    for (c, channel) in channels.enumerate() {
        let start = (f32::INFINITY, f32::NEG_INFINITY);
        let (low, high) = channel.iter().fold(start, |(l, h), &v| (l.min(v), h.max(v)));
        let range = high - low;
        if !(range > 0.0 && range.is_finite()) {
            continue;
        }
        let of = |values: &Option<Vec<f64>>| values.as_ref().and_then(|v| v.get(c).copied());
        if let Some(gamma) = of(&drawn.gamma) {
            let gamma = gamma as f32;
            channel.iter_mut().for_each(|v| *v = low + range * ((*v - low) / range).powf(gamma));
        }
        if let Some(terms) = drawn.bias.as_ref().and_then(|bias| bias.get(c)) {
            multiply_by_field(channel, shape, low, terms);
        }
        if let Some(std) = of(&drawn.noise) {
            let key = key.with("noise of voxels").with_index(c as u64);
            add_noise(channel, key, std as f32 * range);
        }
        channel.iter_mut().for_each(|v| *v = v.clamp(low, high));
    }
}

fn add_noise(channel: &mut [f32], key: Key, std: f32) {
    let mut noise = [0.0_f32; CHUNK];
    for (chunk, voxels) in channel.chunks_mut(CHUNK).enumerate() {
        let noise = &mut noise[..voxels.len()];
        key.fill_normal_at((chunk * CHUNK) as u64, noise);
        voxels.iter_mut().zip(noise).for_each(|(v, n)| *v += std * *n);
    }
}

/// `v ↦ low + (v − low) · exp(Σ c_ijk xⁱ yʲ zᵏ)`, coordinates from −1 to 1 along each axis.
fn multiply_by_field(channel: &mut [f32], [nx, ny, nz]: [usize; 3], low: f32, terms: &[f64]) {
    let at = |i: usize, n: usize| if n > 1 { 2.0 * i as f64 / (n - 1) as f64 - 1.0 } else { 0.0 };
    for (row, voxels) in channel.chunks_exact_mut(nz).enumerate() {
        let (x, y) = (at(row / ny, nx), at(row % ny, ny));
        // A polynomial in z along this row.
        let mut in_z = [0.0_f64; ORDER + 1];
        let mut terms = terms.iter();
        for i in 0..=ORDER {
            for j in 0..=ORDER - i {
                for k in 0..=ORDER - i - j {
                    if i + j + k > 0 {
                        let c = terms.next().copied().unwrap_or_default();
                        in_z[k] += c * x.powi(i as i32) * y.powi(j as i32);
                    }
                }
            }
        }
        for (z, v) in voxels.iter_mut().enumerate() {
            let z = at(z, nz);
            let log = in_z[0] + z * (in_z[1] + z * (in_z[2] + z * in_z[3]));
            *v = low + (*v - low) * (log as f32).exp();
        }
    }
}
