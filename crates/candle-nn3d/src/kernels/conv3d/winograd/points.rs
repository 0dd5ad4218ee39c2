//! One-dimensional fast convolution: `N − 2` outputs of three taps from `N` products.
//!
//! The polynomials are evaluated at 0, ±1 and ∞ (N = 4) or 0, ±5/8, ±3/2 and ∞ (N = 6). The
//! customary points of N = 6, 0, ±1, ±2, ∞, have three times the error in three dimensions (128
//! channels in f32, in a trial outside the crate: 7e-6 against 2e-6).
//!
//! # Source
//! Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), in the Toom-Cook form;
//! points near ours are discussed by Barabasz et al., "Error Analysis and Improving the Accuracy of
//! Winograd Convolution for Deep Neural Networks" (2020).
#![expect(unsafe_code, reason = "vector instructions; no memory is touched")]

use crate::kernels::vector::Vector;

/// The points of N = 6; exact in binary, and so are their squares.
const A: f32 = 0.625;
const B: f32 = 1.5;

/// The matrix that takes three taps to `n` (4 or 6) factors.
pub(super) fn tap_matrix(n: usize) -> Vec<[f64; 3]> {
    if n == 4 {
        return vec![[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    }
    let (a, b) = (f64::from(A), f64::from(B));
    let (a2, b2) = (a * a, b * b);
    let (at_a, at_b) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    vec![
        [1.0 / (a2 * b2), 0.0, 0.0],
        [at_a, at_a * a, at_a * a2],
        [at_a, -at_a * a, at_a * a2],
        [at_b, at_b * b, at_b * b2],
        [at_b, -at_b * b, at_b * b2],
        [0.0, 0.0, 1.0],
    ]
}

/// Takes three taps to `N` factors: [`tap_matrix`] in vectors.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn tap_transform<V: Vector, const N: usize>(taps: [V; 3]) -> [V; N] {
    const { assert!(N == 4 || N == 6) }
    let [first, second, third] = taps;
    let mut out = [third; N];
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        if N == 4 {
            let half = V::splat(0.5);
            let (even, odd) = (half.mul(first.add(third)), half.mul(second));
            (out[0], out[1], out[2]) = (first, even.add(odd), even.sub(odd));
            return out;
        }
        let (a2, b2) = (A * A, B * B);
        out[0] = V::splat(1.0 / (a2 * b2)).mul(first);
        let factors = [(A, 1.0 / (2.0 * a2 * (a2 - b2))), (B, 1.0 / (2.0 * b2 * (b2 - a2)))];
        for (i, (point, factor)) in factors.into_iter().enumerate() {
            let even = V::splat(factor).mul(V::splat(point * point).mul_add(third, first));
            let odd = V::splat(factor * point).mul(second);
            (out[2 * i + 1], out[2 * i + 2]) = (even.add(odd), even.sub(odd));
        }
    }
    out
}

/// Takes `N` inputs to `N` factors.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn input_transform<V: Vector, const N: usize>(d: [V; N]) -> [V; N] {
    const { assert!(N == 4 || N == 6) }
    let mut out = d;
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        if N == 4 {
            out[0] = d[0].sub(d[2]);
            out[1] = d[1].add(d[2]);
            out[2] = d[2].sub(d[1]);
            out[3] = d[3].sub(d[1]);
            return out;
        }
        let (a, b) = (V::splat(A), V::splat(B));
        let (a2, b2) = (V::splat(A * A), V::splat(B * B));
        let (product, sum) = (V::splat(A * A * B * B), V::splat(A * A + B * B));
        out[0] = product.mul_add(d[0], sum.neg_mul_add(d[2], d[4]));
        let (even, odd) = (b2.neg_mul_add(d[2], d[4]), b2.neg_mul_add(d[1], d[3]));
        out[1] = a.mul_add(odd, even);
        out[2] = a.neg_mul_add(odd, even);
        let (even, odd) = (a2.neg_mul_add(d[2], d[4]), a2.neg_mul_add(d[1], d[3]));
        out[3] = b.mul_add(odd, even);
        out[4] = b.neg_mul_add(odd, even);
        out[5] = product.mul_add(d[1], sum.neg_mul_add(d[3], d[5]));
    }
    out
}

/// Takes `N` products to `N − 2` outputs, in the first places of the result.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn output_transform<V: Vector, const N: usize>(m: [V; N]) -> [V; 4] {
    const { assert!(N == 4 || N == 6) }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (even, odd) = (m[1].add(m[2]), m[1].sub(m[2]));
        if N == 4 {
            let (first, second) = (m[0].add(even), odd.add(m[3]));
            return [first, second, first, second];
        }
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        let power = |n: i32| (V::splat(A.powi(n)), V::splat(B.powi(n)));
        let ((a, b), (a2, b2), (a3, b3)) = (power(1), power(2), power(3));
        [
            m[0].add(even.add(even_b)),
            a.mul_add(odd, b.mul(odd_b)),
            a2.mul_add(even, b2.mul(even_b)),
            a3.mul_add(odd, b3.mul_add(odd_b, m[5])),
        ]
    }
}

/// The adjoint of [`output_transform`]: takes the gradients of `N − 2` outputs, in the first places,
/// to those of the `N` products.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn output_adjoint<V: Vector, const N: usize>(y: [V; 4]) -> [V; N] {
    const { assert!(N == 4 || N == 6) }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let mut out = [y[0]; N];
        if N == 4 {
            out[1] = y[0].add(y[1]);
            out[2] = y[0].sub(y[1]);
            out[3] = y[1];
            return out;
        }
        for (first, point) in [(1, A), (3, B)] {
            let (power, square) = (V::splat(point), V::splat(point * point));
            let even = square.mul_add(y[2], y[0]);
            let odd = square.mul_add(y[3], y[1]);
            out[first] = power.mul_add(odd, even);
            out[first + 1] = power.neg_mul_add(odd, even);
        }
        out[5] = y[3];
        out
    }
}

/// The adjoint of the transform of taps, see [`tap_matrix`]: takes the gradients of `N` factors to
/// those of the three taps.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn tap_adjoint<V: Vector, const N: usize>(m: [V; N]) -> [V; 3] {
    const { assert!(N == 4 || N == 6) }
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let (even, odd) = (m[1].add(m[2]), m[1].sub(m[2]));
        if N == 4 {
            let half = V::splat(0.5);
            return [half.mul_add(even, m[0]), half.mul(odd), half.mul_add(even, m[3])];
        }
        let (even_b, odd_b) = (m[3].add(m[4]), m[3].sub(m[4]));
        const A2: f32 = A * A;
        const B2: f32 = B * B;
        const AT_A: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
        const AT_B: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
        let constant = V::splat(AT_A).mul_add(even, V::splat(AT_B).mul(even_b));
        let square = V::splat(AT_A * A2).mul_add(even, V::splat(AT_B * B2).mul(even_b));
        [
            V::splat(1.0 / (A2 * B2)).mul_add(m[0], constant),
            V::splat(AT_A * A).mul_add(odd, V::splat(AT_B * B).mul(odd_b)),
            square.add(m[5]),
        ]
    }
}
