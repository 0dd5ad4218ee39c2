//! Which intensities are drawn black and which white.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The intensities drawn black and white; those between are grey in proportion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Window {
    /// Percentiles of the finite voxels, 0 to 100. Voxels of exactly 0 are left out of the upper
    /// one, so that a small brain in much empty space is not drawn brighter than a large one.
    Percentiles {
        /// Drawn black.
        low: f64,
        /// Drawn white.
        high: f64,
    },
    /// Fixed intensities.
    Range {
        /// Drawn black.
        low: f32,
        /// Drawn white.
        high: f32,
    },
}

impl Default for Window {
    /// The 0.5th and 99.5th percentile.
    fn default() -> Self {
        Self::Percentiles { low: 0.5, high: 99.5 }
    }
}

/// The intensities themselves; finite, and `low < high` unless every voxel has the same value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GreyWindow {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl GreyWindow {
    /// 0 for black to 1 for white; NaN is black.
    pub(super) fn grey(self, intensity: f32) -> f32 {
        // In f64, where the difference of two f32 cannot overflow.
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let level = (f64::from(intensity) - low) / (high - low).max(f64::MIN_POSITIVE);
        // NaN is not above 0, hence black.
        if level > 0.0 { level.min(1.0) as f32 } else { 0.0 }
    }
}

impl Window {
    /// The window for these voxels.
    pub(super) fn of(self, voxels: &[f32]) -> Result<GreyWindow> {
        match self {
            Self::Range { low, high } if low < high && (high - low).is_finite() => {
                Ok(GreyWindow { low, high })
            }
            Self::Percentiles { low, high } if 0.0 <= low && low < high && high <= 100.0 => {
                Ok(from_percentiles(voxels, low, high))
            }
            Self::Range { .. } => Err(Error::argument("window", self, "finite, low below high")),
            Self::Percentiles { .. } => {
                Err(Error::argument("window", self, "percentiles from 0 to 100, low below high"))
            }
        }
    }
}

fn from_percentiles(voxels: &[f32], low: f64, high: f64) -> GreyWindow {
    let mut finite: Vec<f32> = voxels.iter().copied().filter(|v| v.is_finite()).collect();
    let lower = percentile(&mut finite, low);
    let (min, max) = finite.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    finite.retain(|&v| v != 0.0);
    match (lower, percentile(&mut finite, high)) {
        (Some(low), Some(high)) if low < high => GreyWindow { low, high },
        // Hardly any voxel stands out: show all there is, and a constant as white (0 as black).
        (Some(_), _) if min < max => GreyWindow { low: min, high: max },
        (Some(_), _) => GreyWindow { low: min.min(0.0), high: max.max(0.0) },
        (None, _) => GreyWindow { low: 0.0, high: 0.0 },
    }
}

/// The voxel below which `percent` of the others lie: an order statistic, not interpolated.
fn percentile(voxels: &mut [f32], percent: f64) -> Option<f32> {
    let last = voxels.len().checked_sub(1)?;
    let rank = ((percent / 100.0 * last as f64).round() as usize).min(last);
    Some(*voxels.select_nth_unstable_by(rank, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(voxels: &[f32]) -> (f32, f32) {
        let GreyWindow { low, high } = Window::default().of(voxels).unwrap();
        (low, high)
    }

    #[test]
    fn the_amount_of_empty_space_does_not_change_the_window() {
        let mut voxels: Vec<f32> = (0..=1000).map(|v| v as f32).collect();
        voxels.extend([0.0; 1000]);
        assert_eq!(window(&voxels), (0.0, 995.0));
        voxels.extend([0.0; 100_000]);
        assert_eq!(window(&voxels), (0.0, 995.0));
    }

    #[test]
    fn voxels_that_are_no_number_are_left_out() {
        assert_eq!(window(&[f32::NAN, 3.0, f32::INFINITY, 4.0, f32::NEG_INFINITY]), (3.0, 4.0));
        assert_eq!(window(&[f32::NAN; 4]), (0.0, 0.0));
    }

    #[test]
    fn a_rare_value_and_a_constant_can_still_be_seen() {
        let mut one_in_a_thousand = vec![7.0; 1000];
        one_in_a_thousand[500] = 8.0;
        assert_eq!(window(&one_in_a_thousand), (7.0, 8.0));
        assert_eq!(window(&[5.0; 9]), (0.0, 5.0));
        assert_eq!(window(&[-5.0; 9]), (-5.0, 0.0));
        assert_eq!(window(&[0.0; 9]), (0.0, 0.0));
    }

    #[test]
    fn greys_are_between_black_and_white_for_every_window() {
        for (low, high) in [(0.0, 0.0), (1.0, 2.0), (f32::MIN, f32::MAX), (3.0, 3.0)] {
            let window = GreyWindow { low, high };
            for v in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 3.0, f32::MAX, f32::MIN] {
                assert!((0.0..=1.0).contains(&window.grey(v)), "{low} {high} {v}");
            }
            assert_eq!(window.grey(f32::NAN), 0.0);
        }
        assert_eq!(GreyWindow { low: 1.0, high: 3.0 }.grey(2.5), 0.75);
    }

    #[test]
    fn windows_that_make_no_sense_are_refused() {
        for bad in [
            Window::Percentiles { low: 50.0, high: 50.0 },
            Window::Percentiles { low: -1.0, high: 50.0 },
            Window::Percentiles { low: 1.0, high: 101.0 },
            Window::Percentiles { low: f64::NAN, high: 50.0 },
            Window::Range { low: 2.0, high: 1.0 },
            Window::Range { low: 0.0, high: f32::INFINITY },
        ] {
            assert!(bad.of(&[1.0, 2.0]).unwrap_err().to_string().contains("window"), "{bad:?}");
        }
    }
}
