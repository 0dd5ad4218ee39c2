//! A GPU as a machine: kernels compiled for it at first use and kept, launches on candle's stream.
#![expect(unsafe_code, reason = "memory of a device and launches on it are unsafe in cudarc")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::sys::CUdevice_attribute as Attribute;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaModule, CudaSlice, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig,
    PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::cudarc::nvrtc::{
    CompileError, CompileOptions, Ptx, compile_ptx_with_opts,
};
use candle_core::cuda_backend::{CudaDevice, DeviceId};
use candle_core::{CudaStorage, Result};

use super::launch::{Argument, Blocks};
use super::machine::{Machine, Stored};
use super::source::Source;
use crate::error::Error;

/// Compiled modules by device and source.
type Modules = HashMap<(DeviceId, &'static str), Arc<CudaModule>>;

static MODULES: Mutex<Option<Modules>> = Mutex::new(None);

/// candle's device, to run our kernels on.
pub(crate) struct Gpu {
    device: CudaDevice,
    stream: Arc<CudaStream>,
}

impl Gpu {
    pub(crate) fn new(device: &CudaDevice) -> Self {
        Self { device: device.clone(), stream: device.cuda_stream() }
    }

    /// The device that some numbers are on.
    pub(crate) fn of(storage: &CudaStorage) -> Self {
        Self::new(storage.device())
    }

    /// An array as candle's storage.
    pub(crate) fn storage<T: Stored>(&self, array: CudaSlice<T>) -> CudaStorage {
        T::wrap_cuda_slice(array, self.device.clone())
    }

    pub(crate) fn device(&self) -> &CudaDevice {
        &self.device
    }

    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    fn module(&self, source: &'static Source) -> Result<Arc<CudaModule>> {
        let key = (self.device.id(), source.name);
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        let modules = modules.get_or_insert_default();
        if let Some(module) = modules.get(&key) {
            return Ok(module.clone());
        }
        let context = self.stream.context();
        let ptx = compile(source, capability(context)?)?;
        let module = context.load_module(ptx).map_err(|error| refused(source.name, &error))?;
        modules.insert(key, module.clone());
        Ok(module)
    }
}

impl Machine for Gpu {
    type Array<T: Stored> = CudaSlice<T>;
    type Guard<'a> = SyncOnDrop<'a>;

    fn unwritten<T: Stored>(&self, n: usize) -> Result<CudaSlice<T>> {
        // SAFETY: every kernel that is handed such an array writes all of it before it is read.
        // CUDA has no memory of no bytes.
        unsafe { self.device.alloc(n.max(1)) }
    }

    fn holding<T: Stored>(&self, numbers: &[T]) -> Result<CudaSlice<T>> {
        if numbers.is_empty() { self.unwritten(0) } else { self.device.clone_htod(numbers) }
    }

    fn len<T: Stored>(array: &CudaSlice<T>) -> usize {
        array.len()
    }

    fn address<'a, T: Stored>(&'a self, array: &'a CudaSlice<T>) -> (u64, SyncOnDrop<'a>) {
        array.device_ptr(&self.stream)
    }

    fn address_mut<'a, T: Stored>(&'a self, array: &'a mut CudaSlice<T>) -> (u64, SyncOnDrop<'a>) {
        array.device_ptr_mut(&self.stream)
    }

    fn run(
        &self,
        source: &'static Source,
        kernel: &str,
        blocks: Blocks,
        arguments: &[Argument],
    ) -> Result<()> {
        let module = self.module(source)?;
        let function = module.load_function(kernel).map_err(|error| refused(kernel, &error))?;
        let mut launch = self.stream.launch_builder(&function);
        for argument in arguments {
            match argument {
                Argument::U64(x) => launch.arg(x),
                Argument::U32(x) => launch.arg(x),
                Argument::F32(x) => launch.arg(x),
                Argument::F64(x) => launch.arg(x),
            };
        }
        let [x, y] = blocks.grid;
        let (grid_dim, block_dim) = ((x, y, 1), (blocks.threads, 1, 1));
        // SAFETY: `Launch` has checked the arrays' lengths; that arguments are of the kernel's types
        // and in its order is tested by running the same host code on the emulation.
        let launched =
            unsafe { launch.launch(LaunchConfig { grid_dim, block_dim, shared_mem_bytes: 0 }) };
        launched.map(drop).map_err(|error| refused(kernel, &error).into())
    }
}

/// The source for devices of a compute capability.
///
/// # Errors
/// [`Error::Gpu`] with the compiler's log.
pub(crate) fn compile(source: &Source, (major, minor): (i32, i32)) -> crate::error::Result<Ptx> {
    let options = CompileOptions {
        name: Some(format!("{}.cu", source.name)),
        fmad: Some(source.fused),
        options: vec![format!("--gpu-architecture=compute_{major}{minor}"), "--std=c++17".into()],
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(source.whole(), options).map_err(|error| {
        let problem = match &error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => format!("NVRTC: {other}"),
        };
        let remedy = "see that the CUDA toolkit is 12 or later and knows the device";
        Error::gpu(source.name, problem, remedy)
    })
}

pub(crate) fn capability(context: &CudaContext) -> Result<(i32, i32)> {
    let of = |attribute| {
        context.attribute(attribute).map_err(|error| refused("compute capability", &error))
    };
    let major = of(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    Ok((major, of(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?))
}

fn refused(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::gpu(what, error.to_string(), "see that the driver is as new as the CUDA toolkit")
}
