//! A convolution whose weights are in the kernels' own form.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Module, Result, Shape, Tensor};

use super::differentiable::channels_last;
use super::op::{check_bias, rank_5};
use super::{Conv3d, arithmetic};
use crate::channels_last::ChannelsLast;
use crate::conv_shape::ConvShape;
use crate::error::Error;
use crate::kernels::conv3d::PackedWeights;
use crate::kernels::tier::Tier;

const OP: &str = "conv3d";

/// A convolution layer for inference, made by [`Conv3d::prepared`](super::Conv3d::prepared).
///
/// Its weights are no tensors any more, so it cannot be trained: a backward pass through it is an
/// error. bf16 activations are computed in f32 and rounded once.
#[derive(Clone, Debug)]
pub struct PreparedConv3d(Arc<Prepared>);

struct Prepared {
    /// The sizes for one item.
    shape: ConvShape,
    weights: PackedWeights,
    bias: Option<Vec<f32>>,
    dtype: DType,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shape, dtype, .. } = self;
        f.debug_struct("Prepared")
            .field("shape", shape)
            .field("dtype", dtype)
            .finish_non_exhaustive()
    }
}

impl PreparedConv3d {
    pub(super) fn new(layer: &Conv3d, [x, y, z]: [usize; 3]) -> Result<Self> {
        let Conv3d { weight, bias, config, algorithm } = layer;
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
        let bias = bias.as_ref().map(values).transpose()?;
        let weights = PackedWeights::new(Tier::current(), *algorithm, &shape, &values(weight)?);
        Ok(Self(Arc::new(Prepared { shape, weights, bias, dtype })))
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `x` has the channels and voxels that the layer is prepared for, and
    /// [`Error::DType`] unless it has the dtype that the weight had.
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        let Prepared { shape, dtype, .. } = &*self.0;
        if x.tensor().dtype() != *dtype {
            let found = x.tensor().dtype().as_str().to_owned();
            let expected = format!("{}, as the weight was", dtype.as_str());
            return Err(Error::DType { op: OP, argument: "x", found, expected }.into());
        }
        if x.space() != shape.input || x.channels() != shape.c_in {
            let found = x.tensor().dims().to_vec();
            let expected = format!(
                "[n, x, y, z, c] with {:?} voxels and {} channels, for which the layer is prepared",
                shape.input, shape.c_in
            );
            return Err(Error::Shape { op: OP, argument: "x", found, expected }.into());
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
        let Prepared { shape, weights, bias, .. } = &*self.0;
        let (batch, ..) = layout.shape().dims5()?;
        let shape = ConvShape { batch, ..*shape };
        let y = arithmetic::forward_prepared(&shape, (x, layout), weights, bias.as_deref())?;
        Ok((y, channels_last(shape.batch, shape.output, shape.c_out)))
    }
}
