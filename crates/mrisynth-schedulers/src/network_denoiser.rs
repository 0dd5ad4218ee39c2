//! From a network with its prediction type and timesteps to a denoiser.

use std::fmt;

use candle_core::{DType, Device, Tensor};

use crate::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::fused::{Term, combine};
use crate::level::Level;
use crate::prediction::{Preconditioning, Prediction};
use crate::threshold::Threshold;
use crate::timestep::{Clock, TimestepConvention};

/// `x̂₀ = threshold(skip · x + out · network(input · x, timestep))`, one pass over memory, two where
/// the input must be scaled.
///
/// The network is a function of the scaled sample and the timesteps `[b]`: `f64` for `f64` samples,
/// else `f32` (bf16 does not hold whole numbers above 256), on the CPU wherever the sample is: networks
/// make waves of them there. A condition is captured.
///
/// # Source
/// Karras et al. 2022 (EDM) eq. 7; [`Prediction`] names the source of each kind.
///
/// # Examples
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mrisynth_schedulers::*;
/// let clock = Clock::Table(Schedule::new(&ScheduleConfig::default())?);
/// // A network that always predicts no noise.
/// let network = |x: &Tensor, _t: &Tensor| x.zeros_like();
/// let denoiser = NetworkDenoiser::new(network, Prediction::Epsilon, clock)?;
/// let x = Tensor::full(0.6_f64, (1, 1, 2, 2, 2), &Device::Cpu)?;
/// let x0 = denoiser.denoise(&x, &[Level::from_alpha_bar(0.36)])?;
/// assert!((x0.flatten_all()?.to_vec1::<f64>()?[0] - 1.0).abs() < 1e-15);
/// # Ok::<(), mrisynth_schedulers::Error>(())
/// ```
#[derive(Clone)]
pub struct NetworkDenoiser<F> {
    network: F,
    prediction: Prediction,
    clock: Clock,
    convention: TimestepConvention,
    threshold: Threshold,
}

impl<F: Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>> NetworkDenoiser<F> {
    /// A denoiser with whole timesteps and no threshold.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `sigma_data` that is no deviation.
    pub fn new(network: F, prediction: Prediction, clock: Clock) -> Result<Self> {
        prediction.preconditioning(Level::variance_preserving(1.0))?;
        let convention = TimestepConvention::default();
        Ok(Self { network, prediction, clock, convention, threshold: Threshold::None })
    }

    /// The same, told the level otherwise.
    #[must_use]
    pub fn with_convention(self, convention: TimestepConvention) -> Self {
        Self { convention, ..self }
    }

    /// The same, with its guess kept within a range.
    ///
    /// # Errors
    /// As for [`Threshold::check`].
    pub fn with_threshold(self, threshold: Threshold) -> Result<Self> {
        threshold.check()?;
        Ok(Self { threshold, ..self })
    }

    fn timesteps(&self, x: &Tensor, levels: &[Level]) -> Result<Tensor> {
        let times = levels.iter().map(|&level| self.clock.timestep(level, self.convention));
        let times = Tensor::new(times.collect::<Result<Vec<f64>>>()?, &Device::Cpu)?;
        Ok(if x.dtype() == DType::F64 { times } else { times.to_dtype(DType::F32)? })
    }
}

impl<F: Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>> Denoiser for NetworkDenoiser<F> {
    fn denoise(&self, x: &Tensor, levels: &[Level]) -> Result<Tensor> {
        let items = x.dims().first().copied().unwrap_or(0);
        if levels.len() != items {
            let expected = format!("{items}, one per batch item");
            return Err(Error::setting("levels", levels.len(), expected));
        }
        let scalars: Vec<Preconditioning> = levels
            .iter()
            .map(|&level| self.prediction.preconditioning(level))
            .collect::<Result<_>>()?;
        let of = |pick: fn(&Preconditioning) -> f64| scalars.iter().map(pick).collect::<Vec<_>>();
        let at = |item: usize| levels[item];
        let inputs = of(|c| c.input);
        let timesteps = self.timesteps(x, levels)?;
        let output = if inputs.iter().all(|&input| input == 1.0) {
            (self.network)(x, &timesteps)?
        } else {
            let scaled = combine(vec![Term::per_item(inputs, x)], None, None);
            (self.network)(&scaled.map_err(|fault| fault.at(at))?, &timesteps)?
        };
        let terms = vec![
            Term::per_item(of(|c| c.out), &output).checked(),
            Term::per_item(of(|c| c.skip), x),
        ];
        let x0 = combine(terms, None, self.threshold.fixed().as_ref());
        self.threshold.dynamic(x0.map_err(|fault| fault.at(at))?)
    }
}

impl<F> fmt::Debug for NetworkDenoiser<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkDenoiser")
            .field("prediction", &self.prediction)
            .field("convention", &self.convention)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}
