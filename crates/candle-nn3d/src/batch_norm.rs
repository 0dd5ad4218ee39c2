//! Batch norm with running statistics.

use candle_core::{DType, ModuleT, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use crate::channels_last::ChannelsLast;
use crate::error::Error;

pub(crate) mod ops {
    use super::{ChannelsLast, DType, Error, Result, Tensor};
    use crate::affine::{check_eps, check_per_channel};
    use crate::grouped_norm::{normalised, normalised_by};
    use crate::kernels::activation::Identity;
    use crate::kernels::grouped_norm::Standard;
    use crate::kernels::moments::{Moments, NormShape};

    /// What a batch tells of the distribution of each channel.
    #[derive(Clone, Debug, PartialEq)]
    pub struct BatchStatistics {
        /// The mean of each channel.
        pub mean: Vec<f64>,
        /// The unbiased variance of each channel: divided by one less than the count.
        pub variance: Vec<f64>,
    }

    /// y = (x - mean) / √(variance + eps) · weight + bias, with mean and biased variance of each
    /// channel over the batch and all voxels; and the statistics for a running average.
    ///
    /// An item's result depends on the others of its batch, by definition.
    ///
    /// # Errors
    /// [`Error::Shape`] for a single voxel per channel, whose unbiased variance does not exist;
    /// [`Error::Shape`] and [`Error::DType`] unless weight and bias fit x; [`Error::Argument`]
    /// unless `eps` is finite and not negative.
    ///
    /// # Source
    /// S. Ioffe and C. Szegedy, "Batch normalization" (2015); PyTorch's `batch_norm`.
    pub fn batch_norm_train(
        x: &ChannelsLast,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(ChannelsLast, BatchStatistics)> {
        let (op, channels) = ("batch_norm_train", x.channels());
        let rows = x.tensor().elem_count() / channels;
        if rows < 2 {
            let expected = "more than one voxel per channel".to_owned();
            let found = x.tensor().dims().to_vec();
            return Err(Error::Shape { op, argument: "x", found, expected }.into());
        }
        let shape = NormShape { items: 1, rows, channels, groups: channels };
        let (y, moments) = normalised(op, x, shape, [weight, bias], eps, Identity)?;
        let unbiased = |m: &Moments| m.squares / (m.count - 1.0);
        let mean = moments.iter().map(|m| m.mean).collect();
        let variance = moments.iter().map(unbiased).collect();
        Ok((y, BatchStatistics { mean, variance }))
    }

    /// The same with a mean and a variance of each channel that are given, and get no gradient.
    ///
    /// # Shapes
    /// Mean, variance, weight and bias: `[c]`.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::DType`] unless they fit x; [`Error::Argument`] unless `eps` is
    /// finite and not negative.
    ///
    /// # Examples
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use candle_nn3d::{ChannelsLast, ops};
    /// let x = Tensor::new(&[5.0_f64, 6.0], &Device::Cpu)?.reshape((1, 1, 1, 1, 2))?;
    /// let mean = Tensor::new(&[1.0, 2.0], &Device::Cpu)?;
    /// let variance = Tensor::new(&[4.0, 1.0], &Device::Cpu)?;
    /// let y = ops::batch_norm_eval(&ChannelsLast::new(x)?, &mean, &variance, None, None, 0.0)?;
    /// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f64>()?, [2.0, 4.0]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn batch_norm_eval(
        x: &ChannelsLast,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<ChannelsLast> {
        let op = "batch_norm_eval";
        check_eps(op, eps)?;
        check_per_channel(op, "mean", x.tensor(), mean)?;
        check_per_channel(op, "variance", x.tensor(), variance)?;
        let numbers = |t: &Tensor| t.to_dtype(DType::F64)?.to_vec1::<f64>();
        let standards = numbers(mean)?
            .into_iter()
            .zip(numbers(variance)?)
            .map(|(mean, variance)| Standard { mean, rstd: 1.0 / (variance + eps).sqrt() })
            .collect();
        normalised_by(op, x, standards, [weight, bias])
    }
}

/// The settings of batch norm, with PyTorch's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance.
    pub eps: f64,
    /// The share of a new batch in the running statistics, from 0 to 1.
    pub momentum: f64,
    /// Whether there are a weight and a bias.
    pub affine: bool,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, affine: true }
    }
}

