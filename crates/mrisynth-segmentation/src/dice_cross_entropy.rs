//! Soft Dice plus cross-entropy of a softmax, in one pass forward and one back.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Storage, Tensor, WithDType};
use candle_nn3d::ChannelsLast;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[cfg(feature = "cuda")]
mod gpu;

/// Voxels that one task sums; fixed, so that no sum depends on the number of threads.
const CHUNK: usize = 4096;

/// Classes of the voxels of a batch, `[n, x, y, z]`, z fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetClasses {
    classes: Arc<[u8]>,
    shape: [usize; 4],
}

impl TargetClasses {
    /// The classes of n volumes of x × y × z voxels.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there are as many classes as voxels.
    pub fn new(classes: impl Into<Arc<[u8]>>, shape: [usize; 4]) -> Result<Self> {
        let classes = classes.into();
        let voxels = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        if voxels != Some(classes.len()) {
            let expected = format!("as many as voxels of {shape:?}");
            return Err(Error::argument("classes", classes.len(), expected));
        }
        Ok(Self { classes, shape })
    }

    /// n, x, y, z.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The classes, z fastest.
    #[must_use]
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// Every `stride`-th voxel, beginning with the first: the target of a coarser resolution.
    #[must_use]
    pub fn strided(&self, stride: [usize; 3]) -> Self {
        let [n, x, y, z] = self.shape;
        let mut classes = Vec::new();
        for item in 0..n {
            for i in (0..x).step_by(stride[0]) {
                for j in (0..y).step_by(stride[1]) {
                    let row = ((item * x + i) * y + j) * z;
                    classes.extend(self.classes[row..row + z].iter().step_by(stride[2]));
                }
            }
        }
        let shape = [n, x.div_ceil(stride[0]), y.div_ceil(stride[1]), z.div_ceil(stride[2])];
        Self { classes: classes.into(), shape }
    }
}

/// The loss `dice · (1 − mean Dice) + cross_entropy · (mean cross-entropy)`.
///
/// For class k, with probabilities p and the indicator g of the target,
/// Dice = (2 Σ p g + smooth) / (Σ p + Σ g + smooth).
///
/// # Source
/// nnU-Net v2's `DC_and_CE_loss` with its defaults (`smooth` 1e-5, background left out), up to the
/// constant 1, which it leaves out; MONAI's `DiceCELoss` with `softmax` and `to_onehot_y`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiceCrossEntropy {
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

impl Default for DiceCrossEntropy {
    fn default() -> Self {
        Self { dice: 1.0, cross_entropy: 1.0, smooth: 1e-5, background: false, batch: false }
    }
}

impl DiceCrossEntropy {
    /// The loss of these logits, a scalar.
    ///
    /// # Shapes
    /// Logits `[n, x, y, z, c]`, f32 or f64, with the target's n, x, y and z, and at least two classes.
    ///
    /// # Errors
    /// [`Error::Argument`] for logits that do not fit the target, and a target class that is none of c;
    /// [`Error::Config`] for weights that are negative or not finite.
    pub fn loss(&self, logits: &ChannelsLast, target: &TargetClasses) -> Result<Tensor> {
        self.check()?;
        let logits = logits.tensor().contiguous()?;
        let (classes, [n, x, y, z]) = (*logits.dims().last().unwrap_or(&0), target.shape);
        if logits.dims() != [n, x, y, z, classes] || classes < 2 || n * x * y * z == 0 {
            let expected = format!("[{n}, {x}, {y}, {z}, c] with c at least 2, and no axis empty");
            return Err(Error::argument("logits", logits.dims(), expected));
        }
        if let Some(class) = target.classes.iter().find(|class| usize::from(**class) >= classes) {
            return Err(Error::argument("target", class, format!("classes below {classes}")));
        }
        #[cfg(feature = "cuda")]
        if logits.device().is_cuda() {
            return self.on_gpu(logits, target);
        }
        let operation = |sums| Operation { loss: *self, target: target.clone(), classes, sums };
        let sums = {
            let (storage, layout) = logits.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else {
                let expected = "on the CPU, or on a GPU with the feature cuda";
                return Err(Error::argument("logits", logits.device().location(), expected));
            };
            match storage {
                CpuStorage::F32(all) => Sums::of(span(all, layout), target, classes),
                CpuStorage::F64(all) => Sums::of(span(all, layout), target, classes),
                _ => return Err(Error::argument("logits", logits.dtype(), "f32 or f64")),
            }
        };
        Ok(logits.apply_op1(operation(sums))?)
    }

