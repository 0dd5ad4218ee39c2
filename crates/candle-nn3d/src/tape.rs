//! Gradients by a tape of our own, for whole training steps.
//!
//! candle's backward pass adds every gradient that an operation returns to a tensor of zeros made for
//! it, and keeps all activations until the loss is dropped. Here the first gradient of a tensor is taken
//! as it is, later ones are added on all cores, and an activation is let go of as soon as the operation
//! that needs it has passed its gradient on.

mod recorder;

use std::collections::{HashMap, HashSet};

use candle_core::backprop::GradStore;
use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Storage,
    Tensor, TensorId,
};

use crate::arithmetic;
use crate::seed::gradients_from;
pub use recorder::without_gradients;
use recorder::{Exchanged, Recorder, to_candle, with_tape};
pub(crate) use recorder::{is_forgetting, is_recording, paused};

/// What was done, in order.
#[derive(Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
    /// Tensors whose gradients some node takes.
    outputs: HashSet<TensorId>,
}

struct Node {
    operation: Box<dyn Backward>,
    inputs: Vec<Held>,
    output: Held,
}

/// A tensor of a node: itself, or one of its shape without its numbers.
struct Held {
    id: TensorId,
    tensor: Tensor,
}

/// Which numbers an operation needs to take a gradient back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None: shapes are enough.
    Shapes,
    Inputs,
    InputsAndOutput,
}

impl Held {
    fn new(tensor: &Tensor, numbers: bool) -> Self {
        let held = if numbers { tensor.clone() } else { without_numbers(tensor) };
        Self { id: tensor.id(), tensor: held }
    }
}

/// On the CPU whatever its device was: an operation that needs shapes alone goes by the gradient's.
fn without_numbers(tensor: &Tensor) -> Tensor {
    let none = match tensor.dtype() {
        DType::F64 => CpuStorage::F64(Vec::new()),
        DType::BF16 => CpuStorage::BF16(Vec::new()),
        _ => CpuStorage::F32(Vec::new()),
    };
    let (none, tracked) = (Storage::Cpu(none), tensor.track_op());
    Tensor::from_storage(none, tensor.shape(), BackpropOp::none(), tracked)
}

/// Takes the gradient of an output back.
pub(crate) trait Backward {
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled>;
}

/// Gradients of a node's inputs, and of tensors that it found elsewhere.
#[derive(Default)]
pub(crate) struct Pulled {
    pub(crate) inputs: Vec<Option<Tensor>>,
    pub(crate) others: GradStore,
}

/// The value of a loss, and its gradients with respect to every variable it depends on: those of
/// candle's `loss.backward()`, in less time and memory.
///
/// The operations and layers of this crate that `loss` calls are recorded, on this thread. candle's own
/// operations may stand between them: their part is left to candle's backward pass. The result is
/// off both tapes, and so must be everything that `loss` leaves elsewhere. Inside,
/// [`Recompute`](crate::Recompute) needs no call of its own `backward`.
///
/// # Errors
/// Those of `loss` and of the operations' gradients.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use candle_nn3d::{ops, value_and_gradients};
/// let w = Var::new(&[[1.0_f32, -2.0]], &Device::Cpu)?;
/// let x = Tensor::new(&[[3.0_f32, 1.0]], &Device::Cpu)?;
/// let target = Tensor::zeros((1, 1), candle_core::DType::F32, &Device::Cpu)?;
/// let (loss, gradients) =
///     value_and_gradients(|| ops::mse_loss(&ops::linear(&x, &w, None)?, &target, None))?;
/// assert_eq!(loss.to_scalar::<f32>()?, 1.0); // (3 − 2)²
/// assert_eq!(gradients.get(&w).unwrap().to_vec2::<f32>()?, [[6.0, 2.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn value_and_gradients(loss: impl FnOnce() -> Result<Tensor>) -> Result<(Tensor, GradStore)> {
    let (loss, tape) = Tape::record(loss)?;
    let gradients = tape.backward(&loss, loss.ones_like()?.detach())?;
    Ok((loss.detach(), gradients))
}

impl Tape {
    /// Records what `work` does. A tape that this thread is recording waits meanwhile.
    pub(crate) fn record(work: impl FnOnce() -> Result<Tensor>) -> Result<(Tensor, Self)> {
        let exchanged = Exchanged::new(Recorder::Ours(Self::default()));
        let output = work()?;
        let mut tape = exchanged.take().unwrap_or_default();
        tape.meet(&output);
        Ok((output, tape))
    }

