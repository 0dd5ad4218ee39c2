//! The transform against libm and against what it must be at its ends.
//!
//! Bits are held by `golden.rs`, accuracy against 60-digit decimals by `tests/golden.py`.

use std::f64::consts::TAU;

use super::{box_muller, cos_sin, exact, ln};
use crate::Key;

fn words() -> impl Iterator<Item = u64> {
    let mut stream = Key::new(0).with("words").stream();
    // Shifted, so that small radii and angles near the quarter turns come too.
    (0..200_000).map(move |i| (stream.next_u64() >> (i % 60)).wrapping_add(i << 62))
}

fn assert_close(ours: f64, libm: f64, tolerance: f64) {
    let difference = ((ours - libm) / libm).abs();
    assert!(difference <= tolerance, "{ours:e} against {libm:e}: relative {difference:e}");
}

#[test]
fn integers_below_two_to_the_52_become_floats_exactly() {
    for integer in [0, 1, 12_345, (1 << 32) - 1, (1 << 52) - 1] {
        assert_eq!(exact(integer) as u64, integer);
    }
}

#[test]
fn the_logarithm_agrees_with_libm() {
    for word in words() {
        let u = (word as f64 + 0.5) / 2_f64.powi(64);
        if u < 1.0 {
            assert_close(ln(u), u.ln(), 1e-15);
        }
    }
    for step in 1..1000 {
        let u = 1.0 - f64::from(step) * 2_f64.powi(-53);
        assert_close(ln(u), u.ln(), 1e-15);
    }
}

#[test]
fn the_logarithm_of_one_is_zero() {
    assert_eq!(ln(1.0), 0.0);
}

/// The reference reduces to half a quarter turn by folding, which loses nothing of a 64-bit angle.
#[test]
fn the_circle_agrees_with_libm() {
    for word in words() {
        let quarters = word.wrapping_add(1 << 61) >> 62;
        let rest = i128::from(word) - (i128::from(quarters) << 62);
        let rest = if rest > 1 << 62 { rest - (1 << 64) } else { rest };
        let t = (2 * rest + 1) as f64 * (TAU / 2_f64.powi(65));
        let (s, c) = t.sin_cos();
        let expected = [[c, s], [-s, c], [-c, -s], [s, -c]][quarters as usize];
        let found = cos_sin(word & 0xFFFF_FFFF, word >> 32);
        assert_close(found[0], expected[0], 1e-15);
        assert_close(found[1], expected[1], 1e-15);
    }
}

/// The textbook formula with libm, without any reduction: wrong quadrants would show.
#[test]
fn pairs_agree_with_the_formula() {
    let mut stream = Key::new(0).with("pairs").stream();
    for _ in 0..100_000 {
        let (a, b) = (stream.next_u64(), stream.next_u64());
        let radius = (-2.0 * ((a as f64 + 0.5) / 2_f64.powi(64)).ln()).sqrt();
        let angle = TAU * (b as f64 / 2_f64.powi(64));
        let found = box_muller([a & 0xFFFF_FFFF, a >> 32, b & 0xFFFF_FFFF, b >> 32]);
        for (ours, libm) in found.into_iter().zip([radius * angle.cos(), radius * angle.sin()]) {
            // Rounding the unreduced angle costs up to 2π 2⁻⁵³, rounding it again as much.
            assert!((ours - libm).abs() <= 2e-15 * radius.max(1e-3), "{ours:e} against {libm:e}");
        }
    }
}

#[test]
fn the_tail_reaches_nine_sigma_and_everything_is_finite() {
    const ONES: u64 = 0xFFFF_FFFF;
    let farthest = box_muller([0, 0, 0, 0]);
    assert_close(farthest[0], (2.0 * 65.0 * 2_f64.ln()).sqrt(), 1e-15);
    assert!(farthest[0] > 9.49 && farthest[1] > 0.0 && farthest[1] < 1e-17);
    // The other end: a radius of zero is still a number.
    let nearest = box_muller([ONES, ONES, 0x1234, 0x5678]);
    assert_eq!(nearest.map(f64::abs), [0.0; 2]);
    for word in words() {
        let found = box_muller([word & ONES, word >> 32, word >> 32, word & ONES]);
        assert!(found.iter().all(|z| z.is_finite() && z.abs() < 9.5));
    }
}
