//! Keeping the guess of the clean volume within the range of the data.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, ensure};
use crate::fused::{Limits, Term, combine};

/// What is done to x̂₀ before a sampler sees it; nothing by default, as latents have no range.
///
/// Samplers get ε from the x̂₀ they see, so that both agree. MONAI's DDIM, and diffusers' without
/// `use_clipped_model_output`, go on with the ε of the unclipped guess: their sample is then not on
/// the level it is said to be on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// Nothing.
    #[default]
    None,
    /// `x̂₀` within bounds. Ho et al. 2020 (DDPM), their code: −1 and 1.
    Clip {
        /// The lower bound.
        lower: f64,
        /// The upper bound.
        upper: f64,
    },
    /// `clamp(x̂₀, −s, s) / s`, s being a quantile of |x̂₀| per item, between 1 and `most`.
    /// Saharia et al. 2022 (Imagen) section 2.3.
    Dynamic {
        /// The quantile; 0.995 in the paper.
        quantile: f64,
        /// The largest s.
        most: f64,
    },
}

impl Threshold {
    /// Bounds of −1 and 1.
    pub const UNIT: Self = Self::Clip { lower: -1.0, upper: 1.0 };

    /// Refuses bounds and quantiles that are none.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] naming the setting.
    pub fn check(self) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Clip { lower, upper } => {
                let good = lower.is_finite() && upper.is_finite() && lower <= upper;
                ensure(good, "threshold", self, "finite bounds, the lower one first")
            }
            Self::Dynamic { quantile, most } => {
                let good = (0.0..=1.0).contains(&quantile);
                ensure(good, "threshold.quantile", quantile, "between 0 and 1")?;
                ensure(most.is_finite() && most >= 1.0, "threshold.most", most, "at least 1")
            }
        }
    }

    /// The bounds that need no look at the numbers: they cost no pass of their own.
    pub(crate) fn fixed(self) -> Option<Limits> {
        let Self::Clip { lower, upper } = self else { return None };
        Some(Limits { lower: vec![lower], upper: vec![upper], divisor: vec![1.0] })
    }

    /// The guess within its own range, for [`Self::Dynamic`].
    pub(crate) fn dynamic(self, x0: Tensor) -> Result<Tensor> {
        let Self::Dynamic { quantile, most } = self else { return Ok(x0) };
        if !x0.device().is_cpu() {
            // A quantile is a matter for the host, and steps on a GPU must not wait for it.
            let expected = "none or clip on a GPU";
            return Err(Error::setting("threshold", self, expected));
        }
        let items = x0.dims().first().copied().unwrap_or(0);
        let mut ranges = Vec::with_capacity(items);
        for item in 0..items {
            let item = x0.get(item)?.to_dtype(DType::F64)?.flatten_all()?;
            let sizes: Vec<f64> = item.to_vec1::<f64>()?.into_iter().map(f64::abs).collect();
            ranges.push(quantile_of(sizes, quantile).clamp(1.0, most));
        }
        let lower = ranges.iter().map(|s| -s).collect();
        let limits = Limits { lower, upper: ranges.clone(), divisor: ranges };
        let at = |_| crate::level::Level::CLEAN;
        combine(vec![Term::new(1.0, &x0)], None, Some(&limits)).map_err(|fault| fault.at(at))
    }
}

/// Linear between order statistics, as in NumPy and PyTorch.
fn quantile_of(mut values: Vec<f64>, quantile: f64) -> f64 {
    if values.is_empty() {
        return 1.0;
    }
    let place = quantile * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (place - below as f64) * (high - low)
}