/// Batch norm; as a [`ModuleT`] on `[n, c, x, y, z]`.
///
/// The running statistics are variables: those of the store, if it holds variables, so that they
/// are saved with the weights. Their average is taken in f64 and rounded to their dtype.
#[derive(Clone, Debug)]
pub struct BatchNorm3d {
    affine: Option<(Tensor, Tensor)>,
    running_mean: Var,
    running_variance: Var,
    config: BatchNormConfig,
}

/// Batch norm with `weight`, `bias`, `running_mean` and `running_var` of `channels` numbers each,
/// initially ones, zeros, zeros and ones.
///
/// In a bf16 store the running statistics are f32: a tenth of a batch would be lost in bf16.
///
/// # Errors
/// [`Error::Argument`] for a momentum outside 0 to 1; when the store lacks a tensor or has it in
/// another shape.
pub fn batch_norm3d(
    channels: usize,
    config: BatchNormConfig,
    vb: VarBuilder<'_>,
) -> Result<BatchNorm3d> {
    if !(0.0..=1.0).contains(&config.momentum) {
        let (found, expected) = (config.momentum.to_string(), "a number from 0 to 1".to_owned());
        let (op, argument) = ("batch_norm3d", "momentum");
        return Err(Error::Argument { op, argument, found, expected }.into());
    }
    let get = |name: &str, value: f64| vb.get_with_hints(channels, name, Init::Const(value));
    let dtype = if vb.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let running = |name: &str, value: f64| {
        Var::from_tensor(&vb.get_with_hints_dtype(channels, name, Init::Const(value), dtype)?)
    };
    Ok(BatchNorm3d {
        affine: if config.affine { Some((get("weight", 1.0)?, get("bias", 0.0)?)) } else { None },
        running_mean: running("running_mean", 0.0)?,
        running_variance: running("running_var", 1.0)?,
        config,
    })
}

impl BatchNorm3d {
    /// Normalises by the running statistics, or in training by those of the batch, which then
    /// enter the running ones: `running · (1 - momentum) + batch · momentum`, with the unbiased
    /// variance.
    ///
    /// # Errors
    /// As [`crate::ops::batch_norm_train`] and [`crate::ops::batch_norm_eval`].
    pub fn forward_channels_last(&self, x: &ChannelsLast, train: bool) -> Result<ChannelsLast> {
        let (weight, bias) = self.affine.as_ref().map(|(w, b)| (w, b)).unzip();
        let (mean, variance) = (&self.running_mean, &self.running_variance);
        if !train {
            return ops::batch_norm_eval(x, mean, variance, weight, bias, self.config.eps);
        }
        // A mismatch must show before the running statistics change.
        crate::affine::check_per_channel("batch_norm_train", "running_mean", x.tensor(), mean)?;
        let (y, batch) = ops::batch_norm_train(x, weight, bias, self.config.eps)?;
        self.average(mean, batch.mean)?;
        self.average(variance, batch.variance)?;
        Ok(y)
    }

    /// The running mean of each channel.
    #[must_use]
    pub fn running_mean(&self) -> &Tensor {
        &self.running_mean
    }

    /// The running variance of each channel.
    #[must_use]
    pub fn running_variance(&self) -> &Tensor {
        &self.running_variance
    }

    fn average(&self, running: &Var, batch: Vec<f64>) -> Result<()> {
        let momentum = self.config.momentum;
        let old = running.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let new = |(old, batch): (f64, f64)| old * (1.0 - momentum) + batch * momentum;
        let new: Vec<f64> = old.into_iter().zip(batch).map(new).collect();
        let new = Tensor::from_vec(new, running.shape(), running.device())?;
        running.set(&new.to_dtype(running.dtype())?)
    }
}

impl ModuleT for BatchNorm3d {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x, train))
    }
}

#[cfg(test)]
mod tests;
