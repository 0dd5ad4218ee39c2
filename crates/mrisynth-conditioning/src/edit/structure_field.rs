//! Velocity fields that make one structure grow.

use mrisynth_volume::{Geometry, LabelMap, Regrid, Resampling, Volume};
use rayon::prelude::*;

use super::poisson;
use crate::error::Result;

/// How far away volume is exchanged: the standard deviation of a Gaussian around the structure.
const REACH_MM: f64 = 8.0;
/// The width of the rim of the box in which the field fades to nothing.
const FADE_MM: f64 = 8.0;

/// A velocity field of divergence 1 inside a structure and, on the whole, of as much convergence in
/// what yields around it. Everywhere else it is free of divergence: what is there moves, and keeps
/// its volume.
///
/// v = ∇φ with ∇²φ = s − w · Σs / Σw, where s is the structure and w what yields, weighted by a
/// Gaussian around s.
pub(super) struct StructureField {
    pub(super) velocity_mm: Vec<[f32; 3]>,
}

impl StructureField {
    /// `structure` and `yielding` are maps of 0 and 1; `grid` is coarser. `None` when nothing near
    /// the structure yields.
    pub(super) fn new(
        structure: &LabelMap,
        yielding: &LabelMap,
        grid: &Geometry,
    ) -> Result<Option<Self>> {
        let coarse = |map: &LabelMap| -> Result<Vec<f32>> {
            let regrid = Regrid::new(*map.geometry(), *grid)?;
            let antialias = Resampling { antialias: true, ..Resampling::default() };
            Ok(regrid.apply(&map.map(|&v| v as f32), &antialias)?.into_voxels())
        };
        let (mut source, yielding) = (coarse(structure)?, coarse(yielding)?);
        let (shape, spacing_mm) = (grid.shape(), grid.spacing_mm());
        let nearness = blurred(&source, shape, spacing_mm.map(|h| REACH_MM / h));
        let sink: Vec<f32> = nearness.iter().zip(&yielding).map(|(n, y)| n * y).collect();
        let total = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>();
        // Squared, so that voxels which the structure shares with its neighbours count less: a thin
        // ventricle would else shrink with the hippocampus that it lies on.
        source.iter_mut().for_each(|s| *s *= *s);
        let balance = total(&source) / total(&sink);
        if !balance.is_finite() {
            return Ok(None);
        }
        source.iter_mut().zip(&sink).for_each(|(s, w)| *s -= (f64::from(*w) * balance) as f32);
        let potential = Volume::new(poisson::solve(&source, shape, spacing_mm), *grid)?;
        Ok(Some(Self { velocity_mm: gradient(&potential) }))
    }
}

/// Blurred by repeated (1, 2, 1) / 4, each of which adds half a voxel² of variance; mirrored at the
/// border.
fn blurred(values: &[f32], shape: [usize; 3], sigma: [f64; 3]) -> Vec<f32> {
    let mut values = values.to_vec();
    let strides = [1, shape[0], shape[0] * shape[1]];
    for axis in 0..3 {
        let (n, stride) = (shape[axis], strides[axis]);
        for _ in 0..(2.0 * sigma[axis] * sigma[axis]).round() as usize {
            let old = values.clone();
            values.par_iter_mut().enumerate().for_each(|(index, value)| {
                let i = index / stride % n;
                let low = if i > 0 { old[index - stride] } else { old[index] };
                let high = if i + 1 < n { old[index + stride] } else { old[index] };
                *value = 0.25 * (low + 2.0 * old[index] + high);
            });
        }
    }
    values
}

/// ∇φ in world millimetres, by central differences, faded out towards the border.
fn gradient(potential: &Volume) -> Vec<[f32; 3]> {
    let (geometry, phi) = (potential.geometry(), potential.voxels());
    let (shape, spacing_mm) = (geometry.shape(), geometry.spacing_mm());
    // World gradients are voxel gradients times the inverse of the affine, transposed.
    let to_voxel = geometry.world_to_voxel().rows();
    let strides = [1, shape[0], shape[0] * shape[1]];
    let at = |index: usize| {
        let voxel = [0, 1, 2].map(|a| index / strides[a] % shape[a]);
        let mut difference = [0.0_f64; 3];
        let mut fade = 1.0;
        for a in 0..3 {
            let low = if voxel[a] > 0 { index - strides[a] } else { index };
            let high = if voxel[a] + 1 < shape[a] { index + strides[a] } else { index };
            difference[a] = 0.5 * f64::from(phi[high] - phi[low]);
            let rim = voxel[a].min(shape[a] - 1 - voxel[a]) as f64 * spacing_mm[a];
            let t = (rim / FADE_MM).min(1.0);
            fade *= t * t * (3.0 - 2.0 * t);
        }
        [0, 1, 2]
            .map(|r| (fade * (0..3).map(|a| difference[a] * to_voxel[a][r]).sum::<f64>()) as f32)
    };
    (0..phi.len()).into_par_iter().map(at).collect()
}
