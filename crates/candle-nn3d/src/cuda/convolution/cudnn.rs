//! cuDNN's handle, descriptors and calls.
#![expect(unsafe_code, reason = "cuDNN is a library of C functions over descriptors and addresses")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use candle_core::Result;
use candle_core::cuda_backend::DeviceId;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result as cudnn, sys};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use half::bf16;

use super::Convolver;
use super::choice::{Candidate, Choice, Order, Pass, Search, Settings, choose};
use super::problem::Problem;
use crate::cuda::gpu::Gpu;
use crate::cuda::machine::{Machine, Number, Slice};
use crate::error::Error;

mod descriptor;

use descriptor::{Convolution, Filter, Tensor};

/// Algorithms that a pass has at most.
const MOST: usize = 16;

/// The dtypes that cuDNN knows, and how it computes with them.
pub(crate) trait CudnnNumber {
    const DTYPE: sys::cudnnDataType_t;
    const COMPUTE: sys::cudnnDataType_t;
    fn math(tf32: bool) -> sys::cudnnMathType_t;
}

impl CudnnNumber for f32 {
    const DTYPE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;
    const COMPUTE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;

    fn math(tf32: bool) -> sys::cudnnMathType_t {
        // The default allows TensorFloat-32; FMA alone does not.
        if tf32 {
            sys::cudnnMathType_t::CUDNN_DEFAULT_MATH
        } else {
            sys::cudnnMathType_t::CUDNN_FMA_MATH
        }
    }
}

impl CudnnNumber for f64 {
    const DTYPE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_DOUBLE;
    const COMPUTE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_DOUBLE;

    fn math(_: bool) -> sys::cudnnMathType_t {
        sys::cudnnMathType_t::CUDNN_DEFAULT_MATH
    }
}

impl CudnnNumber for bf16 {
    const DTYPE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16;
    const COMPUTE: sys::cudnnDataType_t = sys::cudnnDataType_t::CUDNN_DATA_FLOAT;

    fn math(_: bool) -> sys::cudnnMathType_t {
        sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH
    }
}

/// cuDNN on a GPU.
pub(crate) struct Cudnn<'a>(pub(crate) &'a Gpu);

impl Convolver<Gpu> for Cudnn<'_> {
    fn choose<T: Number + CudnnNumber>(&self, pass: Pass, problem: &Problem) -> Result<Choice> {
        let handle = Handle::of(self.0)?;
        choose(problem.key(pass, T::SUFFIX), |settings, order| {
            Prepared::new::<T>(handle.clone(), pass, problem, order, settings)?.candidates(settings)
        })
    }

    fn run<T: Number + CudnnNumber>(
        &self,
        pass: Pass,
        problem: &Problem,
        choice: &Choice,
        inputs: [Slice<'_, Gpu, T>; 2],
        len: usize,
    ) -> Result<CudaSlice<T>> {
        let (handle, settings) = (Handle::of(self.0)?, Settings::current());
        let prepared = Prepared::new::<T>(handle, pass, problem, choice.order, &settings)?;
        prepared.run(self.0, choice, inputs, len)
    }
}

/// cuDNN on a device's stream. A handle belongs to the thread that made it.
pub(super) struct Handle(sys::cudnnHandle_t);

thread_local! {
    static HANDLES: RefCell<HashMap<DeviceId, Rc<Handle>>> = RefCell::default();
}

impl Handle {
    pub(super) fn of(gpu: &Gpu) -> Result<Rc<Self>> {
        let id = gpu.device().id();
        if let Some(handle) = HANDLES.with_borrow(|handles| handles.get(&id).cloned()) {
            return Ok(handle);
        }
        let bound = gpu.stream().context().bind_to_thread();
        bound.map_err(|error| Error::gpu("cuDNN", error.to_string(), "see to the driver"))?;
        let handle = Rc::new(Self(cudnn::create_handle().map_err(|e| refused("a handle", e))?));
        // SAFETY: the handle is new, and the stream lives as long as candle's device.
        unsafe { cudnn::set_stream(handle.0, gpu.stream().cu_stream().cast()) }
            .map_err(|error| refused("the stream", error))?;
        HANDLES.with_borrow_mut(|handles| handles.insert(id, handle.clone()));
        Ok(handle)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `create_handle` and given up here alone. A failure leaves nothing to do.
        let _ = unsafe { cudnn::destroy_handle(self.0) };
    }
}

