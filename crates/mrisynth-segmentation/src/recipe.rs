//! How a network is trained.

use candle_nn3d::{Decay, LearningRate, OptimiserConfig, SgdSettings};
use serde::{Deserialize, Serialize};

use crate::dice_cross_entropy::DiceCrossEntropy;
use crate::error::{Error, Result};
use crate::patch_sampler::PatchConfig;

/// How a network is trained; everything but the network and the scans.
///
/// # Source
/// The defaults are nnU-Net v2's: Dice and cross-entropy with deep supervision, SGD with Nesterov
/// momentum 0.99 and weight decay 3e-5, a rate of 0.01 that falls polynomially (power 0.9) over 250,000
/// steps, gradients clipped at norm 12.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// What all patches and initial weights are drawn from.
    pub seed: u64,
    /// Which patches, and what is done to them.
    pub patches: PatchConfig,
    /// The loss at each resolution.
    pub loss: DiceCrossEntropy,
    /// How parameters follow their gradients.
    pub optimiser: OptimiserConfig,
    /// How far.
    pub learning_rate: LearningRate,
    /// The norm that gradients are clipped at.
    pub clip: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        let descent =
            SgdSettings { momentum: 0.99, dampening: 0.0, nesterov: true, weight_decay: 3e-5 };
        let decay = Decay::Polynomial { steps: 250_000, power: 0.9, floor: 0.0 };
        Self {
            seed: 0,
            patches: PatchConfig::default(),
            loss: DiceCrossEntropy::default(),
            optimiser: OptimiserConfig::Sgd(descent),
            learning_rate: LearningRate { peak: 1e-2, warm_up_steps: 0, decay },
            clip: 12.0,
        }
    }
}

impl Recipe {
    pub(crate) fn check(&self) -> Result<()> {
        self.learning_rate.check()?;
        if self.clip.is_nan() || self.clip <= 0.0 {
            return Err(Error::config("clip", self.clip, "above 0"));
        }
        Ok(())
    }
}
