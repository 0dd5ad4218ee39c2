//! Comparison of arrays that says how far apart they are, and where.

use std::fmt::Display;

/// The largest differences between two arrays of the same length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    /// The largest absolute difference, and its index.
    pub(crate) absolute: (f64, usize),
    /// The largest difference relative to the wanted value, and its index.
    pub(crate) relative: (f64, usize),
}

impl Difference {
    /// Compares two arrays. Equal infinities, and two NaN, do not differ; otherwise a number that
    /// is not finite differs infinitely from any other.
    pub(crate) fn between(got: &[f64], want: &[f64]) -> Self {
        let mut largest = Self::default();
        for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
            let same = g == w || (g.is_nan() && w.is_nan());
            let d = if same { 0.0 } else { (g - w).abs() };
            let d = if d.is_nan() { f64::INFINITY } else { d };
            let relative = if d == 0.0 { 0.0 } else { d / w.abs() };
            if d > largest.absolute.0 {
                largest.absolute = (d, i);
            }
            if relative > largest.relative.0 {
                largest.relative = (relative, i);
            }
        }
        largest
    }
}

/// The largest difference, or a report of it when it is beyond `tolerance`.
pub(crate) fn compare<T: Copy + Into<f64>>(
    got: &[T],
    want: &[T],
    tolerance: f64,
) -> Result<Difference, String> {
    if got.len() != want.len() {
        return Err(format!("{} numbers where {} are wanted", got.len(), want.len()));
    }
    let [got, want] = [got, want].map(|a| a.iter().map(|&v| v.into()).collect::<Vec<f64>>());
    let difference = Difference::between(&got, &want);
    let ((absolute, i), (relative, j)) = (difference.absolute, difference.relative);
    if absolute <= tolerance {
        return Ok(difference);
    }
    Err(format!(
        "at {i} of {} got {} where {} is wanted, off by {absolute:e} (tolerance {tolerance:e}); \
         the largest relative difference is {relative:e}, at {j}: {} for {}",
        got.len(),
        got[i],
        want[i],
        got[j],
        want[j],
    ))
}

/// Fails unless all of `got` is within `tolerance` of `want`; returns the largest difference.
#[track_caller]
pub(crate) fn assert_close<T: Copy + Into<f64>>(
    what: impl Display,
    got: &[T],
    want: &[T],
    tolerance: f64,
) -> Difference {
    compare(got, want, tolerance).unwrap_or_else(|fault| panic!("{what}: {fault}"))
}

#[test]
fn differences_are_found_where_they_are() {
    let difference = Difference::between(&[1.0, 10.5, -3.0, 0.0], &[1.0, 10.0, -2.75, 0.0]);
    assert_eq!(difference.absolute, (0.5, 1));
    assert_eq!(difference.relative, (0.25 / 2.75, 2));
}

#[test]
fn only_equal_non_finite_numbers_are_equal() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    assert_eq!(Difference::between(&[inf, nan], &[inf, nan]), Difference::default());
    for (got, want) in [(inf, -inf), (nan, 0.0), (0.0, nan), (1.0, inf)] {
        assert_eq!(Difference::between(&[got], &[want]).absolute.0, inf, "{got} {want}");
    }
}

#[test]
#[should_panic(expected = "x: at 1 of 2 got 3 where 2 is wanted, off by 1e0")]
fn a_failure_says_where_and_how_far() {
    assert_close("x", &[1.0, 3.0], &[1.0, 2.0], 0.5);
}
