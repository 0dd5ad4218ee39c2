//! Soft Dice plus cross-entropy of a softmax: `mrisynth-segmentation` has the formula.

use candle_core::op::BackpropOp;
use candle_core::{Result, Storage, Tensor};

use super::gpu::Gpu;
use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::DICE;
use super::tensors::{Operand, compute, slice, with_operands};
use crate::error::Error;
use crate::in_place::with_float;

const OP: &str = "dice_cross_entropy";
/// Voxels, or sums, that one thread adds up.
const ROWS: usize = 256;

/// What counts how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiceWeights {
    /// The weight of one minus the mean Dice.
    pub dice: f64,
    /// The weight of the mean cross-entropy.
    pub cross_entropy: f64,
    /// Added to numerator and denominator of Dice.
    pub smooth: f64,
    /// Whether class 0 counts for Dice.
    pub background: bool,
    /// Whether Dice is that of the whole batch instead of each item's.
    pub batch: bool,
}

/// A loss of logits on a GPU, and what its gradient needs.
#[derive(Clone, Debug)]
pub struct DiceLoss {
    weights: DiceWeights,
    shape: Sizes,
    target: Tensor,
    probabilities: Tensor,
    slopes: Tensor,
    value: Tensor,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    items: usize,
    /// Of an item.
    voxels: usize,
    classes: usize,
}

impl DiceLoss {
    /// The loss of logits `[n, x, y, z, c]`, f32 or f64, where `target` has the class of every voxel.
    ///
    /// # Errors
    /// [`Error::Gpu`] for logits that are not on a GPU, or do not fit the target;
    /// [`Error::DType`] for others than f32 and f64.
    pub fn new(weights: DiceWeights, logits: &Tensor, target: &[u8]) -> Result<Self> {
        let (items, x, y, z, classes) = logits.dims5()?;
        let voxels = x * y * z;
        let fits = target.len() == items * voxels && !target.is_empty() && classes > 1;
        if !fits || target.iter().any(|&class| usize::from(class) >= classes) {
            let problem = format!("{} classes for logits of {:?}", target.len(), logits.dims());
            return Err(Error::gpu(OP, problem, "give each voxel one of the classes").into());
        }
        let shape = Sizes { items, voxels, classes };
        let logits = logits.contiguous()?.detach();
        let target = Tensor::from_slice(target, target.len(), logits.device())?;
        let tensor = |storage, shape: &[usize]| {
            Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
        };
        let held = [&logits, &target].map(Tensor::storage_and_layout);
        let made = with_float!(logits.dtype(), "dice_cross_entropy", "logits", T => {
            with_operands(OP, &held, |gpu, [x, target]| {
                let (x, target) = (slice::<T>(OP, x)?, slice(OP, target)?);
                let found = loss(gpu, &weights, shape, x, target)?;
                let slopes = [found.slopes_len, 2];
                Ok((
                    tensor(gpu.storage(found.probabilities), logits.dims()),
                    tensor(gpu.storage(found.slopes), &slopes),
                    tensor(gpu.storage(found.value), &[]),
                ))
            })
        })?;
        drop(held);
        let (probabilities, slopes, value) = made;
        Ok(Self { weights, shape, target, probabilities, slopes, value })
    }

    /// The loss, a scalar of the logits' dtype.
    #[must_use]
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The gradient of the logits, where `upstream` is that of the loss.
    ///
    /// # Errors
    /// candle's, for an upstream gradient of another dtype or elsewhere.
    pub fn gradient(&self, upstream: &Tensor) -> Result<Tensor> {
        let upstream = upstream.contiguous()?;
        let tensors = [&self.probabilities, &self.target, &self.slopes, &upstream];
        let run = |gpu: &Gpu, [p, target, slopes, upstream]: [Operand<'_>; 4]| {
            let storage = with_float!(self.value.dtype(), "dice_cross_entropy", "logits", T => {
                let weights = &self.weights;
                let (p, target) = (slice::<T>(OP, p)?, slice(OP, target)?);
                let (slopes, upstream) = (slice(OP, slopes)?, slice(OP, upstream)?);
                let y = gradient(gpu, weights, self.shape, [p, upstream], target, slopes)?;
                Ok(gpu.storage(y))
            })?;
            Ok((storage, self.probabilities.shape().clone()))
        };
        compute(OP, tensors, run)
    }
}