    /// The gradients of all variables, where `gradient` is that of `output`.
    pub(crate) fn backward(mut self, output: &Tensor, gradient: Tensor) -> Result<GradStore> {
        let mut gradients = Accumulated::default();
        if output.track_op() {
            gradients.add(output.id(), gradient)?;
        }
        while let Some(Node { operation, inputs, output }) = self.nodes.pop() {
            let Some(gradient) = gradients.0.remove(&output.id) else { continue };
            let (ids, inputs): (Vec<_>, Vec<_>) =
                inputs.into_iter().map(|input| (input.id, input.tensor)).unzip();
            let pulled = operation.backward(&inputs, &output.tensor, &gradient)?;
            let tracked: Vec<_> = inputs.iter().map(Tensor::track_op).collect();
            drop((gradient, inputs, output));
            for ((id, tracked), gradient) in ids.into_iter().zip(tracked).zip(pulled.inputs) {
                if let Some(gradient) = gradient.filter(|_| tracked) {
                    gradients.add(id, gradient)?;
                }
            }
            for &id in pulled.others.get_ids() {
                if let Some(gradient) = pulled.others.get_id(id) {
                    gradients.add(id, gradient.clone())?;
                }
            }
        }
        let mut left = GradStore::default();
        for (id, gradient) in gradients.0 {
            left.insert_id(id, gradient);
        }
        Ok(left)
    }

    /// Sees to it that a tensor which candle's own operations made can be gone back from.
    fn meet(&mut self, tensor: &Tensor) {
        let ours = tensor.is_variable() || self.outputs.contains(&tensor.id());
        if tensor.track_op() && !ours {
            self.outputs.insert(tensor.id());
            let (operation, output) = (Box::new(Bridge), Held::new(tensor, true));
            self.nodes.push(Node { operation, inputs: Vec::new(), output });
        }
    }

    fn push(
        &mut self,
        operation: Box<dyn Backward>,
        needs: Needs,
        inputs: &[&Tensor],
        output: &Tensor,
    ) {
        inputs.iter().for_each(|input| self.meet(input));
        self.outputs.insert(output.id());
        let held = |input: &&Tensor| Held::new(input, needs != Needs::Shapes);
        let inputs = inputs.iter().map(held).collect();
        let output = Held::new(output, needs == Needs::InputsAndOutput);
        self.nodes.push(Node { operation, inputs, output });
    }
}

/// Gradients by tensor, each the sum of all that came.
#[derive(Default)]
struct Accumulated(HashMap<TensorId, Tensor>);

impl Accumulated {
    fn add(&mut self, id: TensorId, gradient: Tensor) -> Result<()> {
        let sum = match self.0.remove(&id) {
            Some(before) => arithmetic::sum(&before, &gradient)?,
            None => gradient.contiguous()?,
        };
        self.0.insert(id, sum);
        Ok(())
    }
}

/// Records what `operation` made of `inputs`; the result stands for it.
pub(crate) fn record(
    operation: impl Backward + 'static,
    needs: Needs,
    inputs: &[&Tensor],
    (storage, shape): (Storage, Shape),
) -> Tensor {
    // A variable to candle, so that its operations on it are tracked as far as here.
    let output = Tensor::from_storage(storage, shape, BackpropOp::none(), true);
    recorded(operation, needs, inputs, output)
}

fn recorded(
    operation: impl Backward + 'static,
    needs: Needs,
    inputs: &[&Tensor],
    output: Tensor,
) -> Tensor {
    with_tape(|tape| tape.push(Box::new(operation), needs, inputs, &output));
    output
}

/// Whether an operation on these tensors goes on our tape; if not, candle does as it always does.
fn records(inputs: &[&Tensor]) -> bool {
    is_recording()
        && inputs.iter().all(|input| has_kernels(input.device()))
        && inputs.iter().any(|input| input.track_op())
}

fn has_kernels(device: &Device) -> bool {
    device.is_cpu() || cfg!(feature = "cuda") && device.is_cuda()
}

type Operand<'a> = (&'a CpuStorage, &'a Layout);

