//! What is known of a scan beside its mask, as tokens for cross-attention.
//!
//! Each field (diagnosis, modality, age, …) becomes one token: a row of a table, or a linear map of
//! Fourier features. What is missing becomes the field's null token, which is learned; in training
//! whole records are replaced by null tokens with some probability, so that one network learns to
//! sample with and without its condition.
//!
//! # Source
//! - Ho and Salimans, "Classifier-free diffusion guidance", 2022: the condition dropped with
//!   probability `dropout` (their p_uncond, 0.1 by default).
//! - Tancik et al., "Fourier features let networks learn high frequency functions in low
//!   dimensional domains", NeurIPS 2020: sines and cosines of a scalar; frequencies doubling
//!   ("positional encoding" there), with the scalar itself beside them, so that values outside the
//!   range go on steadily.

mod config;
mod fourier;
mod record;

use candle_core::{Module, Tensor};
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{Linear, linear_layer};
use keyed_random::Key;

pub use config::{CategoricalField, EmbeddingConfig, ScalarField};
pub use record::{MetadataRecord, MetadataValue};

use crate::error::Result;

/// The learned tokens of metadata.
///
/// # Examples
/// ```
/// use candle_core::DType;
/// use candle_nn3d::ParameterStore;
/// use keyed_random::Key;
/// use mrisynth_conditioning::embedding::{
///     EmbeddingConfig, MetadataEmbedding, MetadataRecord, ScalarField,
/// };
/// let age = ScalarField { name: "age".into(), low: 18.0, high: 95.0, ..ScalarField::default() };
/// let config = EmbeddingConfig { dim: 32, scalar: vec![age], ..EmbeddingConfig::default() };
/// let store = ParameterStore::new(Key::new(1));
/// let embedding = MetadataEmbedding::new(&config, store.builder(DType::F32))?;
/// let records = [MetadataRecord::from([("age".into(), 71.0.into())]), MetadataRecord::new()];
/// assert_eq!(embedding.forward(&records, None)?.dims(), [2, 1, 32]);
/// # Ok::<(), mrisynth_conditioning::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetadataEmbedding {
    config: EmbeddingConfig,
    /// Per categorical field `[values + 1, dim]`; the last row is the null token.
    tables: Vec<Tensor>,
    /// Per scalar field its map and its null token `[1, dim]`.
    scalars: Vec<(Linear, Tensor)>,
}

impl MetadataEmbedding {
    /// An embedding with the parameters `NAME.weight` (tables), `NAME.linear.weight`,
    /// `NAME.linear.bias` and `NAME.null` (scalars), the fields' names having anything but letters,
    /// digits and `-` replaced by `_`. New tables and null tokens are normal with the deviation 0.02.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for a configuration that names the wrong field;
    /// [`Error::Candle`](crate::Error::Candle) for parameters of another shape.
    pub fn new(config: &EmbeddingConfig, vb: VarBuilder<'_>) -> Result<Self> {
        config.check()?;
        let init = Init::Randn { mean: 0.0, stdev: 0.02 };
        let dim = config.dim;
        let table = |field: &CategoricalField| {
            let vb = vb.pp(config::parameter_name(&field.name));
            vb.get_with_hints((field.values.len() + 1, dim), "weight", init)
        };
        let scalar = |field: &ScalarField| {
            let vb = vb.pp(config::parameter_name(&field.name));
            let linear = linear_layer(field.n_features(), dim, true, vb.pp("linear"))?;
            candle_core::Result::Ok((linear, vb.get_with_hints((1, dim), "null", init)?))
        };
        Ok(Self {
            tables: config.categorical.iter().map(table).collect::<candle_core::Result<_>>()?,
            scalars: config.scalar.iter().map(scalar).collect::<candle_core::Result<_>>()?,
            config: config.clone(),
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &EmbeddingConfig {
        &self.config
    }

    /// The number of tokens: one per field.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.tables.len() + self.scalars.len()
    }

    /// The tokens of records. With a key for each item (training) an item is dropped, all of its
    /// tokens replaced by null tokens, where uniform number 0 of `key.with("metadata dropout")` is
    /// below the configured probability; hence an item is dropped alone as in any batch.
    ///
    /// # Shapes
    /// `[n, tokens, dim]`: categorical fields first, then scalar ones, in the order of the
    /// configuration. n must be at least 1.
    ///
    /// # Errors
    /// [`Error::Metadata`](crate::Error::Metadata) for a field that the configuration does not have,
    /// a category that it does not list, a number where a category belongs or the other way round,
    /// and a number that is not finite; [`Error::Argument`](crate::Error::Argument) for no records or
    /// another number of keys.
    pub fn forward(&self, records: &[MetadataRecord], keys: Option<&[Key]>) -> Result<Tensor> {
        let read = record::read(&self.config, records)?;
        let dropped = self.dropped(records.len(), keys)?;
        let mut tokens = Vec::with_capacity(self.n_tokens());
        for (field, table) in self.tables.iter().enumerate() {
            let null = table.dim(0)? - 1;
            let row = |item: usize| match read.categories[field][item] {
                Some(category) if !dropped[item] => category as u32,
                _ => null as u32,
            };
            let rows: Vec<u32> = (0..records.len()).map(row).collect();
            let rows = Tensor::from_vec(rows, records.len(), table.device())?;
            tokens.push(table.index_select(&rows, 0)?);
        }
        for (field, (linear, null)) in self.scalars.iter().enumerate() {
            let value = |item: usize| read.numbers[field][item].filter(|_| !dropped[item]);
            let values: Vec<Option<f64>> = (0..records.len()).map(value).collect();
            tokens.push(self.scalar_token(field, &values, linear, null)?);
        }
        Ok(Tensor::stack(&tokens, 1)?)
    }

    /// The null tokens of every field: what guidance takes for "without condition".
    ///
    /// # Shapes
    /// `[n, tokens, dim]`.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for `n` of 0.
    pub fn unconditional(&self, n: usize) -> Result<Tensor> {
        self.forward(&vec![MetadataRecord::new(); n], None)
    }

    fn dropped(&self, n: usize, keys: Option<&[Key]>) -> Result<Vec<bool>> {
        let Some(keys) = keys else { return Ok(vec![false; n]) };
        if keys.len() != n {
            return Err(crate::Error::Argument {
                field: "keys".into(),
                found: keys.len().to_string(),
                expected: format!("a key for each of {n} records"),
            });
        }
        let p = self.config.dropout;
        Ok(keys.iter().map(|key| key.with("metadata dropout").stream().uniform_f64() < p).collect())
    }

    /// present · (W·features + b) + (1 − present) · null.
    fn scalar_token(
        &self,
        field: usize,
        values: &[Option<f64>],
        linear: &Linear,
        null: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let (device, dtype) = (null.device(), null.dtype());
        let config = &self.config.scalar[field];
        let features = fourier::features(config, values);
        let shape = (values.len(), config.n_features());
        let features = Tensor::from_vec(features, shape, device)?.to_dtype(dtype)?;
        let present = values.iter().map(|value| f32::from(u8::from(value.is_some()))).collect();
        let present: Tensor =
            Tensor::from_vec::<_, f32>(present, (values.len(), 1), device)?.to_dtype(dtype)?;
        let absent = present.affine(-1.0, 1.0)?;
        let token = linear.forward(&features)?.broadcast_mul(&present)?;
        token + absent.broadcast_mul(null)?
    }
}

#[cfg(test)]
mod tests;
