//! Batch norm with running statistics.

use candle_core::{DType, ModuleT, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use crate::channels_last::ChannelsLast;
use crate::error::Error;

pub(crate) mod ops {
    use super::{ChannelsLast, Error, Result, Tensor};
    use crate::affine::{check_eps, check_per_channel};
    use crate::grouped_norm::{Statistics, normalised, normalised_by};
    use crate::kernels::activation::Identity;
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
    /// An item's result depends on the others of its batch, by definition. On a GPU this waits for
    /// the statistics; [`BatchNorm3d`](crate::BatchNorm3d) keeps them there.
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
        let (y, [mean, variance]) = with_statistics(x, weight, bias, eps)?;
        let (mean, variance) = (mean.to_vec1()?, variance.to_vec1()?);
        Ok((y, BatchStatistics { mean, variance }))
    }

    /// [`batch_norm_train`] with mean and unbiased variance as f64 on the device of x.
    pub(super) fn with_statistics(
        x: &ChannelsLast,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(ChannelsLast, [Tensor; 2])> {
        let (op, channels) = ("batch_norm_train", x.channels());
        let rows = x.tensor().elem_count() / channels;
        if rows < 2 {
            let expected = "more than one voxel per channel".to_owned();
            let found = x.tensor().dims().to_vec();
            return Err(Error::Shape { op, argument: "x", found, expected }.into());
        }
        let shape = NormShape { items: 1, rows, channels, groups: channels };
        let (y, statistics) = normalised(op, x, shape, [weight, bias], eps, Identity)?;
        let of_batch = match statistics {
            Statistics::Host(moments) => {
                let unbiased = |m: &Moments| m.squares / (m.count - 1.0);
                let on_device = |of: &dyn Fn(&Moments) -> f64| {
                    let numbers: Vec<f64> = moments.iter().map(of).collect();
                    Tensor::from_vec(numbers, channels, x.tensor().device())
                };
                [on_device(&|m| m.mean)?, on_device(&unbiased)?]
            }
            #[cfg(feature = "cuda")]
            Statistics::Device(planes) => [planes.get(0)?, (planes.get(2)? / (rows as f64 - 1.0))?],
        };
        Ok((y, of_batch))
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
        normalised_by(op, x, [mean, variance], [weight, bias], eps)
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
        let (y, [of_batch, squared]) = ops::with_statistics(x, weight, bias, self.config.eps)?;
        self.average(mean, &of_batch)?;
        self.average(variance, &squared)?;
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

    /// Where the statistics are: nothing waits for a GPU.
    fn average(&self, running: &Var, batch: &Tensor) -> Result<()> {
        let momentum = self.config.momentum;
        let old = running.as_detached_tensor().to_dtype(DType::F64)?;
        let new = ((old * (1.0 - momentum))? + (batch * momentum)?)?;
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
