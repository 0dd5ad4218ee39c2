//! From the matter in each voxel to an image: signals, partial volume, texture, blur, bias, noise.
//!
//! # Source
//! Partial volume and Rician noise as in BrainWeb (Kwan et al., IEEE TMI 1999) and Gudbjartsson and
//! Patz, MRM 1995: the magnitude of a complex number with independent normal noise in both parts.

use keyed_random::Key;
use mrisynth_volume::{Geometry, Volume};
use rayon::prelude::*;

use crate::error::Result;
use crate::lattice::Lattice;
use crate::random_waves::RandomWaves;
use crate::scanner::Scanner;
use crate::scene::{SAMPLES, Sampled};

/// The full width at half maximum of a Gaussian, in standard deviations.
const FWHM_OF_SIGMA: f64 = 2.354_820_045;

/// How brightly a class of matter shines, and how unevenly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brightness {
    /// In units of white matter; negative before the null of an inversion recovery.
    pub(crate) signal: f32,
    /// The standard deviation in space, as a part of the signal.
    pub(crate) unevenness: f32,
}

/// The keys to what is random: the texture is the subject's, bias and noise are the image's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageKeys {
    pub(crate) texture: Key,
    pub(crate) image: Key,
}

/// The image of sampled matter, in whole numbers as scanners write them.
pub(crate) fn form_image(
    sampled: &Sampled,
    brightness: &[Brightness],
    scanner: &Scanner,
    keys: ImageKeys,
) -> Result<Volume> {
    let geometry = *sampled.labels.geometry();
    let mut signals = signals(sampled, brightness, keys.texture);
    for axis in 0..3 {
        blur(&mut signals, geometry.shape(), axis, scanner.blur_voxels);
    }
    let slice_voxels = scanner.slice_mm / FWHM_OF_SIGMA / geometry.spacing_mm()[2];
    blur(&mut signals, geometry.shape(), 2, slice_voxels);
    spoil(&mut signals, &geometry, scanner, keys.image);
    Ok(Volume::new(signals, geometry)?)
}

/// The mean of the eighths, with the texture of the matter.
fn signals(sampled: &Sampled, brightness: &[Brightness], key: Key) -> Vec<f32> {
    let geometry = sampled.labels.geometry();
    let [nx, ny, _] = geometry.shape();
    let fine = RandomWaves::new(key.with("fine"), 2, [5.0, 12.0]);
    let coarse = RandomWaves::new(key.with("coarse"), 2, [15.0, 45.0]);
    // Every class has a table entry; matter that has none would be dark.
    let dark = Brightness { signal: 0.0, unevenness: 0.0 };
    let of = |class: u8| brightness.get(usize::from(class)).copied().unwrap_or(dark);
    let mut signals = vec![0.0_f32; geometry.n_voxels()];
    signals.par_chunks_mut(nx).enumerate().for_each(|(row, signals)| {
        let (y, z) = ((row % ny) as f64, (row / ny) as f64);
        for (x, signal) in signals.iter_mut().enumerate() {
            let classes = &sampled.classes[row * nx + x];
            let (mut sum, mut uneven) = (0.0, 0.0);
            for &class in classes {
                let Brightness { signal, unevenness } = of(class);
                sum += signal;
                uneven += signal * unevenness;
            }
            if uneven != 0.0 {
                let at = geometry.voxel_to_world().apply([x as f64, y, z]).map(|v| v as f32);
                sum += uneven * (0.6 * fine.at(at) + 0.8 * coarse.at(at));
            }
            *signal = sum / SAMPLES as f32;
        }
    });
    signals
}

/// Convolves one axis with a Gaussian, edges repeated.
fn blur(voxels: &mut Vec<f32>, shape: [usize; 3], axis: usize, sigma_voxels: f64) {
    let reach = (3.0 * sigma_voxels).ceil() as usize;
    if reach == 0 || shape[axis] == 1 {
        return;
    }
    let tap = |k: usize| (-0.5 * (k as f64 / sigma_voxels).powi(2)).exp();
    let total = tap(0) + 2.0 * (1..=reach).map(tap).sum::<f64>();
    let taps: Vec<f32> = (0..=reach).map(|k| (tap(k) / total) as f32).collect();
    let [nx, ny, _] = shape;
    let stride = [1, nx, nx * ny][axis];
    let source = std::mem::take(voxels);
    let convolved = |i: usize, position: usize| {
        let mut sum = taps[0] * source[i];
        for (k, tap) in taps.iter().enumerate().skip(1) {
            let below = source[i - k.min(position) * stride];
            let above = source[i + k.min(shape[axis] - 1 - position) * stride];
            sum += tap * (below + above);
        }
        sum
    };
    let mut out = vec![0.0; source.len()];
    out.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
        for (x, out) in out.iter_mut().enumerate() {
            *out = convolved(row * nx + x, [x, row % ny, row / ny][axis]);
        }
    });
    *voxels = out;
}

/// Bias field, Rician noise and rounding.
fn spoil(signals: &mut [f32], geometry: &Geometry, scanner: &Scanner, key: Key) {
    let [nx, ny, nz] = geometry.shape();
    let waves = RandomWaves::new(key.with("bias"), 2, [140.0, 320.0]);
    let bias = scanner.bias as f32;
    // The coil's field, tabulated over the middle of the world, where heads are.
    let centre = geometry.centre_mm().map(|c| c as f32);
    let half = [nx, ny, nz].into_iter().zip(geometry.spacing_mm());
    let half = half.map(|(n, s)| 0.5 * n as f64 * s).fold(20.0, f64::max).min(400.0) as f32;
    let field = Lattice::of(centre.map(|c| c - half), centre.map(|c| c + half), half / 12.0, |p| {
        [(bias * waves.at(p)).exp()]
    });
    let (noise, level) = (scanner.noise as f32, scanner.white_level as f32);
    let noise_key = key.with("noise");
    signals.par_chunks_mut(nx).enumerate().for_each(|(row, signals)| {
        let mut normals = vec![0.0_f32; 2 * nx];
        noise_key.fill_normal_at(2 * (row * nx) as u64, &mut normals);
        let (y, z) = ((row % ny) as f64, (row / ny) as f64);
        for (x, (signal, pair)) in signals.iter_mut().zip(normals.chunks_exact(2)).enumerate() {
            let at = geometry.voxel_to_world().apply([x as f64, y, z]).map(|v| v as f32);
            let clean = *signal * field.at(at)[0];
            let (real, imaginary) = (clean + noise * pair[0], noise * pair[1]);
            *signal = (level * (real * real + imaginary * imaginary).sqrt()).round();
        }
    });
}
