//! The arithmetic of convolutions on candle's storage on a GPU, whatever its dtype.

use candle_core::backend::BackendStorage;
use candle_core::{CudaStorage, Result};

use crate::conv_shape::ConvShape;
use crate::cuda::convolution::Cudnn;
use crate::cuda::gpu::Gpu;
use crate::cuda::tensors::{Operand, slice};
use crate::cuda::{channels, convolution};
use crate::dense::for_dtype;

const OP: &str = "conv3d";

/// What is added to a convolution in the pass after it.
#[derive(Clone, Copy, Default)]
pub(super) struct Addends<'a> {
    /// `[c]`
    pub(super) bias: Option<Operand<'a>>,
    /// `[batch, c]`
    pub(super) item_bias: Option<Operand<'a>>,
    /// As the result.
    pub(super) residual: Option<Operand<'a>>,
}

impl<'a> Addends<'a> {
    fn slices<T: crate::cuda::machine::Number>(self) -> Result<channels::Addends<'a, Gpu, T>> {
        let slice = |operand: Option<Operand<'a>>| operand.map(|x| slice(OP, x)).transpose();
        Ok(channels::Addends {
            bias: slice(self.bias)?,
            item_bias: slice(self.item_bias)?,
            residual: slice(self.residual)?,
        })
    }
}

pub(super) fn forward(
    shape: &ConvShape,
    x: Operand<'_>,
    weight: Operand<'_>,
    addends: Addends<'_>,
) -> Result<CudaStorage> {
    for_dtype!(OP, x.0.dtype(), T => {
        let (gpu, addends) = (Gpu::of(x.0), addends.slices::<T>()?);
        let y = convolution::forward((&gpu, &Cudnn(&gpu)), shape, slice(OP, x)?, slice(OP, weight)?, addends)?;
        Ok(gpu.storage(y))
    })
}

pub(super) fn input_gradient(
    shape: &ConvShape,
    dy: Operand<'_>,
    weight: Operand<'_>,
    addends: Addends<'_>,
) -> Result<CudaStorage> {
    for_dtype!(OP, dy.0.dtype(), T => {
        let (gpu, addends) = (Gpu::of(dy.0), addends.slices::<T>()?);
        let (dy, weight) = (slice(OP, dy)?, slice(OP, weight)?);
        let dx = convolution::input_gradient((&gpu, &Cudnn(&gpu)), shape, dy, weight, addends)?;
        Ok(gpu.storage(dx))
    })
}

pub(super) fn weight_gradient(
    shape: &ConvShape,
    x: Operand<'_>,
    dy: Operand<'_>,
) -> Result<CudaStorage> {
    for_dtype!(OP, x.0.dtype(), T => {
        let gpu = Gpu::of(x.0);
        let (x, dy) = (slice::<T>(OP, x)?, slice(OP, dy)?);
        Ok(gpu.storage(convolution::weight_gradient((&gpu, &Cudnn(&gpu)), shape, x, dy)?))
    })
}

/// The sum over all voxels, channel by channel.
pub(super) fn channel_sums(c: usize, dy: Operand<'_>) -> Result<CudaStorage> {
    for_dtype!(OP, dy.0.dtype(), T => {
        let gpu = Gpu::of(dy.0);
        let sums = channels::channel_sums::<_, T>(&gpu, c, slice(OP, dy)?)?;
        Ok(gpu.storage(sums))
    })
}
