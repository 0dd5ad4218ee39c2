//! A scanner: its field, its protocols, its coil and its noise; each site has its own.

use keyed_random::Key;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::pulse_sequence::{Modality, PulseSequence};
use crate::substance::FieldStrength;

/// What a site's scanner does to every image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scanner {
    /// The magnet.
    pub field: FieldStrength,
    /// A factor on repetition, inversion and echo times, about 1: sites differ in protocol.
    pub protocol: f64,
    /// The standard deviation of the noise in each channel, as a part of the signal of white
    /// matter.
    pub noise: f64,
    /// The standard deviation of the logarithm of the bias field.
    pub bias: f64,
    /// The width of the point spread, as the standard deviation of a Gaussian in voxels.
    pub blur_voxels: f64,
    /// The full width at half maximum of the slice profile in millimetres, along the third axis; 0
    /// for a 3-D acquisition.
    pub slice_mm: f64,
    /// The number that white matter has in an image.
    pub white_level: f64,
}

impl Default for Scanner {
    /// A 3 T scanner with a good coil.
    fn default() -> Self {
        Self {
            field: FieldStrength::T3,
            protocol: 1.0,
            noise: 0.025,
            bias: 0.10,
            blur_voxels: 0.45,
            slice_mm: 0.0,
            white_level: 600.0,
        }
    }
}

impl Scanner {
    /// The scanner of a site, the same for every subject of a cohort: two in three have 3 T.
    #[must_use]
    pub fn of_site(seed: u64, site: u32) -> Self {
        let mut chance = Key::new(seed).with("phantom site").with_index(site.into()).stream();
        let mut uniform = |low: f64, high: f64| low + (high - low) * chance.uniform_f64();
        let field = if uniform(0.0, 3.0) < 2.0 { FieldStrength::T3 } else { FieldStrength::T1p5 };
        let low_field = if field == FieldStrength::T1p5 { 1.4 } else { 1.0 };
        Self {
            field,
            protocol: uniform(0.93, 1.07),
            noise: uniform(0.018, 0.032) * low_field,
            bias: uniform(0.05, 0.12) / low_field,
            blur_voxels: uniform(0.38, 0.55),
            slice_mm: 0.0,
            white_level: uniform(300.0, 1200.0),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let within = |field, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::argument(field, value, format!("a number from {low} to {high}")))
        };
        within("scanner.protocol", self.protocol, 0.5, 2.0)?;
        within("scanner.noise", self.noise, 0.0, 1.0)?;
        within("scanner.bias", self.bias, 0.0, 1.0)?;
        within("scanner.blur_voxels", self.blur_voxels, 0.0, 3.0)?;
        within("scanner.slice_mm", self.slice_mm, 0.0, 20.0)?;
        within("scanner.white_level", self.white_level, 1.0, 10_000.0)
    }

    /// The pulse sequence that this scanner runs for a contrast.
    #[must_use]
    pub fn sequence(&self, modality: Modality) -> PulseSequence {
        let p = self.protocol;
        match PulseSequence::usual(modality, self.field) {
            PulseSequence::SpoiledGradientEcho { tr_ms, te_ms, flip_degrees } => {
                let flip_degrees = flip_degrees / p;
                PulseSequence::SpoiledGradientEcho { tr_ms: tr_ms * p, te_ms, flip_degrees }
            }
            PulseSequence::Mprage { tr_ms, ti_ms, te_ms, flip_degrees, spacing_ms, train } => {
                let (tr_ms, ti_ms) = (tr_ms * p, ti_ms * p);
                PulseSequence::Mprage { tr_ms, ti_ms, te_ms, flip_degrees, spacing_ms, train }
            }
            PulseSequence::SpinEcho { tr_ms, te_ms } => {
                PulseSequence::SpinEcho { tr_ms: tr_ms * p, te_ms: te_ms * p }
            }
            // The inversion time is set to null the fluid, whatever else a site prefers.
            PulseSequence::InversionRecovery { tr_ms, ti_ms, te_ms } => {
                PulseSequence::InversionRecovery { tr_ms, ti_ms, te_ms: te_ms * p }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_differ_and_stay_what_they_are() {
        assert_eq!(Scanner::of_site(3, 1), Scanner::of_site(3, 1));
        assert_ne!(Scanner::of_site(3, 1), Scanner::of_site(3, 2));
        assert!((0..50).all(|site| Scanner::of_site(7, site).check().is_ok()));
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let of = |scanner: Scanner| scanner.check().unwrap_err().to_string();
        for (scanner, name) in [
            (Scanner { noise: -0.1, ..Scanner::default() }, "scanner.noise"),
            (Scanner { bias: f64::NAN, ..Scanner::default() }, "scanner.bias"),
            (Scanner { blur_voxels: 9.0, ..Scanner::default() }, "scanner.blur_voxels"),
            (Scanner { slice_mm: -1.0, ..Scanner::default() }, "scanner.slice_mm"),
            (Scanner { protocol: 0.0, ..Scanner::default() }, "scanner.protocol"),
            (Scanner { white_level: 0.0, ..Scanner::default() }, "scanner.white_level"),
        ] {
            assert!(of(scanner).contains(name));
        }
    }
}
