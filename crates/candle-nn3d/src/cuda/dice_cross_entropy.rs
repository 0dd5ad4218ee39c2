//! Soft Dice plus cross-entropy of a softmax on a GPU: one pass over the voxels forward, one back.
//!
//! What both need of all voxels stays on the device, so that nothing waits for it.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};

use super::gpu::Gpu;
use super::item_channels::sums;
use super::launch::{Launch, THREADS};
use super::machine::{Machine, Number, Slice};
use super::source::DICE_CROSS_ENTROPY as SOURCE;
use super::tensors::{compute, slice};
use crate::channels_last::ChannelsLast;
use crate::error::Error;
use crate::tape::{Needs, apply1};

const OP: &str = "dice_cross_entropy";
/// Voxels that one block adds up: `THREADS * VOXELS` of the kernel.
const PER_BLOCK: usize = 8 * THREADS as usize;

/// What the loss `dice · (1 − mean Dice) + cross_entropy · (mean cross-entropy)` is made of.
///
/// For class k, with probabilities p and the indicator g of the target,
/// Dice = (2 Σ p g + smooth) / (Σ p + Σ g + smooth).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiceCrossEntropySettings {
    /// The weight of Dice.
    pub dice: f64,
    /// The weight of cross-entropy.
    pub cross_entropy: f64,
    /// Added to numerator and denominator of Dice.
    pub smooth: f64,
    /// Whether class 0 counts in the mean of Dice.
    pub background: bool,
    /// Whether sums of Dice go over the whole batch instead of over each item.
    pub batch: bool,
}

/// The loss of logits on a GPU, a scalar of their dtype, and its gradient.
///
/// `mrisynth-segmentation` has the same loss for the CPU and hands logits on a GPU on to this: kernels
/// stand in this crate alone.
///
/// # Shapes
/// Logits `[n, x, y, z, c]`, f32 or f64; a class below c for each of the n · x · y · z voxels, in
/// their order.
///
/// # Errors
/// [`Error::Argument`] for another number of classes or one that is none of c; [`Error::DType`] for
/// other dtypes; [`Error::Gpu`] for logits that are not on a GPU.
///
/// # Source
/// nnU-Net v2's `DC_and_CE_loss`, up to the constant 1, which it leaves out; MONAI's `DiceCELoss` with
/// `softmax` and `to_onehot_y`.
pub fn dice_cross_entropy(
    logits: &ChannelsLast,
    classes: &[u8],
    settings: DiceCrossEntropySettings,
) -> Result<Tensor> {
    let (x, c) = (logits.tensor(), logits.channels());
    let (voxels, refused) = (x.elem_count() / c, |found: String, expected| {
        Err(Error::Argument { op: OP, argument: "classes", found, expected }.into())
    });
    if classes.len() != voxels {
        return refused(
            format!("{} voxels", classes.len()),
            format!("{voxels}, for {:?}", x.dims()),
        );
    }
    // The kernels read a logit by it.
    if let Some(class) = classes.iter().find(|class| usize::from(**class) >= c) {
        return refused(class.to_string(), format!("classes below {c}"));
    }
    let dims = Dims { items: logits.batch(), per_item: voxels / logits.batch(), classes: c };
    let operation = Operation { settings, dims, target: classes.to_vec(), kept: OnceLock::new() };
    apply1(x, operation, Needs::Inputs)
}

#[derive(Clone, Copy, Debug)]
struct Dims {
    items: usize,
    /// Voxels of an item.
    per_item: usize,
    classes: usize,
}

/// The loss, and its slopes in the probabilities of each group of items and class: elsewhere, and on
/// the target.
fn value<M: Machine, T: Number<Real = T>>(
    machine: &M,
    settings: DiceCrossEntropySettings,
    dims: Dims,
    logits: Slice<'_, M, T>,
    target: Slice<'_, M, u8>,
) -> Result<(M::Array<T>, M::Array<f64>)> {
    let DiceCrossEntropySettings { dice, cross_entropy, smooth, background, batch } = settings;
    let Dims { items, per_item, classes } = dims;
    let (voxels, width) = (items * per_item, 3 * classes + 1);
    let blocks = items * per_item.div_ceil(PER_BLOCK);
    let mut parts = machine.unwritten::<f64>(blocks * width)?;
    let launch = Launch::of::<T>(machine, &SOURCE, "dice_sums").read(logits, voxels * classes);
    let launch = launch.read(target, voxels).write(&mut parts, blocks * width);
    launch.size(per_item).size(classes).blocks(blocks, 1)?;
    let sums = sums(machine, (items, width), Slice::whole(&parts))?;

    let pairs = if batch { classes } else { items * classes };
    let (mut value, mut slopes) = (machine.unwritten(1)?, machine.unwritten(2 * pairs)?);
    let launch = Launch::of::<T>(machine, &SOURCE, "dice_value");
    let launch = launch.read(Slice::whole(&sums), items * width).write(&mut value, 1);
    let launch = launch.write(&mut slopes, 2 * pairs).size(items).size(classes);
    let launch = launch.word(u32::from(batch)).size(usize::from(!background));
    let launch = launch.real::<f64>(voxels as f64).real::<f64>(dice);
    launch.real::<f64>(cross_entropy).real::<f64>(smooth).over(pairs)?;
    Ok((value, slopes))
}

