//! The Gaussian that takes away, before shrinking, what the coarser grid cannot hold.
//!
//! # Source
//! M. J. Cardoso et al., "Scale factor point spread function matching: beyond aliasing in image
//! resampling", MICCAI 2015; also the rule of TorchIO's `Resample`. A voxel is taken for a Gaussian
//! whose full width at half maximum is the voxel size. The blur is what turns the narrower into the
//! wider: variances add, so along a source axis σ² = (f² − 1) / (8 ln 2) voxels², `f` the extent of
//! a target voxel in source voxels. scikit-image uses σ = (f − 1) / 2 instead, which blurs less for
//! f below 6.2 and more above.

use super::Shape;
use super::slab::sweep;
use super::taps::mirrored;
use crate::affine::Affine;

/// Where the kernel is cut off, in standard deviations; SciPy's `truncate`.
const TRUNCATE: f64 = 4.0;

/// The standard deviations of the blur along the three source axes, in source voxels; 0 where the
/// target is not coarser.
///
/// The extent `f` of a target voxel along a source axis is the length of that row of the map, which
/// is the ratio of spacings for aligned axes and the square root of the diagonal of the target
/// voxel's covariance (the paper's M Mᵀ) for oblique ones.
pub(super) fn standard_deviations(target_to_source: &Affine, source_shape: Shape) -> [f64; 3] {
    let rows = target_to_source.rows();
    [0, 1, 2].map(|s| {
        let f_squared: f64 = rows[s][..3].iter().map(|m| m * m).sum();
        if f_squared.sqrt() < 1.0 + 1e-6 {
            return 0.0;
        }
        let sigma = ((f_squared - 1.0) / (8.0 * std::f64::consts::LN_2)).sqrt();
        // An axis blurred over its whole length is flat; a wider kernel only takes more time.
        sigma.min(source_shape[s] as f64)
    })
}

/// Blurs in place along each axis, continued by reflection about its outer voxel centres.
pub(crate) fn blur(voxels: &mut [f32], shape: Shape, standard_deviations: [f64; 3]) {
    let kernels = standard_deviations.map(half_kernel);
    let active = [0, 1, 2].map(|s| kernels[s].len() > 1 && shape[s] > 1);
    sweep(voxels, shape, active, |axis, lines| convolve(lines, &kernels[axis]));
}

/// The sampled Gaussian from its centre outwards, scaled so that the whole kernel sums to 1.
fn half_kernel(sigma: f64) -> Vec<f32> {
    if sigma == 0.0 {
        return vec![1.0];
    }
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    let values: Vec<f64> =
        (0..=radius).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp()).collect();
    let sum = 2.0 * values.iter().sum::<f64>() - values[0];
    values.iter().map(|value| (value / sum) as f32).collect()
}

/// Convolves a bundle of lines, entry `i` holding sample `i` of each, with a symmetric kernel.
fn convolve(lines: &mut [&mut [f32]], half_kernel: &[f32]) {
    let n = lines.len();
    let samples: Vec<Vec<f32>> = lines.iter().map(|line| line.to_vec()).collect();
    for (i, line) in lines.iter_mut().enumerate() {
        line.iter_mut().for_each(|value| *value *= half_kernel[0]);
        for (k, &weight) in (1_i64..).zip(&half_kernel[1..]) {
            let below = &samples[mirrored(i as i64 - k, n)];
            let above = &samples[mirrored(i as i64 + k, n)];
            for ((value, a), b) in line.iter_mut().zip(below).zip(above) {
                *value += weight * (a + b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(scale: [f64; 3]) -> Affine {
        Affine::from_spacing_mm(scale, [0.0; 3]).unwrap()
    }

    #[test]
    fn widths_match_the_closed_form() {
        let [x, y, z] = standard_deviations(&scaled([2.0, 1.0, 0.5]), [64; 3]);
        assert!((x - (3.0 / 5.545_177_444_479_562_f64).sqrt()).abs() < 1e-12);
        assert_eq!((y, z), (0.0, 0.0));
        // Turned by 45° the extent along either axis is the root mean square of 3 and 1.
        let (c, s) = (3.0 / 2_f64.sqrt(), 1.0 / 2_f64.sqrt());
        let turned =
            Affine::from_columns([[c, c, 0.0], [-s, s, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]).unwrap();
        let [x, y, z] = standard_deviations(&turned, [64; 3]);
        assert!((x - (4.0 / 5.545_177_444_479_562_f64).sqrt()).abs() < 1e-12 && x == y && z == 0.0);
    }

    #[test]
    fn an_impulse_keeps_its_sum_and_gets_the_variance() {
        let shape = [41, 41, 41];
        let sigmas = [0.7, 1.3, 2.0];
        let mut voxels = vec![0.0; 41 * 41 * 41];
        voxels[20 + 41 * (20 + 41 * 20)] = 1.0;
        blur(&mut voxels, shape, sigmas);
        let total: f64 = voxels.iter().map(|&v| f64::from(v)).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        for axis in 0..3 {
            let stride = [1, 41, 1681][axis];
            let squared = |i: usize| ((i / stride % 41) as f64 - 20.0).powi(2);
            let variance: f64 =
                voxels.iter().enumerate().map(|(i, &v)| squared(i) * f64::from(v)).sum();
            // Sampling and truncation at 4σ change the variance by less than 0.3 %.
            assert!((variance / sigmas[axis].powi(2) - 1.0).abs() < 3e-3, "{axis}: {variance}");
        }
    }

    #[test]
    fn a_constant_stays_constant_on_axes_of_any_length() {
        let mut voxels = vec![5.0; 2 * 50];
        blur(&mut voxels, [1, 2, 50], [9.0, 2.0, 50.0]);
        assert!(voxels.iter().all(|v| (v - 5.0).abs() < 1e-5));
    }
}
