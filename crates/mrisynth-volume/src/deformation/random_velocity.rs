//! Smooth random velocity fields.

use keyed_random::Key;

use super::vector_grid::VectorGrid;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::orientation::Orientation;
use crate::regrid::gaussian_blur;
use crate::volume::Volume;

/// Voxels of the field per standard deviation of the smoothing Gaussian. Linear interpolation
/// between them is then wrong by less than 1 % of the amplitude.
const VOXELS_PER_SMOOTHNESS: f64 = 4.0;

/// How far the noise reaches beyond the field, in standard deviations: as far as the Gaussian.
const MARGIN: f64 = 4.0;

/// A stationary Gaussian field on a grid as fine as its smoothness asks, in millimetres.
pub(super) fn random_velocity(
    geometry: &Geometry,
    key: &Key,
    amplitude_mm: f64,
    smoothness_mm: f64,
) -> Result<Volume<[f32; 3]>> {
    let finest_mm = geometry.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    check(amplitude_mm, smoothness_mm, finest_mm)?;
    let spacing_mm = (smoothness_mm / VOXELS_PER_SMOOTHNESS).max(finest_mm);
    // Turned to RAS+ first, so that the order in which voxels are stored changes nothing.
    let grid = geometry.reoriented(Orientation::RAS).with_spacing_mm([spacing_mm; 3])?;
    let sigma = smoothness_mm / spacing_mm;
    // ‖kernel‖² of a Gaussian, once per axis: the variance that it leaves of white noise.
    let variance = (2.0 * std::f64::consts::PI.sqrt() * sigma).powi(-3);
    let scale = (amplitude_mm / variance.sqrt()) as f32;
    let mut vectors = vec![[0.0; 3]; grid.n_voxels()];
    for axis in 0..3 {
        let smooth = smooth_noise(&key.with_index(axis as u64), grid.shape(), sigma);
        for (vector, value) in vectors.iter_mut().zip(smooth) {
            vector[axis] = value * scale;
        }
    }
    Ok(VectorGrid::new(grid, vectors).to_volume())
}

fn check(amplitude_mm: f64, smoothness_mm: f64, finest_mm: f64) -> Result<()> {
    let (field, found, expected) = if !(amplitude_mm >= 0.0 && amplitude_mm.is_finite()) {
        ("amplitude_mm", amplitude_mm, "a finite length of at least 0".to_owned())
    } else if !(smoothness_mm >= finest_mm && smoothness_mm.is_finite()) {
        let expected = format!("a finite length of at least the smallest voxel size, {finest_mm}");
        ("smoothness_mm", smoothness_mm, expected)
    } else {
        return Ok(());
    };
    Err(Error::Argument { field, found: found.to_string(), expected })
}

/// White noise blurred by a Gaussian of `sigma` voxels; made with a margin, so that the border is
/// like the middle.
fn smooth_noise(key: &Key, shape: [usize; 3], sigma: f64) -> Vec<f32> {
    let margin = (MARGIN * sigma).ceil() as usize;
    let wide = shape.map(|n| n + 2 * margin);
    let mut noise = vec![0.0_f32; wide.iter().product()];
    key.fill_normal(&mut noise);
    gaussian_blur(&mut noise, wide, [sigma; 3]);
    let mut out = Vec::with_capacity(shape.iter().product());
    for z in margin..margin + shape[2] {
        for y in margin..margin + shape[1] {
            let row = wide[0] * (y + wide[1] * z) + margin;
            out.extend_from_slice(&noise[row..row + shape[0]]);
        }
    }
    out
}
