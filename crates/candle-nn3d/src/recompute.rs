//! Gradient checkpointing: segments of a network that are run again instead of remembered.
//!
//! # Source
//! Chen, Xu, Zhang and Guestrin, *Training Deep Nets with Sublinear Memory Cost*, 2016.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, TensorId,
    Var,
};

use crate::error::Error;
use crate::seed::gradients_from;
use crate::tape::{self, Backward, Needs, Pulled, Tape};

/// A scope for gradient checkpointing: runs segments without keeping their activations, runs them
/// again during the backward pass, and collects the gradients of their parameters.
///
/// A segment must be a pure function of its inputs and of the parameters it captures: the same
/// bits on every run. Random numbers come from a key that it captures. Everything differentiable
/// that is not a parameter belongs among the inputs: a captured activation would still get the right
/// gradient, but by walking the tape behind it once more.
///
/// Segments may contain segments of the same scope. Gradients are those of the plain run, bit for
/// bit, unless several segments share a parameter: then its sum may be grouped differently.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use candle_nn3d::Recompute;
/// let w = Var::new(&[2.0_f32, 3.0], &Device::Cpu)?;
/// let x = Tensor::new(&[1.0_f32, 4.0], &Device::Cpu)?;
/// let recompute = Recompute::new();
/// let weight = w.as_tensor().clone();
/// let y = recompute.checkpoint(&x, move |x| (x * &weight)?.sqr())?;
/// let gradients = recompute.backward(&y.sum_all()?)?;
/// assert_eq!(gradients.get(&w).unwrap().to_vec1::<f32>()?, [4.0, 96.0]); // 2 w x²
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Recompute(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    gradients: GradStore,
    /// Stand-ins for inputs off the tape, whose gradients nobody asked for.
    leaves: HashSet<TensorId>,
}

impl Recompute {
    /// A scope with no segments yet; one per training step, or for all of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a segment with one input; see [`checkpoint_many`](Self::checkpoint_many).
    ///
    /// # Errors
    /// Those of the segment.
    pub fn checkpoint(
        &self,
        x: &Tensor,
        segment: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Tensor> {
        self.checkpoint_many(&[x], move |inputs| segment(&inputs[0]))
    }

    /// Runs a segment and keeps its inputs and its output only.
    ///
    /// [`backward`](Self::backward) must be called in the place of candle's, or the gradients of the
    /// segment's parameters are missing; [`value_and_gradients`](crate::value_and_gradients) gives
    /// them all by itself.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there are one to three inputs; those of the segment.
    pub fn checkpoint_many(
        &self,
        inputs: &[&Tensor],
        segment: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let refused = || Error::Argument {
            op: "recompute",
            argument: "inputs",
            found: inputs.len().to_string(),
            expected: "one to three tensors".to_owned(),
        };
        if inputs.is_empty() || inputs.len() > 3 {
            return Err(refused().into());
        }
        if tape::is_recording() {
            return recorded(inputs, Arc::new(segment));
        }
        if tape::is_forgetting() {
            return segment(&inputs.iter().map(|input| input.detach()).collect::<Vec<_>>());
        }
        let mut tensors: Vec<Tensor> = inputs.iter().map(|&input| input.clone()).collect();
        if !tensors.iter().any(Tensor::track_op) {
            // Off the tape: candle would not record the segment, and its parameters would get no
            // gradient.
            let leaf = Var::from_tensor(&tensors[0])?.into_inner();
            self.lock().leaves.insert(leaf.id());
            tensors[0] = leaf;
        }
        let output = {
            let detached: Vec<_> = tensors.iter().map(Tensor::detach).collect();
            // The tape that the parameters begin ends here, and is freed with the activations.
            segment(&detached)?.detach()
        };
        let op = Segment {
            run: Arc::new(segment),
            output: Mutex::new(Some(output)),
            scope: self.clone(),
        };
        match tensors.as_slice() {
            [a] => a.apply_op1(op),
            [a, b] => a.apply_op2(b, op),
            [a, b, c] => a.apply_op3(b, c, op),
            _ => Err(refused().into()),
        }
    }

    /// The gradients of a loss, those of the parameters inside the segments included.
    ///
    /// # Errors
    /// Those of candle's backward pass and of the segments.
    pub fn backward(&self, loss: &Tensor) -> Result<GradStore> {
        // What a failed pass has left.
        self.lock().gradients = GradStore::default();
        let mut gradients = loss.backward()?;
        let Collected { gradients: collected, leaves } = std::mem::take(&mut *self.lock());
        gradients.extend(collected)?;
        if leaves.is_empty() {
            return Ok(gradients);
        }
        let mut wanted = GradStore::default();
        for &id in gradients.get_ids().filter(|id| !leaves.contains(id)) {
            if let Some(gradient) = gradients.get_id(id) {
                wanted.insert_id(id, gradient.clone());
            }
        }
        Ok(wanted)
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recompute").finish_non_exhaustive()
    }
}

/// A segment on our own tape.
fn recorded(inputs: &[&Tensor], run: Arc<Run>) -> Result<Tensor> {
    let detached: Vec<_> = inputs.iter().map(|input| input.detach()).collect();
    let output = tape::paused(|| run(&detached))?.detach();
    Ok(tape::record(Rerun(run), Needs::Inputs, inputs, copied(&output)?))
}

/// The numbers of a tensor, whose storage may belong to a parameter or an input too.
fn copied(tensor: &Tensor) -> Result<(Storage, Shape)> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let storage = match &*storage {
        Storage::Cpu(storage) => Storage::Cpu(storage.try_clone(layout)?),
        #[cfg(feature = "cuda")]
        Storage::Cuda(storage) => Storage::Cuda(storage.try_clone(layout)?),
        _ => candle_core::bail!("recomputing needs tensors on the CPU or an NVIDIA GPU"),
    };
    Ok((storage, layout.shape().clone()))
}

