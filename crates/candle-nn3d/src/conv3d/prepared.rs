//! A convolution whose weights are in the kernels' own form.

use std::sync::Arc;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Module, Result, Shape, Storage, Tensor};

use super::arithmetic;
use super::differentiable::channels_last;
#[cfg(feature = "cuda")]
use super::gpu_arithmetic::{self as on_gpu, Addends};
use super::op::{check_bias, rank_5};
use crate::channels_last::ChannelsLast;
use crate::conv_shape::{Conv3dConfig, ConvShape};
#[cfg(feature = "cuda")]
use crate::cuda::tensors::operand;
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
    weights: Weights,
    dtype: DType,
}

enum Weights {
    Packed {
        weights: PackedWeights,
        bias: Option<Vec<f32>>,
    },
    /// A GPU reads them as they are.
    #[cfg(feature = "cuda")]
    OnGpu {
        weight: Tensor,
        bias: Option<Tensor>,
    },
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
        #[cfg(feature = "cuda")]
        if weight.device().is_cuda() {
            let tensor = |tensor: &Tensor| tensor.detach().contiguous();
            let weights =
                Weights::OnGpu { weight: tensor(weight)?, bias: bias.map(tensor).transpose()? };
            return Ok(Self(Arc::new(Prepared { config: *config, weight_shape, weights, dtype })));
        }
        let values = |t: &Tensor| t.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let bias = bias.map(values).transpose()?;
        let weights = PackedWeights::new(Tier::current(), algorithm, &shape, &values(weight)?);
        let weights = Weights::Packed { weights, bias };
        Ok(Self(Arc::new(Prepared { config: *config, weight_shape, weights, dtype })))
    }

    /// The layer on activations in the kernels' own layout.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `x` has the channels that the layer is for and no fewer voxels than
    /// its kernel, and [`Error::DType`] unless it has the dtype that the weight had.
    pub fn forward_channels_last(&self, x: &ChannelsLast) -> Result<ChannelsLast> {
        self.check_dtype(x)?;
        let inference = Inference { layer: self.0.clone(), channel_bias: None, residual: None };
        ChannelsLast::new(x.tensor().apply_op1(inference)?)
    }

    /// The layer, plus a bias for each item and channel, plus a residual: what often follows it, in
    /// one pass and rounded once.
    ///
    /// # Shapes
    /// `channel_bias` `[n, c_out]`, `residual` as the result; both in the dtype of `x`.
    ///
    /// # Errors
    /// As [`forward_channels_last`](Self::forward_channels_last), and where these do not fit.
    pub fn forward_adding(
        &self,
        x: &ChannelsLast,
        channel_bias: Option<&Tensor>,
        residual: Option<&ChannelsLast>,
    ) -> Result<ChannelsLast> {
        self.check_dtype(x)?;
        let c_out = self.0.weight_shape[0];
        if let Some(bias) = channel_bias
            && bias.dims() != [x.batch(), c_out]
        {
            let expected = format!("[{}, {c_out}], a number for each item and channel", x.batch());
            let found = bias.dims().to_vec();
            return Err(Error::Shape { op: OP, argument: "channel_bias", found, expected }.into());
        }
        let inference = Inference {
            layer: self.0.clone(),
            channel_bias: channel_bias.cloned(),
            residual: residual.map(|residual| residual.tensor().clone()),
        };
        ChannelsLast::new(x.tensor().apply_op1(inference)?)
    }

    fn check_dtype(&self, x: &ChannelsLast) -> Result<()> {
        let dtype = self.0.dtype;
        if x.tensor().dtype() == dtype {
            return Ok(());
        }
        let found = x.tensor().dtype().as_str().to_owned();
        let expected = format!("{}, as the weight was", dtype.as_str());
        Err(Error::DType { op: OP, argument: "x", found, expected }.into())
    }

    /// Bytes that the weights and the bias occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0.weights {
            Weights::Packed { weights, bias } => {
                weights.bytes() + size_of::<f32>() * bias.as_ref().map_or(0, Vec::len)
            }
            #[cfg(feature = "cuda")]
            Weights::OnGpu { weight, bias } => {
                let n = weight.elem_count() + bias.as_ref().map_or(0, Tensor::elem_count);
                n * self.0.dtype.size_in_bytes()
            }
        }
    }
}