/// `upstream` times the gradient of the logits, by the slopes that [`value`] gives.
fn gradient<M: Machine, T: Number<Real = T>>(
    machine: &M,
    settings: DiceCrossEntropySettings,
    Dims { items, per_item, classes }: Dims,
    [logits, upstream]: [Slice<'_, M, T>; 2],
    target: Slice<'_, M, u8>,
    slopes: Slice<'_, M, f64>,
) -> Result<M::Array<T>> {
    let (voxels, pairs) =
        (items * per_item, if settings.batch { classes } else { items * classes });
    let mut gradient = machine.unwritten(voxels * classes)?;
    let launch = Launch::of::<T>(machine, &SOURCE, "dice_gradient").read(logits, voxels * classes);
    let launch = launch.read(target, voxels).read(slopes, 2 * pairs).read(upstream, 1);
    let launch = launch.write(&mut gradient, voxels * classes).size(voxels).size(per_item);
    let launch = launch.size(classes).word(u32::from(settings.batch));
    launch.real::<f64>(settings.cross_entropy).over(voxels)?;
    Ok(gradient)
}

struct Operation {
    settings: DiceCrossEntropySettings,
    dims: Dims,
    target: Vec<u8>,
    kept: OnceLock<Kept>,
}

/// What the way back needs, on the device.
struct Kept {
    target: CudaSlice<u8>,
    slopes: CudaSlice<f64>,
}

impl Operation {
    fn run<T: Number<Real = T>>(&self, x: &CudaStorage, layout: &Layout) -> Result<CudaStorage> {
        let gpu = Gpu::of(x);
        let logits = slice::<T>(OP, (x, layout))?;
        let target = gpu.holding(&self.target)?;
        let (value, slopes) = value(&gpu, self.settings, self.dims, logits, Slice::whole(&target))?;
        // A second time, on the same logits, gives the same.
        let _ = self.kept.set(Kept { target, slopes });
        Ok(gpu.storage(value))
    }
}

impl CustomOp1 for Operation {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let remedy = "use mrisynth-segmentation's loss on the CPU";
        Err(Error::gpu(OP, "the logits are on the CPU".into(), remedy).into())
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let value = match x.dtype() {
            DType::F32 => self.run::<f32>(x, layout)?,
            DType::F64 => self.run::<f64>(x, layout)?,
            other => return Err(unknown_dtype(other)),
        };
        Ok((value, Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, upstream: &Tensor) -> Result<Option<Tensor>> {
        let Some(kept) = self.kept.get() else {
            let problem = "a gradient before a value".to_owned();
            return Err(Error::gpu(OP, problem, "this is a defect of candle-nn3d").into());
        };
        let (target, slopes) = (Slice::whole(&kept.target), Slice::whole(&kept.slopes));
        let tensors = [logits, &upstream.contiguous()?];
        let of_logits = compute(OP, tensors, |gpu, [x, upstream]| {
            let shape = x.1.shape().clone();
            let (settings, dims) = (self.settings, self.dims);
            let gradient = match x.0.dtype() {
                DType::F32 => {
                    let both = [slice::<f32>(OP, x)?, slice(OP, upstream)?];
                    gpu.storage(gradient(gpu, settings, dims, both, target, slopes)?)
                }
                DType::F64 => {
                    let both = [slice::<f64>(OP, x)?, slice(OP, upstream)?];
                    gpu.storage(gradient(gpu, settings, dims, both, target, slopes)?)
                }
                other => return Err(unknown_dtype(other)),
            };
            Ok((gradient, shape))
        })?;
        Ok(Some(of_logits))
    }
}

fn unknown_dtype(found: DType) -> candle_core::Error {
    let (found, expected) = (found.as_str().to_owned(), "f32 or f64".to_owned());
    Error::DType { op: OP, argument: "logits", found, expected }.into()
}

#[cfg(test)]
mod tests;
