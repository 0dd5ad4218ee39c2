//! The loss on a GPU, by kernels of candle-nn3d.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};
use candle_nn3d::gpu::{DiceLoss, DiceWeights};

use super::{DiceCrossEntropy, TargetClasses};

pub(super) fn loss(
    loss: &DiceCrossEntropy,
    logits: &Tensor,
    target: &TargetClasses,
) -> Result<Tensor> {
    let DiceCrossEntropy { dice, cross_entropy, smooth, background, batch } = *loss;
    let weights = DiceWeights { dice, cross_entropy, smooth, background, batch };
    logits.apply_op1(Operation(DiceLoss::new(weights, logits, target.classes())?))
}

struct Operation(DiceLoss);

impl CustomOp1 for Operation {
    fn name(&self) -> &'static str {
        "dice_cross_entropy"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        candle_core::bail!("dice_cross_entropy: the loss is on a GPU, its logits are not")
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        let (storage, layout) = self.0.value().storage_and_layout();
        match &*storage {
            Storage::Cuda(value) => Ok((value.try_clone(layout)?, Shape::from(()))),
            _ => candle_core::bail!("dice_cross_entropy: the loss is not on a GPU"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        self.0.gradient(upstream).map(Some)
    }
}