/// Descriptors of a problem, ready to run.
pub(super) struct Prepared {
    handle: Rc<Handle>,
    pass: Pass,
    x: Tensor,
    y: Tensor,
    weight: Filter,
    convolution: Convolution,
    double: bool,
}

impl Prepared {
    pub(super) fn new<T: CudnnNumber>(
        handle: Rc<Handle>,
        pass: Pass,
        problem: &Problem,
        order: Order,
        settings: &Settings,
    ) -> Result<Self> {
        let x = Tensor::new(T::DTYPE, &problem.axes_in(order))?;
        let y = Tensor::new(T::DTYPE, &problem.axes_out(order))?;
        let weight = Filter::new(T::DTYPE, order, &problem.weight())?;
        let convolution = Convolution::new::<T>(problem, settings)?;
        let double = T::COMPUTE == sys::cudnnDataType_t::CUDNN_DATA_DOUBLE;
        Ok(Self { handle, pass, x, y, weight, convolution, double })
    }

    /// The algorithms that cuDNN names, those it thinks or finds fastest first.
    pub(super) fn candidates(&self, settings: &Settings) -> Result<Vec<Candidate>> {
        let (handle, x, y) = (self.handle.0, self.x.0, self.y.0);
        let (weight, convolution) = (self.weight.0, self.convolution.0);
        let measured = settings.search == Search::Measured;
        macro_rules! ask {
            ($table:ident, $measure:ident, $($descriptor:expr),*) => {{
                // SAFETY: the descriptors live, there is room for what is asked for, and the structs
                // are plain numbers and enumerations with a zero, which cuDNN fills.
                unsafe {
                    let mut found: [_; MOST] = std::mem::zeroed();
                    let mut count: c_int = 0;
                    let (most, into) = (MOST as c_int, found.as_mut_ptr());
                    let outcome = if measured {
                        sys::$measure(handle, $($descriptor),*, most, &mut count, into)
                    } else {
                        sys::$table(handle, $($descriptor),*, most, &mut count, into)
                    };
                    outcome.result().map_err(|error| refused("the algorithms", error))?;
                    let found = found.iter().take(usize::try_from(count).unwrap_or(0));
                    found.map(|found| Candidate {
                        algorithm: found.algo as u32,
                        ready: found.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
                        deterministic: found.determinism
                            == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC,
                        workspace: found.memory,
                        time: found.time,
                    }).collect()
                }
            }};
        }
        Ok(match self.pass {
            Pass::Forward => ask!(
                cudnnGetConvolutionForwardAlgorithm_v7,
                cudnnFindConvolutionForwardAlgorithm,
                x,
                weight,
                convolution,
                y
            ),
            Pass::InputGradient => ask!(
                cudnnGetConvolutionBackwardDataAlgorithm_v7,
                cudnnFindConvolutionBackwardDataAlgorithm,
                weight,
                y,
                convolution,
                x
            ),
            Pass::WeightGradient => ask!(
                cudnnGetConvolutionBackwardFilterAlgorithm_v7,
                cudnnFindConvolutionBackwardFilterAlgorithm,
                x,
                y,
                convolution,
                weight
            ),
        })
    }

