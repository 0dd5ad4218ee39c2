//! cuDNN's descriptors of arrays and convolutions.
#![expect(unsafe_code, reason = "cuDNN is a library of C functions over descriptors and addresses")]

use candle_core::Result;
use candle_core::cuda_backend::cudarc::cudnn::{result as cudnn, sys};

use super::super::choice::{Order, Settings};
use super::super::problem::{Axes, Problem};
use super::{CudnnNumber, refused};

pub(super) struct Tensor(pub(super) sys::cudnnTensorDescriptor_t);
pub(super) struct Filter(pub(super) sys::cudnnFilterDescriptor_t);
pub(super) struct Convolution(pub(super) sys::cudnnConvolutionDescriptor_t);

impl Tensor {
    pub(super) fn new(dtype: sys::cudnnDataType_t, axes: &Axes) -> Result<Self> {
        let of = |error| refused("a tensor's descriptor", error);
        let tensor = Self(cudnn::create_tensor_descriptor().map_err(of)?);
        let (sizes, strides) = (axes.sizes.as_ptr(), axes.strides.as_ptr());
        // SAFETY: the descriptor is new, and there are five sizes and five strides.
        unsafe { cudnn::set_tensornd_descriptor(tensor.0, dtype, 5, sizes, strides) }
            .map_err(of)?;
        Ok(tensor)
    }
}

impl Filter {
    pub(super) fn new(dtype: sys::cudnnDataType_t, order: Order, sizes: &[i32; 5]) -> Result<Self> {
        let of = |error| refused("a filter's descriptor", error);
        let filter = Self(cudnn::create_filter_descriptor().map_err(of)?);
        let order = match order {
            Order::ChannelsLast => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
            Order::ChannelsFirst => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
        };
        // SAFETY: the descriptor is new, and there are five sizes.
        unsafe { cudnn::set_filternd_descriptor(filter.0, dtype, order, 5, sizes.as_ptr()) }
            .map_err(of)?;
        Ok(filter)
    }
}

impl Convolution {
    pub(super) fn new<T: CudnnNumber>(problem: &Problem, settings: &Settings) -> Result<Self> {
        let of = |error| refused("a convolution's descriptor", error);
        let made = Self(cudnn::create_convolution_descriptor().map_err(of)?);
        let (padding, stride, dilation) = (problem.padding, problem.stride(), problem.dilation());
        let mode = sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        // SAFETY: the descriptor is new, and there are three numbers of each kind.
        unsafe {
            cudnn::set_convolutionnd_descriptor(
                made.0,
                3,
                padding.as_ptr(),
                stride.as_ptr(),
                dilation.as_ptr(),
                mode,
                T::COMPUTE,
            )
            .map_err(of)?;
            cudnn::set_convolution_math_type(made.0, T::math(settings.tf32)).map_err(of)?;
            cudnn::set_convolution_group_count(made.0, problem.groups()).map_err(of)?;
        }
        Ok(made)
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: made by its `new` and given up here alone. A failure leaves nothing to do.
        let _ = unsafe { cudnn::destroy_tensor_descriptor(self.0) };
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: as for `Tensor`.
        let _ = unsafe { cudnn::destroy_filter_descriptor(self.0) };
    }
}

impl Drop for Convolution {
    fn drop(&mut self) {
        // SAFETY: as for `Tensor`.
        let _ = unsafe { cudnn::destroy_convolution_descriptor(self.0) };
    }
}
