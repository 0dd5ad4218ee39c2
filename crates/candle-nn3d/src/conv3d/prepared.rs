//! A convolution whose weights are in the kernels' own form.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Module, Result, Shape, Tensor};

use super::arithmetic;
use crate::channels_last::ChannelsLast;
use crate::conv_shape::{Conv3dConfig, ConvShape};
use crate::error::Error;

/// A convolution layer for inference, made by [`Conv3d::prepared`](super::Conv3d::prepared).
///
/// Its weights are no tensors any more, so it cannot be trained: a backward pass through it is an
/// error. bf16 activations are computed in f32 and rounded once.
#[derive(Clone, Debug)]
pub struct PreparedConv3d(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    /// The original's shape.
    weight_shape: [usize; 5],
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    config: Conv3dConfig,
    dtype: DType,
}

impl PreparedConv3d {
    pub(super) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: &Conv3dConfig,
        [x, y, z]: [usize; 3],
    ) -> Result<Self> {
        const OP: &str = "conv3d";
        let dtype = weight.dtype();
        if !matches!(dtype, DType::F32 | DType::BF16) {
            let (found, expected) = (dtype.as_str().to_owned(), "f32 or bf16".to_owned());
            return Err(Error::DType { op: OP, argument: "weight", found, expected }.into());
        }
        let weight_shape = super::op::rank_5(OP, weight)?;
        let c_in = weight_shape[1].saturating_mul(config.groups);
        ConvShape::new([1, x, y, z, c_in], weight_shape, config)?;
        if let Some(bias) = bias {
            super::op::check_bias(OP, bias, weight, weight_shape[0])?;
        }
        let values = |t: &Tensor| t.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let (weight, bias) = (values(weight)?, bias.map(values).transpose()?);
        Ok(Self(Arc::new(Prepared { weight_shape, weight, bias, config: *config, dtype })))
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// As [`ops::conv3d`](crate::ops::conv3d).
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        let (dtype, x) = (self.0.dtype, x.tensor());
        if x.dtype() != dtype {
            let found = x.dtype().as_str().to_owned();
            let expected = format!("{}, as the weight was", dtype.as_str());
            return Err(Error::DType { op: "conv3d", argument: "x", found, expected }.into());
        }
        let shape = ConvShape::new(x.dims5()?.into(), self.0.weight_shape, &self.0.config)?;
        ChannelsLast::new(x.apply_op1(Inference { shape, layer: self.0.clone() })?)
    }

    /// Bytes that the weights and the bias occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<f32>() * (self.0.weight.len() + self.0.bias.as_ref().map_or(0, Vec::len))
    }
}

impl Module for PreparedConv3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// The layer on one input; without a backward pass, which candle reports as an error.
struct Inference {
    shape: ConvShape,
    layer: Arc<Prepared>,
}

impl CustomOp1 for Inference {
    fn name(&self) -> &'static str {
        "prepared conv3d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (shape, layer) = (&self.shape, &self.layer);
        let y =
            arithmetic::forward_prepared(shape, (x, layout), &layer.weight, layer.bias.as_deref())?;
        Ok((y, super::op::channels_last(shape.batch, shape.output, shape.c_out)))
    }
}
