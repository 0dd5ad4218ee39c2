//! Which fields are embedded, and how.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which fields are embedded, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// The length of a token, the `cross_attention_dim` of the network; 64 by default.
    pub dim: usize,
    /// The probability with which a record is dropped in training; 0.1 by default.
    pub dropout: f64,
    /// Fields with a few values.
    pub categorical: Vec<CategoricalField>,
    /// Fields that are numbers.
    pub scalar: Vec<ScalarField>,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self { dim: 64, dropout: 0.1, categorical: Vec::new(), scalar: Vec::new() }
    }
}

/// A field with a few values, such as diagnosis, modality, sex or site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategoricalField {
    /// The name of the field.
    pub name: String,
    /// Its values, in the order of the table's rows.
    pub values: Vec<String>,
}

/// A field that is a number, such as age.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScalarField {
    /// The name of the field.
    pub name: String,
    /// The number that is brought to −1; 0 by default.
    pub low: f64,
    /// The number that is brought to 1; 1 by default. Numbers beyond are allowed.
    pub high: f64,
    /// The number of frequencies, from half a turn over the range on, each twice the one before; 6
    /// by default.
    pub n_frequencies: usize,
}

impl Default for ScalarField {
    fn default() -> Self {
        Self { name: String::new(), low: 0.0, high: 1.0, n_frequencies: 6 }
    }
}

impl ScalarField {
    /// The scaled number itself, then a sine and a cosine per frequency.
    pub(super) fn n_features(&self) -> usize {
        1 + 2 * self.n_frequencies
    }
}

/// A field's name as part of a parameter's.
pub(super) fn parameter_name(field: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    field.chars().map(kept).collect()
}

impl EmbeddingConfig {
    pub(super) fn check(&self) -> Result<()> {
        let refused = |field: String, found: String, expected: &str| {
            Err(Error::Argument { field, found, expected: expected.into() })
        };
        if self.dim == 0 || self.dim > 1 << 16 {
            return refused("dim".into(), self.dim.to_string(), "1 to 65536");
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return refused("dropout".into(), self.dropout.to_string(), "0 to 1");
        }
        if self.categorical.is_empty() && self.scalar.is_empty() {
            return refused("categorical and scalar".into(), "empty".into(), "at least one field");
        }
        let names = self.categorical.iter().map(|f| &f.name);
        let mut seen = BTreeSet::new();
        for name in names.chain(self.scalar.iter().map(|f| &f.name)) {
            if name.is_empty() || !seen.insert(parameter_name(name)) {
                let expected = "names that differ in letters and digits";
                return refused("name".into(), format!("{name:?}"), expected);
            }
        }
        for CategoricalField { name, values } in &self.categorical {
            let distinct: BTreeSet<&String> = values.iter().collect();
            if values.is_empty() || distinct.len() != values.len() {
                let found = format!("{values:?}");
                return refused(format!("values of {name}"), found, "at least one, none twice");
            }
        }
        for ScalarField { name, low, high, n_frequencies } in &self.scalar {
            if !(low.is_finite() && high.is_finite() && low < high) {
                let found = format!("{low} to {high}");
                return refused(format!("low and high of {name}"), found, "the lower one first");
            }
            if *n_frequencies > 32 {
                let found = n_frequencies.to_string();
                return refused(format!("n_frequencies of {name}"), found, "at most 32");
            }
        }
        Ok(())
    }
}
