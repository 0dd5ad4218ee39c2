//! The prefilter of cubic B-spline interpolation: from samples to spline coefficients.
//!
//! # Source
//! M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing
//! Magazine 16(6), 1999, box 2: a causal and an anticausal recursion with the pole √3 − 2 along
//! each axis. The axis is continued by reflection about its outer voxel centres, as in SciPy's
//! `mode='mirror'` and in ITK, and the recursions start exactly there, on axes of any length.

use super::Shape;
use super::slab::sweep;

/// The pole of the cubic B-spline's inverse, √3 − 2.
const POLE: f64 = -0.267_949_192_431_122_7;

/// The gain that makes the filter pass constants, (1 − z)(1 − 1/z) = 6.
const GAIN: f32 = 6.0;

/// Weights below this part of the largest are left out of the start of the causal recursion.
const NEGLIGIBLE: f64 = 1e-12;

/// Turns samples into the coefficients of the cubic B-spline that passes through them, in place.
pub(super) fn prefilter(voxels: &mut [f32], shape: Shape) {
    let starts = shape.map(causal_start);
    // An axis of one voxel is constant: its coefficient is its sample.
    sweep(voxels, shape, shape.map(|n| n > 1), |axis, lines| filter(lines, &starts[axis]));
}

/// The weights of the samples in the first value of the causal recursion on an axis of `n` voxels:
/// the geometric series of the pole over the reflected axis, summed in closed form.
fn causal_start(n: usize) -> Vec<f32> {
    if n == 1 {
        return vec![1.0];
    }
    let period = 2.0 * n as f64 - 2.0;
    let whole = 1.0 - POLE.powf(period); // even, so the power of a negative number is real
    let weight = |k: usize| {
        let k_f = k as f64;
        let there = POLE.powi(k.min(1 << 20) as i32);
        let back = if k == 0 || k + 1 == n { 0.0 } else { POLE.powf(period - k_f) };
        (there + back) / whole
    };
    (0..n).map(weight).take_while(|w| w.abs() > NEGLIGIBLE).map(|w| w as f32).collect()
}

/// Filters a bundle of lines: entry `i` holds sample `i` of each.
fn filter(lines: &mut [&mut [f32]], start: &[f32]) {
    let z = POLE as f32;
    let last_gain = (POLE / (POLE * POLE - 1.0)) as f32;
    start_causal(lines, start);
    for i in 1..lines.len() {
        let (before, after) = lines.split_at_mut(i);
        for (c, previous) in after[0].iter_mut().zip(before[i - 1].iter()) {
            *c = GAIN * *c + z * previous;
        }
    }
    let Some((last, before)) = lines.split_last_mut() else { return };
    if let Some(previous) = before.last() {
        for (c, previous) in last.iter_mut().zip(previous.iter()) {
            *c = last_gain * (*c + z * previous);
        }
    }
    for i in (0..lines.len() - 1).rev() {
        let (before, after) = lines.split_at_mut(i + 1);
        for (c, next) in before[i].iter_mut().zip(after[0].iter()) {
            *c = z * (next - *c);
        }
    }
}

/// Replaces the first entry by the first value of the causal recursion.
fn start_causal(lines: &mut [&mut [f32]], start: &[f32]) {
    let Some((first, rest)) = lines.split_first_mut() else { return };
    first.iter_mut().for_each(|c| *c *= GAIN * start[0]);
    for (line, weight) in rest.iter().zip(&start[1..]) {
        let weight = GAIN * weight;
        first.iter_mut().zip(line.iter()).for_each(|(c, s)| *c += weight * s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regrid::taps::mirrored;

    fn coefficients_of(samples: &[f32]) -> Vec<f32> {
        let mut voxels = samples.to_vec();
        prefilter(&mut voxels, [samples.len(), 1, 1]);
        voxels
    }

    #[test]
    fn the_spline_passes_through_its_samples_on_axes_of_any_length() {
        for n in [1, 2, 3, 4, 5, 23, 24, 25, 100] {
            let samples: Vec<f32> = (0..n).map(|i| ((i * 37 + 11) % 101) as f32).collect();
            let c = coefficients_of(&samples);
            for i in 0..n {
                let at = |offset: i64| c[mirrored(i as i64 + offset, n)];
                let value = (at(-1) + 4.0 * at(0) + at(1)) / 6.0;
                assert!((value - samples[i]).abs() < 2e-5, "{n}: {value} {}", samples[i]);
            }
        }
    }

    #[test]
    fn coefficients_of_a_constant_are_the_constant() {
        for n in [1, 2, 3, 50] {
            assert!(coefficients_of(&vec![7.0; n]).iter().all(|c| (c - 7.0).abs() < 2e-6), "{n}");
        }
    }

    #[test]
    fn the_impulse_response_is_the_closed_form() {
        // Far from the ends: −6z/(1 − z²) · z^|k| = √3 · z^|k|.
        let mut samples = vec![0.0; 81];
        samples[40] = 1.0;
        let c = coefficients_of(&samples);
        for k in 0..=20_i32 {
            let expected = 3_f64.sqrt() * POLE.powi(k);
            for i in [40 - k, 40 + k] {
                assert!((f64::from(c[i as usize]) - expected).abs() < 5e-7, "{i}");
            }
        }
    }
}
