//! The loss of logits on a GPU, by the kernels of candle-nn3d.

use candle_core::Tensor;
use candle_nn3d::ChannelsLast;
use candle_nn3d::gpu::{DiceCrossEntropySettings, dice_cross_entropy};

use super::{DiceCrossEntropy, TargetClasses};
use crate::error::Result;

impl DiceCrossEntropy {
    /// [`loss`](Self::loss) of what has been checked already.
    pub(super) fn on_gpu(&self, logits: Tensor, target: &TargetClasses) -> Result<Tensor> {
        let Self { dice, cross_entropy, smooth, background, batch } = *self;
        let settings = DiceCrossEntropySettings { dice, cross_entropy, smooth, background, batch };
        Ok(dice_cross_entropy(&ChannelsLast::new(logits)?, target.classes(), settings)?)
    }
}