struct Found<M: Machine, T: Number> {
    probabilities: M::Array<T>,
    slopes: M::Array<f64>,
    slopes_len: usize,
    value: M::Array<T>,
}

fn groups(weights: &DiceWeights, sizes: Sizes) -> usize {
    if weights.batch { 1 } else { sizes.items }
}

fn loss<M: Machine, T: Number>(
    machine: &M,
    weights: &DiceWeights,
    sizes: Sizes,
    logits: Slice<'_, M, T>,
    target: Slice<'_, M, u8>,
) -> Result<Found<M, T>> {
    let Sizes { items, voxels, classes } = sizes;
    let n = items * voxels;
    let mut probabilities = machine.unwritten::<T>(n * classes)?;
    let mut surprise = machine.unwritten::<f64>(n)?;
    let launch = Launch::of::<T>(machine, &DICE, "softmax").read(logits, n * classes);
    let launch = launch.read(target, n).write(&mut probabilities, n * classes);
    launch.write(&mut surprise, n).size(n).size(classes).over(n)?;

    let (columns, mut parts) = (3 * classes + 1, voxels.div_ceil(ROWS));
    let len = |parts: usize| items * parts * columns;
    let mut sums = machine.unwritten::<f64>(len(parts))?;
    let launch = Launch::of::<T>(machine, &DICE, "first_sums");
    let launch = launch.read(Slice::whole(&probabilities), n * classes).read(target, n);
    let launch = launch.read(Slice::whole(&surprise), n).write(&mut sums, len(parts));
    let launch = launch.size(len(parts)).size(classes).size(voxels).size(parts).size(ROWS);
    launch.over(len(parts))?;
    while parts > 1 {
        let fewer = parts.div_ceil(ROWS);
        let mut next = machine.unwritten::<f64>(len(fewer))?;
        let launch = Launch::named(machine, &DICE, "further_sums".to_owned());
        let launch = launch.read(Slice::whole(&sums), len(parts)).write(&mut next, len(fewer));
        let launch = launch.size(len(fewer)).size(columns).size(parts).size(fewer).size(ROWS);
        launch.over(len(fewer))?;
        (sums, parts) = (next, fewer);
    }

    let groups = groups(weights, sizes);
    let mut value = machine.unwritten::<T>(1)?;
    let mut slopes = machine.unwritten::<f64>(groups * classes * 2)?;
    let launch = Launch::of::<T>(machine, &DICE, "slopes").read(Slice::whole(&sums), len(1));
    let launch = launch.write(&mut value, 1).write(&mut slopes, groups * classes * 2);
    let launch = launch.size(items).size(groups).size(classes).size(voxels);
    let launch = launch.size(usize::from(!weights.background)).real::<f64>(weights.dice);
    launch.real::<f64>(weights.cross_entropy).real::<f64>(weights.smooth).over(1)?;
    Ok(Found { probabilities, slopes, slopes_len: groups * classes, value })
}

fn gradient<M: Machine, T: Number>(
    machine: &M,
    weights: &DiceWeights,
    sizes: Sizes,
    [p, upstream]: [Slice<'_, M, T>; 2],
    target: Slice<'_, M, u8>,
    slopes: Slice<'_, M, f64>,
) -> Result<M::Array<T>> {
    let Sizes { items, voxels, classes } = sizes;
    let (n, groups) = (items * voxels, groups(weights, sizes));
    let mut y = machine.unwritten::<T>(n * classes)?;
    let launch = Launch::of::<T>(machine, &DICE, "gradient").read(p, n * classes);
    let launch = launch.read(target, n).read(slopes, groups * classes * 2).read(upstream, 1);
    let launch = launch.write(&mut y, n * classes).size(n).size(classes).size(voxels).size(groups);
    launch.real::<f64>(weights.cross_entropy).over(n)?;
    Ok(y)
}

#[cfg(test)]
mod tests;