    fn check(&self) -> Result<()> {
        for (field, value) in
            [("dice", self.dice), ("cross_entropy", self.cross_entropy), ("smooth", self.smooth)]
        {
            if !value.is_finite() || value < 0.0 {
                return Err(Error::config(field, value, "finite and not negative"));
            }
        }
        Ok(())
    }
}

fn span<'a, T>(all: &'a [T], layout: &Layout) -> &'a [T] {
    let start = layout.start_offset();
    &all[start..start + layout.shape().elem_count()]
}

/// What both directions need to know of all voxels: by item, then class.
#[derive(Clone, Debug)]
struct Sums {
    overlap: Vec<f64>,
    predicted: Vec<f64>,
    present: Vec<f64>,
    /// Of −ln p of the target class, over all voxels of the batch.
    surprise: f64,
}

impl Sums {
    fn of<T: Logit>(logits: &[T], target: &TargetClasses, classes: usize) -> Self {
        let items = target.shape[0];
        let voxels = target.classes.len() / items;
        let mut total = Self::zero(items * classes);
        for item in 0..items {
            let logits = &logits[item * voxels * classes..][..voxels * classes];
            let target = &target.classes[item * voxels..][..voxels];
            let parts: Vec<Self> = logits
                .par_chunks(CHUNK * classes)
                .zip(target.par_chunks(CHUNK))
                .map(|(logits, target)| Self::of_chunk(logits, target, classes))
                .collect();
            for part in parts {
                total.surprise += part.surprise;
                for k in 0..classes {
                    total.overlap[item * classes + k] += part.overlap[k];
                    total.predicted[item * classes + k] += part.predicted[k];
                    total.present[item * classes + k] += part.present[k];
                }
            }
        }
        total
    }

    fn zero(n: usize) -> Self {
        Self {
            overlap: vec![0.0; n],
            predicted: vec![0.0; n],
            present: vec![0.0; n],
            surprise: 0.0,
        }
    }

    fn of_chunk<T: Logit>(logits: &[T], target: &[u8], classes: usize) -> Self {
        let mut sums = Self::zero(classes);
        let mut p = vec![T::default(); classes];
        for (logits, &class) in logits.chunks_exact(classes).zip(target) {
            let class = usize::from(class);
            let log_sum = softmax(logits, &mut p);
            sums.surprise += log_sum - logits[class].to_f64();
            sums.present[class] += 1.0;
            sums.overlap[class] += p[class].to_f64();
            for (sum, p) in sums.predicted.iter_mut().zip(&p) {
                *sum += p.to_f64();
            }
        }
        sums
    }

    /// The same with every item's sums replaced by the batch's.
    fn pooled(&self, classes: usize) -> Self {
        let pool = |sums: &[f64]| {
            let mut total = vec![0.0; classes];
            for item in sums.chunks_exact(classes) {
                total.iter_mut().zip(item).for_each(|(total, x)| *total += x);
            }
            total
        };
        Self {
            overlap: pool(&self.overlap),
            predicted: pool(&self.predicted),
            present: pool(&self.present),
            surprise: self.surprise,
        }
    }
}

/// Writes the probabilities of one voxel; returns the logarithm of the sum of exponentials.
#[inline]
fn softmax<T: Logit>(logits: &[T], p: &mut [T]) -> f64 {
    let largest = logits.iter().copied().fold(logits[0], T::larger);
    let mut sum = T::default();
    for (p, logit) in p.iter_mut().zip(logits) {
        *p = (*logit - largest).exponential();
        sum += *p;
    }
    for p in p.iter_mut() {
        *p /= sum;
    }
    largest.to_f64() + sum.to_f64().ln()
}

/// A number that logits can be.
trait Logit: WithDType + Default {
    fn larger(self, other: Self) -> Self;
    fn exponential(self) -> Self;
}

impl Logit for f32 {
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
    fn exponential(self) -> Self {
        self.exp()
    }
}

impl Logit for f64 {
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
    fn exponential(self) -> Self {
        self.exp()
    }
}

struct Operation {
    loss: DiceCrossEntropy,
    target: TargetClasses,
    classes: usize,
    sums: Sums,
}

impl Operation {
    /// Dice is summed over groups of items: each one, or all.
    fn grouped(&self) -> Sums {
        if self.loss.batch { self.sums.pooled(self.classes) } else { self.sums.clone() }
    }

