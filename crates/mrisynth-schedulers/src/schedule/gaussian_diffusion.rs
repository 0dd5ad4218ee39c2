//! The thirteen tables that checkpoints of the `GaussianDiffusion` family carry.

use std::collections::BTreeMap;

use super::Schedule;
use crate::error::{Error, Result};

/// The names of the tables, as checkpoints have them.
pub const GAUSSIAN_DIFFUSION_BUFFERS: [&str; 13] = [
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "betas",
    "log_one_minus_alphas_cumprod",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "posterior_mean_coef3",
    "posterior_variance",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
];

/// A table of a checkpoint that is not the schedule's.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferDifference {
    /// Its name.
    pub name: String,
    /// The timestep of the largest difference, relative to the larger of 1 and the value.
    pub timestep: usize,
    /// What the checkpoint has there.
    pub found: f32,
    /// What the schedule has there.
    pub expected: f32,
}

impl Schedule {
    /// The tables that a checkpoint of the `GaussianDiffusion` family stores with its weights,
    /// computed in `f64` and rounded once.
    ///
    /// With `ᾱ' = ᾱ[t − 1]`, 1 for the first: variance `β (1 − ᾱ') / (1 − ᾱ)`; `coef1 = β √ᾱ' /
    /// (1 − ᾱ)` of x₀, `coef2 = (1 − ᾱ') √α / (1 − ᾱ)` of x_t, `coef3 = 1 − coef2`; the logarithm is
    /// that of the variance, at least 10⁻²⁰.
    ///
    /// # Source
    /// Ho et al. 2020 (DDPM) eq. 6–7. The third coefficient stands in Med-DDPM's checkpoints and in
    /// no paper; its formula was found from their numbers, which it meets to rounding.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_schedulers::{Betas, Schedule, ScheduleConfig};
    /// let config = ScheduleConfig { steps: 250, betas: Betas::COSINE, ..Default::default() };
    /// let buffers = Schedule::new(&config)?.gaussian_diffusion_buffers();
    /// assert_eq!(buffers["betas"][249], 0.999);
    /// # Ok::<(), mrisynth_schedulers::Error>(())
    /// ```
    #[must_use]
    pub fn gaussian_diffusion_buffers(&self) -> BTreeMap<&'static str, Vec<f32>> {
        let mut tables: BTreeMap<_, Vec<f32>> = BTreeMap::new();
        let mut before = 1.0;
        for (&beta, &alpha_bar) in self.betas.iter().zip(&self.alphas_cumprod) {
            for (name, value) in GAUSSIAN_DIFFUSION_BUFFERS.iter().zip(row(beta, alpha_bar, before))
            {
                tables.entry(*name).or_default().push(value as f32);
            }
            before = alpha_bar;
        }
        tables
    }

    /// Where the tables of a checkpoint differ from this schedule's by more than `tolerance` of the
    /// larger of 1 and the value: nothing, if it was trained with this schedule.
    ///
    /// # Errors
    /// [`Error::Setting`] for a table that is missing or of another length.
    pub fn compare_gaussian_diffusion_buffers(
        &self,
        buffers: &BTreeMap<String, Vec<f32>>,
        tolerance: f64,
    ) -> Result<Vec<BufferDifference>> {
        let mut differences = Vec::new();
        for (name, expected) in self.gaussian_diffusion_buffers() {
            let found = buffers
                .get(name)
                .ok_or_else(|| Error::setting(name, "missing", "a table of the checkpoint"))?;
            if found.len() != expected.len() {
                let steps = format!("{} numbers, one per step", expected.len());
                return Err(Error::setting(name, found.len(), steps));
            }
            let apart = |t: usize| {
                let (found, expected) = (f64::from(found[t]), f64::from(expected[t]));
                let apart = (found - expected).abs() / expected.abs().max(1.0);
                if apart.is_nan() { f64::INFINITY } else { apart }
            };
            let worst = (0..found.len()).max_by(|&a, &b| apart(a).total_cmp(&apart(b)));
            if let Some(t) = worst.filter(|&t| apart(t) > tolerance) {
                differences.push(BufferDifference {
                    name: name.to_owned(),
                    timestep: t,
                    found: found[t],
                    expected: expected[t],
                });
            }
        }
        Ok(differences)
    }
}

/// The tables at one timestep, in the order of the names.
fn row(beta: f64, alpha_bar: f64, before: f64) -> [f64; 13] {
    let noise = 1.0 - alpha_bar;
    let variance = beta * (1.0 - before) / noise;
    let of_x = (1.0 - before) * (1.0 - beta).sqrt() / noise;
    [
        alpha_bar,
        before,
        beta,
        noise.ln(),
        variance.max(1e-20).ln(),
        beta * before.sqrt() / noise,
        of_x,
        1.0 - of_x,
        variance,
        alpha_bar.sqrt(),
        noise.sqrt(),
        alpha_bar.sqrt().recip(),
        (alpha_bar.recip() - 1.0).sqrt(),
    ]
}
