//! What is known of one scan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::EmbeddingConfig;
use crate::error::{Error, Result};

/// What is known of one scan: values by field. A field that is not there is missing.
pub type MetadataRecord = BTreeMap<String, MetadataValue>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetadataValue {
    /// A number.
    Number(f64),
    /// One of a few values.
    Category(String),
}

impl From<f64> for MetadataValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for MetadataValue {
    fn from(category: &str) -> Self {
        Self::Category(category.to_owned())
    }
}

/// The records by field: for each categorical field the row of each item, for each scalar one its
/// number.
pub(super) struct Columns {
    pub(super) categories: Vec<Vec<Option<usize>>>,
    pub(super) numbers: Vec<Vec<Option<f64>>>,
}

pub(super) fn read(config: &EmbeddingConfig, records: &[MetadataRecord]) -> Result<Columns> {
    if records.is_empty() {
        return Err(Error::Argument {
            field: "records".into(),
            found: "none".into(),
            expected: "at least one record".into(),
        });
    }
    let mut columns = Columns {
        categories: vec![vec![None; records.len()]; config.categorical.len()],
        numbers: vec![vec![None; records.len()]; config.scalar.len()],
    };
    for (item, record) in records.iter().enumerate() {
        for (field, value) in record {
            columns.set(config, item, field, value).map_err(|expected| Error::Metadata {
                item,
                field: field.clone(),
                found: match value {
                    MetadataValue::Number(number) => number.to_string(),
                    MetadataValue::Category(category) => format!("{category:?}"),
                },
                expected,
            })?;
        }
    }
    Ok(columns)
}

impl Columns {
    /// Takes down a value, or says what was expected instead.
    fn set(
        &mut self,
        config: &EmbeddingConfig,
        item: usize,
        field: &str,
        value: &MetadataValue,
    ) -> std::result::Result<(), String> {
        if let Some(at) = config.categorical.iter().position(|f| f.name == field) {
            let values = &config.categorical[at].values;
            let row = match value {
                MetadataValue::Category(category) => values.iter().position(|v| v == category),
                MetadataValue::Number(_) => None,
            };
            self.categories[at][item] =
                Some(row.ok_or_else(|| format!("one of {}", values.join(", ")))?);
            return Ok(());
        }
        let Some(at) = config.scalar.iter().position(|f| f.name == field) else {
            let names = config.categorical.iter().map(|f| f.name.as_str());
            let names: Vec<&str> =
                names.chain(config.scalar.iter().map(|f| f.name.as_str())).collect();
            return Err(format!("a field of the embedding: {}", names.join(", ")));
        };
        match value {
            MetadataValue::Number(number) if number.is_finite() => {
                self.numbers[at][item] = Some(*number);
                Ok(())
            }
            _ => Err("a finite number, or no such field where it is not known".into()),
        }
    }
}
