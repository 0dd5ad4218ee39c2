//! Timesteps as vectors of sines and cosines.

use candle_core::{DType, Device, Result, Tensor};

/// `[cos(t·ω_i) …, sin(t·ω_i) …]` with ω_i = `max_period`^(−i / half), i = 0 … half − 1; computed
/// in f64 and rounded once to f32. An odd `dim` ends in a zero.
///
/// # Shapes
/// `timesteps` `[n]` of any number type, best on the CPU, where the waves are made; the result
/// `[n, dim]`, f32, on the device.
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
    device: &Device,
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
    Tensor::from_vec(values, (times.len(), dim), device)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn cosines_come_first_and_the_frequencies_fall_from_one() {
        let times = Tensor::new(&[0_i64, 2], &Device::Cpu).unwrap();
        let got = timestep_embedding(&times, 4, 10_000.0, &Device::Cpu)
            .unwrap()
            .to_vec2::<f32>()
            .unwrap();
        // Frequencies 1 and 10,000^(-1/2) = 0.01.
        let want = [2.0_f64.cos(), 0.02_f64.cos(), 2.0_f64.sin(), 0.02_f64.sin()];
        assert_eq!(got, [[1.0, 1.0, 0.0, 0.0], want.map(|v| v as f32)]);
    }

    #[test]
    fn the_period_is_that_of_the_slowest_frequency_nearly() {
        let times = Tensor::new(&[100.0_f32], &Device::Cpu).unwrap();
        let got =
            timestep_embedding(&times, 6, 1_000.0, &Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
        for i in 0..3 {
            let phase = 100.0 * 1_000.0_f64.powf(-f64::from(i) / 3.0);
            assert!((f64::from(got[0][i as usize]) - phase.cos()).abs() < 1e-7);
            assert!((f64::from(got[0][i as usize + 3]) - phase.sin()).abs() < 1e-7);
        }
    }

    #[test]
    fn an_odd_length_ends_in_a_zero_and_fractions_of_a_step_are_steps_too() {
        let times = Tensor::new(&[0.5_f64], &Device::Cpu).unwrap();
        let got =
            timestep_embedding(&times, 3, 10.0, &Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(got, [[0.5_f64.cos() as f32, 0.5_f64.sin() as f32, 0.0]]);
        assert!(timestep_embedding(&times.unsqueeze(0).unwrap(), 3, 10.0, &Device::Cpu).is_err());
    }

    #[test]
    fn a_single_number_is_zero() {
        let times = Tensor::new(&[7_i64], &Device::Cpu).unwrap();
        assert_eq!(
            timestep_embedding(&times, 1, 10.0, &Device::Cpu).unwrap().to_vec2::<f32>().unwrap(),
            [[0.0]]
        );
    }
}
