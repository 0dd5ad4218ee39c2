//! candle's backward pass from the middle of a network.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};

/// The gradients of the variables that `output` depends on, where `gradient` is that of `output`.
pub(crate) fn gradients_from(output: &Tensor, gradient: &Tensor) -> Result<GradStore> {
    let mut gradients = GradStore::default();
    // An output off the tape depends on nothing.
    if output.track_op() {
        let root = output.apply_op1(Seed(gradient.clone()))?;
        let mut all = root.backward()?;
        // candle also leaves gradients of constants there, which nobody asks for.
        for variable in root.sorted_nodes().into_iter().filter(|node| node.is_variable()) {
            if let Some(gradient) = all.remove(variable) {
                gradients.insert(variable, gradient);
            }
        }
    }
    Ok(gradients)
}

/// A loss whose gradient is given: begins a backward pass in the middle of a network.
struct Seed(Tensor);

impl CustomOp1 for Seed {
    fn name(&self) -> &'static str {
        "gradient-seed"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let dtype = candle_core::backend::BackendStorage::dtype(storage);
        let zero = Tensor::zeros((), dtype, &candle_core::Device::Cpu)?;
        let (zero, layout) = zero.storage_and_layout();
        match &*zero {
            Storage::Cpu(zero) => Ok((zero.clone(), layout.shape().clone())),
            _ => candle_core::bail!("checkpointing needs tensors on the CPU"),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        use candle_core::backend::{BackendDevice, BackendStorage};
        let shape = Shape::from(());
        Ok((storage.device().zeros_impl(&shape, storage.dtype())?, shape))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}
