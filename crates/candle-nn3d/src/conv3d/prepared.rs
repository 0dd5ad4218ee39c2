//! A convolution whose weights are in the kernels' own form.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Module, Result, Shape, Tensor};

use super::arithmetic;
use super::differentiable::channels_last;
use super::op::{check_bias, rank_5};
use crate::channels_last::ChannelsLast;
use crate::conv_shape::{Conv3dConfig, ConvShape};
use crate::error::Error;
use crate::kernels::conv3d::{Conv3dAlgorithm, PackedWeights};
use crate::kernels::tier::Tier;

const OP: &str = "conv3d";

/// A convolution layer for inference, made by [`Conv3d::prepared`](super::Conv3d::prepared).
///
/// Its weights are no tensors any more, so it cannot be trained: a backward pass through it is an
/// error. bf16 activations are computed in f32 and rounded once.
#[derive(Clone, Debug)]
pub struct PreparedConv3d(Arc<Prepared>);

struct Prepared {
    config: Conv3dConfig,
    weight_shape: [usize; 5],
    weights: PackedWeights,
    bias: Option<Vec<f32>>,
    dtype: DType,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { config, weight_shape, dtype, .. } = self;
        f.debug_struct("Prepared")
            .field("config", config)
            .field("weight_shape", weight_shape)
            .field("dtype", dtype)
            .finish_non_exhaustive()
    }
}

impl PreparedConv3d {
    pub(super) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        config: &Conv3dConfig,
        algorithm: Conv3dAlgorithm,
        [x, y, z]: [usize; 3],
    ) -> Result<Self> {
        let dtype = weight.dtype();
        if !matches!(dtype, DType::F32 | DType::BF16) {
            let (found, expected) = (dtype.as_str().to_owned(), "f32 or bf16".to_owned());
            return Err(Error::DType { op: OP, argument: "weight", found, expected }.into());
        }
        let weight_shape = rank_5(OP, weight)?;
        let c_in = weight_shape[1].saturating_mul(config.groups);
        let shape = ConvShape::new([1, x, y, z, c_in], weight_shape, config)?;
        if let Some(bias) = bias {
            check_bias(OP, bias, weight, shape.c_out)?;
        }
        let values = |t: &Tensor| t.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let bias = bias.map(values).transpose()?;
        let weights = PackedWeights::new(Tier::current(), algorithm, &shape, &values(weight)?);
        Ok(Self(Arc::new(Prepared { config: *config, weight_shape, weights, bias, dtype })))
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `x` has the channels that the layer is for and no fewer voxels than
    /// its kernel, and [`Error::DType`] unless it has the dtype that the weight had.
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        let dtype = self.0.dtype;
        if x.tensor().dtype() != dtype {
            let found = x.tensor().dtype().as_str().to_owned();
            let expected = format!("{}, as the weight was", dtype.as_str());
            return Err(Error::DType { op: OP, argument: "x", found, expected }.into());
        }
        ChannelsLast::new(x.tensor().apply_op1(Inference(self.0.clone()))?)
    }

    /// Bytes that the weights and the bias occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.weights.bytes() + size_of::<f32>() * self.0.bias.as_ref().map_or(0, Vec::len)
    }
}

impl Module for PreparedConv3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// The layer as an operation without a backward pass, which candle reports as an error.
struct Inference(Arc<Prepared>);

impl CustomOp1 for Inference {
    fn name(&self) -> &'static str {
        "prepared conv3d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Prepared { config, weight_shape, weights, bias, .. } = &*self.0;
        let (n, sx, sy, sz, c) = layout.shape().dims5()?;
        let shape = ConvShape::new([n, sx, sy, sz, c], *weight_shape, config)?;
        let y = arithmetic::forward_prepared(&shape, (x, layout), weights, bias.as_deref())?;
        Ok((y, channels_last(shape.batch, shape.output, shape.c_out)))
    }
}