    /// What the pass makes of its two inputs (`x` and the weight, `dy` and the weight, or `x` and
    /// `dy`): an array of `len` numbers.
    pub(super) fn run<T: Number>(
        &self,
        gpu: &Gpu,
        choice: &Choice,
        inputs: [Slice<'_, Gpu, T>; 2],
        len: usize,
    ) -> Result<CudaSlice<T>> {
        let mut result = gpu.unwritten::<T>(len)?;
        let bytes = self.workspace(choice)?;
        let mut workspace = gpu.unwritten::<u8>(bytes)?;
        // The guards order this after what is still writing, and what follows after this.
        let [(a, _guard_a), (b, _guard_b)] = inputs.map(|input| input.address(gpu));
        let (into, _guard_into) = gpu.address_mut(&mut result);
        let (scratch, _guard_scratch) = gpu.address_mut(&mut workspace);
        let (a, b) = (a as *const c_void, b as *const c_void);
        let (into, scratch) = (into as *mut c_void, scratch as *mut c_void);
        let (one, zero) = ((1.0_f32, 1.0_f64), (0.0_f32, 0.0_f64));
        let factor = |(single, double): &(f32, f64)| match self.double {
            true => std::ptr::from_ref(double).cast::<c_void>(),
            false => std::ptr::from_ref(single).cast::<c_void>(),
        };
        let (one, zero) = (factor(&one), factor(&zero));
        let (handle, x, y) = (self.handle.0, self.x.0, self.y.0);
        let (weight, convolution) = (self.weight.0, self.convolution.0);
        // SAFETY: descriptors and arrays are of the problem's sizes, the factors of the dtype that is
        // computed in, and the workspace is as large as cuDNN said.
        let done = unsafe {
            match self.pass {
                Pass::Forward => {
                    let algorithm = named(&FORWARD, choice)?;
                    cudnn::convolution_forward(
                        handle,
                        one,
                        x,
                        a,
                        weight,
                        b,
                        convolution,
                        algorithm,
                        scratch,
                        bytes,
                        zero,
                        y,
                        into,
                    )
                }
                Pass::InputGradient => {
                    let algorithm = named(&INPUT_GRADIENT, choice)?;
                    cudnn::convolution_backward_data(
                        handle,
                        one,
                        weight,
                        b,
                        y,
                        a,
                        convolution,
                        algorithm,
                        scratch,
                        bytes,
                        zero,
                        x,
                        into,
                    )
                }
                Pass::WeightGradient => {
                    let algorithm = named(&WEIGHT_GRADIENT, choice)?;
                    cudnn::convolution_backward_filter(
                        handle,
                        one,
                        x,
                        a,
                        y,
                        b,
                        convolution,
                        algorithm,
                        scratch,
                        bytes,
                        zero,
                        weight,
                        into,
                    )
                }
            }
        };
        done.map_err(|error| refused("the convolution", error))?;
        drop((_guard_a, _guard_b, _guard_into, _guard_scratch));
        Ok(result)
    }

    /// Bytes that an algorithm takes: asked again, since a recalled choice may be of another version.
    fn workspace(&self, choice: &Choice) -> Result<usize> {
        let (handle, x, y) = (self.handle.0, self.x.0, self.y.0);
        let (weight, convolution) = (self.weight.0, self.convolution.0);
        // SAFETY: the descriptors live.
        let bytes = unsafe {
            match self.pass {
                Pass::Forward => {
                    let algorithm = named(&FORWARD, choice)?;
                    cudnn::get_convolution_forward_workspace_size(
                        handle,
                        x,
                        weight,
                        convolution,
                        y,
                        algorithm,
                    )
                }
                Pass::InputGradient => {
                    let algorithm = named(&INPUT_GRADIENT, choice)?;
                    cudnn::get_convolution_backward_data_workspace_size(
                        handle,
                        weight,
                        y,
                        convolution,
                        x,
                        algorithm,
                    )
                }
                Pass::WeightGradient => {
                    let algorithm = named(&WEIGHT_GRADIENT, choice)?;
                    cudnn::get_convolution_backward_filter_workspace_size(
                        handle,
                        x,
                        y,
                        convolution,
                        weight,
                        algorithm,
                    )
                }
            }
        };
        bytes.map_err(|error| refused("the workspace", error).into())
    }
}

use sys::cudnnConvolutionBwdDataAlgo_t as OfInput;
use sys::cudnnConvolutionBwdFilterAlgo_t as OfWeight;
use sys::cudnnConvolutionFwdAlgo_t as Of;

/// cuDNN's algorithms by number.
const FORWARD: [Of; 8] = [
    Of::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_GEMM,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_DIRECT,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_FFT,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD,
    Of::CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED,
];
const INPUT_GRADIENT: [OfInput; 6] = [
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_0,
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT,
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING,
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD,
    OfInput::CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED,
];
const WEIGHT_GRADIENT: [OfWeight; 7] = [
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED,
    OfWeight::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT_TILING,
];

fn named<A: Copy>(algorithms: &[A], choice: &Choice) -> Result<A> {
    let found = usize::try_from(choice.algorithm).ok().and_then(|n| algorithms.get(n));
    found.copied().ok_or_else(|| {
        let problem = format!("there is no algorithm {}", choice.algorithm);
        Error::gpu("conv3d", problem, "mend the record of choices").into()
    })
}

fn refused(what: &str, error: CudnnError) -> Error {
    Error::gpu("conv3d", format!("cuDNN refuses {what}: {error}"), "see cuDNN's support matrix")
}
