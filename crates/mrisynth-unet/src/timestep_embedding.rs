//! Timesteps as vectors of sines and cosines.

use candle_core::{DType, Result, Tensor};

/// `[cos(t·ω_i) …, sin(t·ω_i) …]` with ω_i = `max_period`^(−i / half), i = 0 … half − 1; computed
/// in f64 and rounded once to f32. An odd `dim` ends in a zero.
///
/// # Shapes
/// `timesteps` `[n]` of any number type, result `[n, dim]`, f32.
///
/// # Source
/// Vaswani et al. 2017, section 3.5, as guided-diffusion and MONAI order it (cosines first). They
/// compute the frequencies in f32; the difference is below 1e-4 of a radian at t = 1000.
///
/// # Errors
/// candle's, unless `timesteps` is a vector.
pub(crate) fn timestep_embedding(
    timesteps: &Tensor,
    dim: usize,
    max_period: f64,
) -> Result<Tensor> {
    let times = timesteps.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let half = dim / 2;
    let frequency = |i: usize| (-max_period.ln() * i as f64 / half as f64).exp();
    let frequencies: Vec<f64> = (0..half).map(frequency).collect();
    let mut values = Vec::with_capacity(times.len() * dim);
    for t in &times {
        values.extend(frequencies.iter().map(|omega| (t * omega).cos() as f32));
        values.extend(frequencies.iter().map(|omega| (t * omega).sin() as f32));
        values.resize(values.len() + dim % 2, 0.0);
    }
    Tensor::from_vec(values, (times.len(), dim), timesteps.device())
}
