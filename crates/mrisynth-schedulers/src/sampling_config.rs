//! Schedule, prediction and sampler of one system, and those of the published ones.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::flow_schedule::{FlowSchedule, TimeShift};
use crate::forward_process::Variance;
use crate::level::Level;
use crate::network_denoiser::NetworkDenoiser;
use crate::prediction::{FlowDirection, Prediction};
use crate::sampler::SamplerConfig;
use crate::samplers::FlowMethod;
use crate::schedule::{Betas, Schedule, ScheduleConfig};
use crate::sigma_spacing::SigmaSpacing;
use crate::spacing::{Spacing, Terminal};
use crate::threshold::Threshold;
use crate::timestep::{Clock, TimestepConvention};

/// The process that a network was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Process {
    /// A table of levels.
    Diffusion {
        /// The table.
        schedule: ScheduleConfig,
        /// Which timesteps are visited.
        #[serde(default)]
        spacing: Spacing,
        /// Where the run ends.
        #[serde(default)]
        terminal: Terminal,
    },
    /// A table of levels, visited at spaced σ between its entries.
    DiffusionInSigma {
        /// The table, for the timesteps.
        schedule: ScheduleConfig,
        /// The levels.
        sigmas: SigmaSpacing,
    },
    /// A rectified flow.
    Flow {
        /// T, the training steps that the network counts.
        training_steps: usize,
        /// The levels.
        schedule: FlowSchedule,
    },
    /// Levels of spaced σ, told to the network as `¼ ln σ`.
    Edm {
        /// The levels.
        sigmas: SigmaSpacing,
    },
}

/// All that says how a trained network is sampled from; `Default` is DDPM's with all 1000 steps.
///
/// # Source
/// Ho et al. 2020 (DDPM) section 4; the other papers under [`SamplingPreset`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// The process.
    pub process: Process,
    /// What the network predicts.
    pub prediction: Prediction,
    /// How it is told the level.
    pub timesteps: TimestepConvention,
    /// What is done to x̂₀.
    pub threshold: Threshold,
    /// The sampler.
    pub sampler: SamplerConfig,
    /// The number of steps.
    pub steps: usize,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        let process = Process::Diffusion {
            schedule: ScheduleConfig::default(),
            spacing: Spacing::default(),
            terminal: Terminal::default(),
        };
        Self {
            process,
            prediction: Prediction::Epsilon,
            timesteps: TimestepConvention::Integer,
            threshold: Threshold::UNIT,
            sampler: SamplerConfig::default(),
            steps: 1000,
        }
    }
}

impl SamplingConfig {
    /// The levels of the run, one more than its steps.
    ///
    /// # Errors
    /// Those of the schedule and of the spacing.
    pub fn levels(&self) -> Result<Vec<Level>> {
        match &self.process {
            Process::Diffusion { schedule, spacing, terminal } => {
                Schedule::new(schedule)?.run_levels(spacing, self.steps, *terminal)
            }
            Process::DiffusionInSigma { sigmas, .. } | Process::Edm { sigmas } => {
                sigmas.levels(self.steps)
            }
            Process::Flow { training_steps, schedule } => {
                if self.steps > *training_steps {
                    return Err(Error::Steps { found: self.steps, most: *training_steps });
                }
                schedule.levels(self.steps)
            }
        }
    }

    /// The denoiser around a network.
    ///
    /// # Errors
    /// Those of the schedule, and settings outside their domain.
    pub fn denoiser<F>(&self, network: F) -> Result<NetworkDenoiser<F>>
    where
        F: Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
    {
        let clock = match &self.process {
            Process::Diffusion { schedule, .. } | Process::DiffusionInSigma { schedule, .. } => {
                Clock::Table(Schedule::new(schedule)?)
            }
            Process::Flow { training_steps, .. } => Clock::Flow { steps: *training_steps },
            Process::Edm { .. } => Clock::LogSigma,
        };
        let denoiser = NetworkDenoiser::new(network, self.prediction, clock)?;
        denoiser.with_convention(self.timesteps).with_threshold(self.threshold)
    }
}

/// The published 3-D MRI systems, as they were sampled from.
///
/// # Source
/// Named by variant; MONAI's timesteps were those of its releases before 1.6, leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SamplingPreset {
    /// Dorjsembe et al. 2024 (Med-DDPM): cosine, 250 of 250 steps of DDPM, x̂₀ within ±1.
    MedDdpm,
    /// The pixel-space DDPM of HC@AIxIA 2024 (PMC12628488): scaled linear 0.0005 to 0.0195, 1000 of
    /// 1000 steps of DDPM; MONAI's defaults else, x̂₀ within ±1.
    BariDdpm,
    /// Pinaya et al. 2022 (BrainLDM): scaled linear 0.0015 to 0.0205, 50 steps of DDIM.
    BrainLdm,
    /// MONAI's `brats_mri_generative_diffusion`: scaled linear 0.0015 to 0.0195, 50 steps of DDIM.
    BratsLdm,
    /// NV-Generate-CTMR (MAISI-v2): rectified flow, 30 steps, shifted by the resolution of the
    /// latent, given in voxels. v points towards the data.
    MaisiRflow {
        /// Voxels of the latent.
        voxels: usize,
    },
}

impl SamplingPreset {
    /// The configuration.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_schedulers::SamplingPreset;
    /// let levels = SamplingPreset::MedDdpm.config().levels()?;
    /// assert_eq!(levels.len(), 251);
    /// # Ok::<(), mrisynth_schedulers::Error>(())
    /// ```
    #[must_use]
    pub fn config(self) -> SamplingConfig {
        let scaled = |start, end| Betas::ScaledLinear { start, end };
        let ddim = SamplerConfig::Ddim { eta: 0.0 };
        let ddpm = SamplerConfig::Ddpm { variance: Variance::FixedSmall };
        let diffusion = |trained, betas, sampler, steps, threshold| SamplingConfig {
            process: Process::Diffusion {
                schedule: ScheduleConfig { steps: trained, betas, ..Default::default() },
                spacing: Spacing::Leading { offset: 0 },
                terminal: Terminal::Clean,
            },
            sampler,
            steps,
            threshold,
            ..Default::default()
        };
        match self {
            Self::MedDdpm => diffusion(250, Betas::COSINE, ddpm, 250, Threshold::UNIT),
            Self::BariDdpm => diffusion(1000, scaled(0.0005, 0.0195), ddpm, 1000, Threshold::UNIT),
            Self::BrainLdm => diffusion(1000, scaled(0.0015, 0.0205), ddim, 50, Threshold::None),
            Self::BratsLdm => diffusion(1000, scaled(0.0015, 0.0195), ddim, 50, Threshold::None),
            Self::MaisiRflow { voxels } => {
                let shift = TimeShift::Resolution {
                    voxels,
                    base_voxels: 32 * 32 * 32,
                    axes: 3,
                    scale: 1.0,
                };
                SamplingConfig {
                    process: Process::Flow {
                        training_steps: 1000,
                        schedule: FlowSchedule { shift },
                    },
                    prediction: Prediction::Flow { direction: FlowDirection::TowardsData },
                    timesteps: TimestepConvention::Integer,
                    threshold: Threshold::None,
                    sampler: SamplerConfig::Flow { method: FlowMethod::Euler },
                    steps: 30,
                }
            }
        }
    }
}