struct Rerun(Arc<Run>);

impl Backward for Rerun {
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let leaves = leaves(&inputs.iter().collect::<Vec<_>>())?;
        let (again, tape) = Tape::record(|| (self.0)(&leaves))?;
        check_again(output, &again)?;
        let mut others = tape.backward(&again, gradient.clone())?;
        let inputs = leaves.iter().map(|leaf| others.remove(leaf)).collect();
        Ok(Pulled { inputs, others })
    }
}

/// Variables with the numbers of those inputs that are on a tape.
fn leaves(inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let fresh = |input: &&Tensor| match input.track_op() {
        true => Ok(Var::from_tensor(&input.detach())?.into_inner()),
        false => Ok(input.detach()),
    };
    inputs.iter().map(fresh).collect()
}

fn check_again(before: &Tensor, again: &Tensor) -> Result<()> {
    if again.shape() != before.shape() {
        candle_core::bail!(
            "a segment gave {:?} when run again, {:?} before: it is no pure function",
            again.shape(),
            before.shape()
        );
    }
    Ok(())
}

type Run = dyn Fn(&[Tensor]) -> Result<Tensor> + Send + Sync;

/// A segment as an operation of candle's tape.
struct Segment {
    run: Arc<Run>,
    /// What the first run gave, until the operation has taken it over.
    output: Mutex<Option<Tensor>>,
    scope: Recompute,
}

impl Segment {
    const NAME: &'static str = "recomputed-segment";

    fn forward(&self) -> Result<(CpuStorage, Shape)> {
        match self.output()? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            _ => candle_core::bail!("a segment on the CPU gave a tensor on another device"),
        }
    }

    #[cfg(feature = "cuda")]
    fn forward_on_gpu(&self) -> Result<(CudaStorage, Shape)> {
        match self.output()? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            _ => candle_core::bail!("a segment on a GPU gave a tensor on another device"),
        }
    }

    fn output(&self) -> Result<(Storage, Shape)> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(output) = output else { candle_core::bail!("a segment was applied twice") };
        copied(&output)
    }

    /// The gradients of the inputs that are on the tape.
    fn backward(&self, inputs: &[&Tensor], gradient: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let leaves = leaves(inputs)?;
        let output = (self.run)(&leaves)?;
        check_again(gradient, &output)?;
        let mut gradients = gradients_from(&output, gradient)?;
        let of_inputs = leaves.iter().zip(inputs).map(|(leaf, input)| {
            if !input.track_op() {
                return Ok(None);
            }
            // An input that the segment ignores has the gradient 0, and candle wants to be told.
            gradients.remove(leaf).map_or_else(|| leaf.zeros_like(), Ok).map(Some)
        });
        let of_inputs = of_inputs.collect::<Result<Vec<_>>>()?;
        self.scope.lock().gradients.extend(gradients)?;
        Ok(of_inputs)
    }
}

impl CustomOp1 for Segment {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.forward_on_gpu()
    }

    fn bwd(&self, a: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.backward(&[a], gradient)?.pop().flatten())
    }
}

impl CustomOp2 for Segment {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.forward_on_gpu()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b], gradient)?.into_iter();
        let mut next = || gradients.next().flatten();
        Ok((next(), next()))
    }
}

impl CustomOp3 for Segment {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward()
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.forward_on_gpu()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.backward(&[a, b, c], gradient)?.into_iter();
        let mut next = || gradients.next().flatten();
        Ok((next(), next(), next()))
    }
}

#[cfg(test)]
mod tests;
