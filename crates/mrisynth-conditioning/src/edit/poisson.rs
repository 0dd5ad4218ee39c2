//! Poisson's equation on a box, by conjugate gradients.

use rayon::prelude::*;

/// The residual, relative to the right-hand side, at which the iteration ends.
const TOLERANCE: f64 = 1e-4;
const MAX_ITERATIONS: usize = 2000;
/// Voxels summed at a time: sums are grouped alike for any number of threads.
const CHUNK: usize = 1 << 14;

/// φ with ∇²φ = `source` and no flow through the border (Neumann), by the seven-point stencil; the
/// source is taken less its mean, without which there is none. Up to a constant.
pub(super) fn solve(source: &[f32], shape: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f32> {
    let mean = sum(source, source, |a, _| a) / source.len() as f64;
    // −∇² is positive semi-definite: solve −∇²φ = −source.
    let mut residual: Vec<f32> = source.iter().map(|s| (mean - f64::from(*s)) as f32).collect();
    let mut solution = vec![0.0_f32; source.len()];
    let mut direction = residual.clone();
    let mut applied = vec![0.0_f32; source.len()];
    let weights = spacing_mm.map(|h| (1.0 / (h * h)) as f32);
    let mut squared = sum(&residual, &residual, |a, b| a * b);
    let enough = squared * TOLERANCE * TOLERANCE;
    for _ in 0..MAX_ITERATIONS {
        if squared <= enough {
            break;
        }
        minus_laplacian(&direction, shape, weights, &mut applied);
        let curvature = sum(&direction, &applied, |a, b| a * b);
        if curvature <= 0.0 {
            break;
        }
        let step = (squared / curvature) as f32;
        add(&mut solution, &direction, step);
        add(&mut residual, &applied, -step);
        let next = sum(&residual, &residual, |a, b| a * b);
        let keep = (next / squared) as f32;
        direction.par_iter_mut().zip(&residual).for_each(|(d, r)| *d = r + keep * *d);
        squared = next;
    }
    solution
}

fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64 + Sync) -> f64 {
    let chunks = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    let partial = chunks.map(|(a, b)| {
        a.iter().zip(b).map(|(&a, &b)| term(f64::from(a), f64::from(b))).sum::<f64>()
    });
    partial.collect::<Vec<f64>>().iter().sum()
}

fn add(to: &mut [f32], what: &[f32], factor: f32) {
    to.par_iter_mut().zip(what).for_each(|(t, w)| *t += factor * w);
}

/// Σ over the neighbours that exist of (x − neighbour) / h².
fn minus_laplacian(x: &[f32], shape: [usize; 3], weights: [f32; 3], out: &mut [f32]) {
    let [nx, ny, nz] = shape;
    let slice = nx * ny;
    out.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
        let (start, y, z) = (row * nx, row % ny, row / ny);
        out.fill(0.0);
        let mut from = |other: usize, weight: f32| {
            for (i, out) in out.iter_mut().enumerate() {
                *out += weight * (x[start + i] - x[other + i]);
            }
        };
        if y > 0 {
            from(start - nx, weights[1]);
        }
        if y + 1 < ny {
            from(start + nx, weights[1]);
        }
        if z > 0 {
            from(start - slice, weights[2]);
        }
        if z + 1 < nz {
            from(start + slice, weights[2]);
        }
        for i in 1..nx {
            let difference = weights[0] * (x[start + i] - x[start + i - 1]);
            out[i] += difference;
            out[i - 1] -= difference;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cosines with no slope at the border are eigenvectors of the stencil.
    #[test]
    fn a_cosine_is_divided_by_its_eigenvalue() {
        let (shape, spacing_mm) = ([12, 10, 14], [1.0_f64, 2.0, 1.5]);
        let phase =
            |i: usize, n: usize, k: f64| std::f64::consts::PI * k * (i as f64 + 0.5) / n as f64;
        let mut source = Vec::new();
        for z in 0..14 {
            for y in 0..10 {
                for x in 0..12 {
                    let value =
                        phase(x, 12, 2.0).cos() * phase(y, 10, 1.0).cos() * phase(z, 14, 3.0).cos();
                    source.push(value as f32 + 5.0); // a mean is taken off
                }
            }
        }
        let eigenvalue: f64 = (0..3)
            .map(|a| {
                let half = std::f64::consts::PI * [2.0, 1.0, 3.0][a] / shape[a] as f64 / 2.0;
                -4.0 * half.sin().powi(2) / spacing_mm[a].powi(2)
            })
            .sum();
        let solution = solve(&source, shape, spacing_mm);
        for (phi, s) in solution.iter().zip(&source) {
            assert!((f64::from(*phi) - f64::from(s - 5.0) / eigenvalue).abs() < 1e-3);
        }
        assert!(solve(&[3.0; 27], [3, 3, 3], [1.0; 3]).iter().all(|phi| *phi == 0.0));
    }
}
