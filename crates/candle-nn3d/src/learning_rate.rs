//! Learning-rate schedules, as pure functions of the step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A linear warm-up to a peak, then a decay.
///
/// With `w` steps of warm-up, step `s` (from 0) has the rate `peak · (s + 1) / w` before step `w`,
/// and from there on that of the decay at `t = s - w`. Nothing is remembered between steps.
///
/// # Examples
/// ```
/// use candle_nn3d::{Decay, LearningRate};
/// let decay = Decay::Cosine { steps: 100, floor: 0.0 };
/// let rate = LearningRate { peak: 1e-3, warm_up_steps: 10, decay };
/// assert_eq!(rate.at(4), 5e-4);
/// assert_eq!(rate.at(10), 1e-3);
/// assert!((rate.at(60) - 5e-4).abs() < 1e-18);
/// assert_eq!(rate.at(1000), 0.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// The highest rate.
    pub peak: f64,
    /// Steps until it is reached; 0 begins at it.
    #[serde(default)]
    pub warm_up_steps: u64,
    /// What happens afterwards.
    #[serde(default)]
    pub decay: Decay,
}

/// How a rate falls, `t` steps after the warm-up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// Not at all.
    #[default]
    Constant,
    /// `floor + (peak - floor) · (1 + cos(π t / steps)) / 2`, then `floor`.
    ///
    /// # Source
    /// Loshchilov & Hutter, *SGDR*, ICLR 2017, equation 5, without restarts.
    Cosine {
        /// Steps from the peak to the floor.
        steps: u64,
        /// The last rate.
        floor: f64,
    },
    /// `floor + (peak - floor) · (1 - t / steps)^power`, then `floor`.
    ///
    /// nnU-Net's is power 0.9 with floor 0.
    Polynomial {
        /// Steps from the peak to the floor.
        steps: u64,
        /// The exponent.
        power: f64,
        /// The last rate.
        floor: f64,
    },
    /// `peak · factor^k`, `k` being how many milestones are ≤ `t`.
    MultiStep {
        /// Steps at which the rate is multiplied, ascending.
        milestones: Vec<u64>,
        /// What it is multiplied by.
        factor: f64,
    },
}

impl LearningRate {
    /// The same rate at every step.
    #[must_use]
    pub fn constant(rate: f64) -> Self {
        Self { peak: rate, warm_up_steps: 0, decay: Decay::Constant }
    }

    /// The rate of a step, counted from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let Some(t) = step.checked_sub(self.warm_up_steps) else {
            return self.peak * (step + 1) as f64 / self.warm_up_steps as f64;
        };
        // Past the end, and for a decay of no steps, the floor.
        let done = |steps: u64| if t < steps { t as f64 / steps as f64 } else { 1.0 };
        match &self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine { steps, floor } => match done(*steps) {
                // cos π is exact, but the floor should be so too.
                1.0 => *floor,
                done => floor + (self.peak - floor) * 0.5 * (1.0 + (PI * done).cos()),
            },
            Decay::Polynomial { steps, power, floor } => match done(*steps) {
                1.0 => *floor,
                done => floor + (self.peak - floor) * (1.0 - done).powf(*power),
            },
            Decay::MultiStep { milestones, factor } => {
                let passed = milestones.iter().filter(|&&milestone| milestone <= t).count();
                self.peak * factor.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
        }
    }

    /// Refuses settings that give rates which are not finite or negative.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let rate = |argument, value: f64| {
            check(
                argument,
                value.to_string(),
                value.is_finite() && value >= 0.0,
                "finite, at least 0",
            )
        };
        rate("peak", self.peak)?;
        match &self.decay {
            Decay::Constant => Ok(()),
            Decay::Cosine { floor, .. } => rate("floor", *floor),
            Decay::Polynomial { power, floor, .. } => {
                rate("power", *power)?;
                rate("floor", *floor)
            }
            Decay::MultiStep { milestones, factor } => {
                rate("factor", *factor)?;
                let ascending = milestones.is_sorted_by(|a, b| a < b);
                check("milestones", format!("{milestones:?}"), ascending, "ascending")
            }
        }
    }
}

fn check(argument: &'static str, found: String, fits: bool, expected: &str) -> Result<()> {
    let expected = expected.to_owned();
    if fits {
        Ok(())
    } else {
        Err(Error::Argument { op: "learning_rate", argument, found, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(warm_up_steps: u64, decay: Decay) -> LearningRate {
        LearningRate { peak: 2.0, warm_up_steps, decay }
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-15 * want.abs().max(1.0), "{got} is not {want}");
    }

    #[test]
    fn the_warm_up_is_linear_and_ends_at_the_peak() {
        let rate = rate(4, Decay::Constant);
        let rates: Vec<_> = (0..6).map(|step| rate.at(step)).collect();
        assert_eq!(rates, [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]);
        assert_eq!(LearningRate::constant(0.1).at(u64::MAX), 0.1);
    }

    #[test]
    fn decays_are_their_closed_forms_and_end_at_the_floor() {
        let cosine = rate(3, Decay::Cosine { steps: 6, floor: 0.5 });
        close(cosine.at(3), 2.0);
        close(cosine.at(5), 0.5 + 1.5 * 0.75); // cos 60° = 1/2
        close(cosine.at(6), 1.25);
        assert_eq!(cosine.at(9), 0.5);
        assert_eq!(cosine.at(10_000), 0.5);
        let polynomial = rate(0, Decay::Polynomial { steps: 10, power: 2.0, floor: 1.0 });
        close(polynomial.at(0), 2.0);
        close(polynomial.at(5), 1.25);
        assert_eq!(polynomial.at(10), 1.0);
        let steps = rate(1, Decay::MultiStep { milestones: vec![2, 4], factor: 0.5 });
        let rates: Vec<_> = (0..7).map(|step| steps.at(step)).collect();
        assert_eq!(rates, [2.0, 2.0, 2.0, 1.0, 1.0, 0.5, 0.5]);
        assert_eq!(rate(0, Decay::Cosine { steps: 0, floor: 0.5 }).at(0), 0.5);
    }

    #[test]
    fn settings_survive_json_and_unknown_ones_are_refused() {
        let json =
            r#"{"peak":2.0,"warm_up_steps":1,"decay":{"kind":"cosine","steps":9,"floor":0.1}}"#;
        let rate: LearningRate = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&rate).unwrap(), json);
        assert!(serde_json::from_str::<LearningRate>(r#"{"peak":2.0,"warmup":1}"#).is_err());
    }

    #[test]
    fn unusable_settings_are_refused_by_name() {
        let message = |decay| rate(0, decay).check().unwrap_err().to_string();
        assert!(message(Decay::Cosine { steps: 1, floor: -1.0 }).contains("floor"));
        assert!(
            message(Decay::MultiStep { milestones: vec![4, 2], factor: 0.1 }).contains("[4, 2]")
        );
        assert!(LearningRate::constant(f64::NAN).check().is_err());
        assert!(rate(5, Decay::Polynomial { steps: 0, power: 0.9, floor: 0.0 }).check().is_ok());
    }
}
