//! Who is scanned: age, sex, diagnosis, and the key to everything that is individual.

use keyed_random::Key;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a subject suffers from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Diagnosis {
    /// Nothing but age.
    #[default]
    Healthy,
    /// Dementia of Alzheimer's type: hippocampus, amygdala and entorhinal cortex shrink, the
    /// cortex thins, the ventricles, the inferior horns above all, grow.
    Dementia,
    /// A glioblastoma: a necrotic core in a rim that takes up contrast agent, in oedema.
    Glioblastoma,
    /// Multiple sclerosis: lesions of the white matter, most of them at the ventricles.
    MultipleSclerosis,
}

impl Diagnosis {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Healthy, Self::Dementia, Self::Glioblastoma, Self::MultipleSclerosis];

    /// The name in files and on the command line.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(mrisynth_phantom::Diagnosis::MultipleSclerosis.name(), "multiple-sclerosis");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Dementia => "dementia",
            Self::Glioblastoma => "glioblastoma",
            Self::MultipleSclerosis => "multiple-sclerosis",
        }
    }
}

impl std::fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Diagnosis {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|d| d.name() == name);
        let expected = "healthy, dementia, glioblastoma or multiple-sclerosis";
        found.ok_or_else(|| Error::argument("diagnosis", name, expected))
    }
}

/// Male or female, as far as it changes the size of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Female.
    #[default]
    Female,
    /// Male.
    Male,
}

/// A subject of the phantom at one time of life.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subject {
    /// Two subjects of the same seed are one person: same folds, same shape, same lesions.
    pub seed: u64,
    /// Age in years at the first session, 18 to 100.
    pub age_years: f64,
    /// Years since the first session, 0 to 40: atrophy, lesions and tumours progress with it.
    pub years: f64,
    /// Sex.
    pub sex: Sex,
    /// Diagnosis.
    pub diagnosis: Diagnosis,
    /// Whether the cortex is divided into the parcels of Desikan and Killiany (1001–1035 and
    /// 2001–2035) instead of one label a side (3 and 42).
    pub parcels: bool,
}

impl Default for Subject {
    fn default() -> Self {
        Self {
            seed: 0,
            age_years: 40.0,
            years: 0.0,
            sex: Sex::Female,
            diagnosis: Diagnosis::Healthy,
            parcels: true,
        }
    }
}

impl Subject {
    pub(crate) fn check(&self) -> Result<()> {
        if !(18.0..=100.0).contains(&self.age_years) {
            return Err(Error::argument("age_years", self.age_years, "18 to 100 years"));
        }
        if !(0.0..=40.0).contains(&self.years) {
            return Err(Error::argument("years", self.years, "0 to 40 years"));
        }
        Ok(())
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.seed).with("phantom subject")
    }
}