    fn counted(&self) -> std::ops::Range<usize> {
        usize::from(!self.loss.background)..self.classes
    }

    fn value(&self) -> f64 {
        let sums = self.grouped();
        let groups = sums.present.len() / self.classes;
        let mut dice = 0.0;
        for group in 0..groups {
            for k in self.counted() {
                let i = group * self.classes + k;
                let size = sums.predicted[i] + sums.present[i] + self.loss.smooth;
                dice += (2.0 * sums.overlap[i] + self.loss.smooth) / size.max(f64::MIN_POSITIVE);
            }
        }
        let mean = dice / (groups * self.counted().len()) as f64;
        let cross_entropy = self.sums.surprise / self.target.classes.len() as f64;
        self.loss.dice * (1.0 - mean) + self.loss.cross_entropy * cross_entropy
    }

    /// The loss's slope in the probability of each group and class: elsewhere, and on the target.
    fn slopes(&self) -> Vec<[f64; 2]> {
        let sums = self.grouped();
        let groups = sums.present.len() / self.classes;
        let scale = self.loss.dice / (groups * self.counted().len()) as f64;
        let slope = |i: usize| {
            if !self.counted().contains(&(i % self.classes)) {
                return [0.0; 2];
            }
            let size = sums.predicted[i] + sums.present[i] + self.loss.smooth;
            let size = size.max(f64::MIN_POSITIVE);
            let elsewhere = (2.0 * sums.overlap[i] + self.loss.smooth) / (size * size);
            [scale * elsewhere, scale * (elsewhere - 2.0 / size)]
        };
        (0..sums.present.len()).map(slope).collect()
    }

    fn gradient<T: Logit>(&self, logits: &[T], upstream: f64) -> Vec<T> {
        let (classes, items) = (self.classes, self.target.shape[0]);
        let voxels = self.target.classes.len() / items;
        let slopes = self.slopes();
        let of_entropy = self.loss.cross_entropy / self.target.classes.len() as f64;
        let mut gradient = vec![T::default(); logits.len()];
        for item in 0..items {
            let group = if self.loss.batch { 0 } else { item };
            let slopes = &slopes[group * classes..][..classes];
            let all = item * voxels * classes..(item + 1) * voxels * classes;
            gradient[all.clone()]
                .par_chunks_mut(CHUNK * classes)
                .zip(logits[all].par_chunks(CHUNK * classes))
                .zip(self.target.classes[item * voxels..][..voxels].par_chunks(CHUNK))
                .for_each(|((gradient, logits), target)| {
                    let mut p = vec![T::default(); classes];
                    let voxels =
                        gradient.chunks_exact_mut(classes).zip(logits.chunks_exact(classes));
                    for ((gradient, logits), &class) in voxels.zip(target) {
                        let class = usize::from(class);
                        softmax(logits, &mut p);
                        let slope = |k: usize| slopes[k][usize::from(k == class)];
                        let mean: f64 = (0..classes).map(|k| slope(k) * p[k].to_f64()).sum();
                        for k in 0..classes {
                            let p = p[k].to_f64();
                            let of_target = if k == class { 1.0 } else { 0.0 };
                            let sum = p * (slope(k) - mean) + of_entropy * (p - of_target);
                            gradient[k] = T::from_f64(upstream * sum);
                        }
                    }
                });
        }
        gradient
    }
}

impl CustomOp1 for Operation {
    fn name(&self) -> &'static str {
        "dice_cross_entropy"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let value = self.value();
        let value = match storage {
            CpuStorage::F64(_) => CpuStorage::F64(vec![value]),
            _ => CpuStorage::F32(vec![WithDType::from_f64(value)]),
        };
        Ok((value, Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        _: &Tensor,
        upstream: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let upstream = upstream.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let (storage, layout) = logits.storage_and_layout();
        let (shape, device) = (logits.shape(), logits.device());
        let gradient = match &*storage {
            Storage::Cpu(CpuStorage::F32(all)) => {
                Tensor::from_vec(self.gradient(span(all, layout), upstream), shape, device)
            }
            Storage::Cpu(CpuStorage::F64(all)) => {
                Tensor::from_vec(self.gradient(span(all, layout), upstream), shape, device)
            }
            _ => candle_core::bail!("dice_cross_entropy: logits must be f32 or f64 on the CPU"),
        };
        Ok(Some(gradient?))
    }
}

#[cfg(test)]
mod tests;