fn forward<const N: usize>(
    inputs: [&Tensor; N],
    run: impl FnOnce([Operand<'_>; N]) -> Result<(CpuStorage, Shape)>,
) -> Result<(Storage, Shape)> {
    let held = inputs.map(Tensor::storage_and_layout);
    let mut operands = Vec::with_capacity(N);
    for (storage, layout) in &held {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("some of an operation's tensors are on the CPU, others are not")
        };
        operands.push((storage, *layout));
    }
    match <[Operand<'_>; N]>::try_from(operands) {
        Ok(operands) => run(operands).map(|(storage, shape)| (Storage::Cpu(storage), shape)),
        Err(_) => candle_core::bail!("an operation of {N} inputs has others"),
    }
}

/// [`forward`] on a GPU.
#[cfg(feature = "cuda")]
fn forward_on_gpu<const N: usize>(
    name: &'static str,
    inputs: [&Tensor; N],
    run: impl FnOnce(
        [crate::cuda::tensors::Operand<'_>; N],
    ) -> Result<(candle_core::CudaStorage, Shape)>,
) -> Result<(Storage, Shape)> {
    let held = inputs.map(Tensor::storage_and_layout);
    let (storage, shape) =
        crate::cuda::tensors::with_operands(name, &held, |_, operands| run(operands))?;
    Ok((Storage::Cuda(storage), shape))
}

/// `x.apply_op1(operation)`, on whichever tape.
pub(crate) fn apply1<C>(x: &Tensor, operation: C, needs: Needs) -> Result<Tensor>
where
    C: CustomOp1 + Send + Sync + 'static,
{
    if !records(&[x]) {
        return to_candle(x).apply_op1(operation);
    }
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        let made = forward_on_gpu(operation.name(), [x], |[x]| operation.cuda_fwd(x.0, x.1))?;
        return Ok(record(One(operation), needs, &[x], made));
    }
    let made = forward([x], |[x]| operation.cpu_fwd(x.0, x.1))?;
    Ok(record(One(operation), needs, &[x], made))
}

/// `a.apply_op2(b, operation)`, on whichever tape.
pub(crate) fn apply2<C>(a: &Tensor, b: &Tensor, operation: C, needs: Needs) -> Result<Tensor>
where
    C: CustomOp2 + Send + Sync + 'static,
{
    if !records(&[a, b]) {
        return to_candle(a).apply_op2(&to_candle(b), operation);
    }
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let made = forward_on_gpu(operation.name(), [a, b], |[a, b]| {
            operation.cuda_fwd(a.0, a.1, b.0, b.1)
        })?;
        return Ok(record(Two(operation), needs, &[a, b], made));
    }
    let made = forward([a, b], |[a, b]| operation.cpu_fwd(a.0, a.1, b.0, b.1))?;
    Ok(record(Two(operation), needs, &[a, b], made))
}

/// `a.apply_op3(b, c, operation)`, on whichever tape.
pub(crate) fn apply3<C>(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    operation: C,
    needs: Needs,
) -> Result<Tensor>
where
    C: CustomOp3 + Send + Sync + 'static,
{
    if !records(&[a, b, c]) {
        return to_candle(a).apply_op3(&to_candle(b), &to_candle(c), operation);
    }
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        let made = forward_on_gpu(operation.name(), [a, b, c], |[a, b, c]| {
            operation.cuda_fwd(a.0, a.1, b.0, b.1, c.0, c.1)
        })?;
        return Ok(record(Three(operation), needs, &[a, b, c], made));
    }
    let made = forward([a, b, c], |[a, b, c]| operation.cpu_fwd(a.0, a.1, b.0, b.1, c.0, c.1))?;
    Ok(record(Three(operation), needs, &[a, b, c], made))
}

/// The same numbers in another shape; nothing is copied where they are contiguous.
///
/// candle's `reshape`, except that [`value_and_gradients`](crate::value_and_gradients) takes its
/// gradient back without a copy too.
///
/// # Errors
/// Unless both shapes have the same number of elements.
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let view = to_candle(x).reshape(shape.into())?;
    if !records(&[x]) {
        return Ok(view);
    }
    Ok(recorded(Reshape, Needs::Shapes, &[x], view))
}

struct One<C>(C);
struct Two<C>(C);
struct Three<C>(C);
struct Reshape;
/// Back through operations of candle's to the nearest variables.
struct Bridge;

impl<C: CustomOp1> Backward for One<C> {
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let inputs = vec![self.0.bwd(&inputs[0], output, gradient)?];
        Ok(Pulled { inputs, ..Pulled::default() })
    }
}

impl<C: CustomOp2> Backward for Two<C> {
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let (a, b) = self.0.bwd(&inputs[0], &inputs[1], output, gradient)?;
        Ok(Pulled { inputs: vec![a, b], ..Pulled::default() })
    }
}

impl<C: CustomOp3> Backward for Three<C> {
    fn backward(&self, inputs: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let (a, b, c) = self.0.bwd(&inputs[0], &inputs[1], &inputs[2], output, gradient)?;
        Ok(Pulled { inputs: vec![a, b, c], ..Pulled::default() })
    }
}

impl Backward for Reshape {
    fn backward(&self, inputs: &[Tensor], _: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let inputs = vec![Some(gradient.reshape(inputs[0].shape())?)];
        Ok(Pulled { inputs, ..Pulled::default() })
    }
}

impl Backward for Bridge {
    fn backward(&self, _: &[Tensor], output: &Tensor, gradient: &Tensor) -> Result<Pulled> {
        let others = paused(|| gradients_from(output, gradient))?;
        Ok(Pulled { inputs: Vec::new(), others })
    }
}

#[cfg(test)]
mod tests;