impl Module for PreparedConv3d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ChannelsLast::through(x, |x| self.forward_channels_last(x))
    }
}

/// The layer as an operation without a backward pass, which candle reports as an error.
struct Inference {
    layer: Arc<Prepared>,
    /// For each item.
    channel_bias: Option<Tensor>,
    residual: Option<Tensor>,
}

impl Inference {
    /// The layer's bias and those of the items, `[c_out]` or `[n, c_out]`.
    fn biases(&self, own: Option<&[f32]>) -> Result<Option<Vec<f32>>> {
        let Some(items) = &self.channel_bias else { return Ok(own.map(<[f32]>::to_vec)) };
        let items = items.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        let with_own = |item: &Vec<f32>| match own {
            Some(own) => item.iter().zip(own).map(|(a, b)| a + b).collect(),
            None => item.clone(),
        };
        Ok(Some(items.iter().flat_map(with_own).collect()))
    }

    /// The sizes for an input, once the residual is known to fit them.
    fn shape(&self, layout: &Layout) -> Result<(ConvShape, Shape)> {
        let (n, sx, sy, sz, c) = layout.shape().dims5()?;
        let Prepared { config, weight_shape, .. } = &*self.layer;
        let shape = ConvShape::new([n, sx, sy, sz, c], *weight_shape, config)?;
        let output = channels_last(shape.batch, shape.output, shape.c_out);
        match &self.residual {
            Some(residual) if residual.shape() != &output => {
                let (found, expected) = (residual.dims().to_vec(), format!("{:?}", output.dims()));
                Err(Error::Shape { op: OP, argument: "residual", found, expected }.into())
            }
            _ => Ok((shape, output)),
        }
    }
}

impl CustomOp1 for Inference {
    fn name(&self) -> &'static str {
        "prepared conv3d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        #[cfg_attr(not(feature = "cuda"), expect(irrefutable_let_patterns, reason = "one variant"))]
        let Weights::Packed { weights, bias } = &self.layer.weights else {
            candle_core::bail!("{OP}: the activations are on the CPU, the layer is not");
        };
        let (shape, output) = self.shape(layout)?;
        let biases = self.biases(bias.as_deref())?;
        let Some(residual) = &self.residual else {
            let y = arithmetic::forward_prepared(
                &shape,
                (x, layout),
                weights,
                biases.as_deref(),
                None,
            )?;
            return Ok((y, output));
        };
        let (added, added_layout) = residual.storage_and_layout();
        let Storage::Cpu(added) = &*added else {
            candle_core::bail!("{OP}: the residual is not on the CPU");
        };
        let added = Some((added, added_layout));
        let y =
            arithmetic::forward_prepared(&shape, (x, layout), weights, biases.as_deref(), added)?;
        Ok((y, output))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let Weights::OnGpu { weight, bias } = &self.layer.weights else {
            let problem = "the layer was prepared on the CPU".to_owned();
            let remedy = "move its tensors to the GPU before it is prepared";
            return Err(Error::gpu(OP, problem, remedy).into());
        };
        let (shape, output) = self.shape(layout)?;
        let held = |tensor: Option<&Tensor>| tensor.map(Tensor::contiguous).transpose();
        let addends = [bias.as_ref(), self.channel_bias.as_ref(), self.residual.as_ref()];
        let [bias, channel_bias, residual] = addends.map(held);
        let added = [bias?, channel_bias?, residual?];
        let added = added.each_ref().map(|x| x.as_ref().map(Tensor::storage_and_layout));
        let addend = |i: usize| added[i].as_ref().map(|held| operand(OP, held)).transpose();
        let addends = Addends { bias: addend(0)?, item_bias: addend(1)?, residual: addend(2)? };
        let weight = weight.storage_and_layout();
        let weight = operand(OP, &weight)?;
        Ok((on_gpu::forward(&shape, (x, layout), weight, addends)?, output))
    }
}
