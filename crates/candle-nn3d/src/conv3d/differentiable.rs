//! Convolution and transposed convolution as candle records them: each is the other's input gradient.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::arithmetic;
#[cfg(feature = "cuda")]
use super::gpu_arithmetic::{self as on_gpu, Addends};
use crate::conv_shape::ConvShape;
use crate::kernels::conv3d::Conv3dAlgorithm;

/// The convolution of this shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    pub(super) shape: ConvShape,
    pub(super) algorithm: Conv3dAlgorithm,
}

/// The input gradient of the convolution of this shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transposed {
    pub(super) shape: ConvShape,
    pub(super) algorithm: Conv3dAlgorithm,
}

/// The weight gradient of the convolution of this shape, from its input and its output's gradient.
#[derive(Clone, Copy, Debug)]
struct WeightGradient {
    shape: ConvShape,
    algorithm: Conv3dAlgorithm,
}

/// The sum over all voxels, channel by channel: the gradient of a bias.
#[derive(Clone, Copy, Debug)]
struct ChannelSums;

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "conv3d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { shape, algorithm } = self;
        let y =
            arithmetic::forward(shape, *algorithm, (x, x_layout), (weight, weight_layout), None)?;
        Ok((y, channels_last(shape.batch, shape.output, shape.c_out)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let y = on_gpu::forward(
            &self.shape,
            (x, x_layout),
            (weight, weight_layout),
            Addends::default(),
        )?;
        Ok((y, channels_last(self.shape.batch, self.shape.output, self.shape.c_out)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let Self { shape, algorithm } = *self;
        let dx =
            x.track_op().then(|| dy.apply_op2_no_bwd(weight, &Transposed { shape, algorithm }));
        let dw = weight
            .track_op()
            .then(|| x.apply_op2_no_bwd(&dy, &WeightGradient { shape, algorithm }));
        Ok((dx.transpose()?, dw.transpose()?))
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "conv3d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { shape, algorithm } = self;
        let bias = Some((bias, bias_layout));
        let y =
            arithmetic::forward(shape, *algorithm, (x, x_layout), (weight, weight_layout), bias)?;
        Ok((y, channels_last(shape.batch, shape.output, shape.c_out)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let addends = Addends { bias: Some((bias, bias_layout)), ..Addends::default() };
        let y = on_gpu::forward(&self.shape, (x, x_layout), (weight, weight_layout), addends)?;
        Ok((y, channels_last(self.shape.batch, self.shape.output, self.shape.c_out)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = CustomOp2::bwd(self, x, weight, y, &dy)?;
        let db = bias.track_op().then(|| dy.apply_op1_no_bwd(&ChannelSums));
        Ok((dx, dw, db.transpose()?))
    }
}

impl CustomOp2 for Transposed {
    fn name(&self) -> &'static str {
        "conv_transpose3d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { shape, algorithm } = self;
        let y = arithmetic::input_gradient(
            shape,
            *algorithm,
            (x, x_layout),
            (weight, weight_layout),
            None,
        )?;
        Ok((y, channels_last(shape.batch, shape.input, shape.c_in)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let y = on_gpu::input_gradient(
            &self.shape,
            (x, x_layout),
            (weight, weight_layout),
            Addends::default(),
        )?;
        Ok((y, channels_last(self.shape.batch, self.shape.input, self.shape.c_in)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let Self { shape, algorithm } = *self;
        let dx =
            x.track_op().then(|| dy.apply_op2_no_bwd(weight, &Convolution { shape, algorithm }));
        // Its output is what the convolution of this shape would read.
        let dw =
            weight.track_op().then(|| dy.apply_op2_no_bwd(x, &WeightGradient { shape, algorithm }));
        Ok((dx.transpose()?, dw.transpose()?))
    }
}

impl CustomOp3 for Transposed {
    fn name(&self) -> &'static str {
        "conv_transpose3d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { shape, algorithm } = self;
        let bias = Some((bias, bias_layout));
        let y = arithmetic::input_gradient(
            shape,
            *algorithm,
            (x, x_layout),
            (weight, weight_layout),
            bias,
        )?;
        Ok((y, channels_last(shape.batch, shape.input, shape.c_in)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let addends = Addends { bias: Some((bias, bias_layout)), ..Addends::default() };
        let y =
            on_gpu::input_gradient(&self.shape, (x, x_layout), (weight, weight_layout), addends)?;
        Ok((y, channels_last(self.shape.batch, self.shape.input, self.shape.c_in)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, dw) = CustomOp2::bwd(self, x, weight, y, &dy)?;
        let db = bias.track_op().then(|| dy.apply_op1_no_bwd(&ChannelSums));
        Ok((dx, dw, db.transpose()?))
    }
}

impl CustomOp2 for WeightGradient {
    fn name(&self) -> &'static str {
        "conv3d-weight-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        dy: &CpuStorage,
        dy_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Self { shape, algorithm } = self;
        let dw = arithmetic::weight_gradient(shape, *algorithm, (x, x_layout), (dy, dy_layout))?;
        let [kx, ky, kz] = shape.kernel;
        Ok((dw, Shape::from((shape.c_out, shape.c_in_per_group(), kx, ky, kz))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        dy: &CudaStorage,
        dy_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let dw = on_gpu::weight_gradient(&self.shape, (x, x_layout), (dy, dy_layout))?;
        let [kx, ky, kz] = self.shape.kernel;
        Ok((dw, Shape::from((self.shape.c_out, self.shape.c_in_per_group(), kx, ky, kz))))
    }
}

impl CustomOp1 for ChannelSums {
    fn name(&self) -> &'static str {
        "channel-sums"
    }

    fn cpu_fwd(&self, dy: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, x, y, z, c) = layout.shape().dims5()?;
        Ok((arithmetic::channel_sums((n, x * y * z, c), (dy, layout))?, Shape::from(c)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, dy: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (.., c) = layout.shape().dims5()?;
        Ok((on_gpu::channel_sums(c, (dy, layout))?, Shape::from(c)))
    }
}

pub(super) fn channels_last(batch: usize, [x, y, z]: [usize; 3], c: usize) -> Shape {
    Shape::from((batch, x, y, z, c))
}
