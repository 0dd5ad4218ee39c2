//! Linear combinations of tensors in one pass over memory, on all cores.
//!
//! A *pass* reads each operand once and writes one array of the same size. Noise is drawn, the
//! model's output checked and the result clipped inside the same pass, on blocks that stay in the
//! first cache. Results are detached: no gradient flows through them.

use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Storage, Tensor, WithDType};
use half::bf16;
use keyed_random::Key;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Elements that are combined at a time.
const BLOCK: usize = 256;
/// Blocks below which a second thread costs more than it brings.
const BLOCKS_PER_TASK: usize = 64;

#[cfg(test)]
thread_local! {
    /// The passes over memory that this thread has asked for.
    pub(crate) static PASSES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// An operand with its factor: one for all items, or one per item.
pub(crate) struct Term<'a> {
    weights: Vec<f64>,
    tensor: &'a Tensor,
    checked: bool,
}

impl<'a> Term<'a> {
    /// `weight · tensor`.
    pub(crate) fn new(weight: f64, tensor: &'a Tensor) -> Self {
        Self { weights: vec![weight], tensor, checked: false }
    }

    /// `weights[item] · tensor[item]`.
    pub(crate) fn per_item(weights: Vec<f64>, tensor: &'a Tensor) -> Self {
        Self { weights, tensor, checked: false }
    }

    /// A term whose numbers must be finite.
    pub(crate) fn checked(self) -> Self {
        Self { checked: true, ..self }
    }

    /// A term that is 0 · a finite tensor can be left out.
    fn counts(&self) -> bool {
        self.checked || self.weights.iter().any(|&weight| weight != 0.0)
    }
}

/// The noise that a combination adds.
pub(crate) enum Draw<'a> {
    /// From element 0 of a key per item.
    Keys(Vec<Key>),
    /// Recorded.
    Tensor(&'a Tensor),
}

/// What becomes of a combination: `clamp(value, lower, upper) / divisor`; one of each, or one per
/// item.
pub(crate) struct Limits {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    pub(crate) divisor: Vec<f64>,
}

/// The sum of terms and noise, within limits.
pub(crate) fn combine<'a>(
    mut terms: Vec<Term<'a>>,
    noise: Option<(f64, Draw<'a>)>,
    limits: Option<&Limits>,
) -> std::result::Result<Tensor, Fault> {
    let like = terms.first().ok_or_else(|| Error::setting("terms", 0, "at least one"))?.tensor;
    let (shape, dtype) = (like.shape().clone(), like.dtype());
    let items = shape.dims().first().copied().unwrap_or(1);
    let keys = match noise {
        Some((scale, Draw::Keys(keys))) if scale != 0.0 => Some((scale, keys)),
        Some((scale, Draw::Tensor(tensor))) => {
            terms.push(Term::new(scale, tensor));
            None
        }
        _ => None,
    };
    if let Some((_, keys)) = keys.as_ref().filter(|(_, keys)| keys.len() != items) {
        let expected = format!("{items}, one per batch item");
        return Err(Error::setting("keys", keys.len(), expected).into());
    }
    for term in &terms {
        check(term, like, items)?;
    }
    if !terms.iter().all(Term::counts) && terms.iter().any(Term::counts) {
        terms.retain(Term::counts);
    }
    #[cfg(test)]
    PASSES.with(|passes| passes.set(passes.get() + 1));
    let plan = Plan { items, keys, limits };
    let data = match dtype {
        DType::F32 => plan.run::<f32>(&terms)?,
        DType::F64 => plan.run::<f64>(&terms)?,
        DType::BF16 => plan.run::<bf16>(&terms)?,
        other => {
            let found = other.as_str().to_owned();
            let expected = "f32, bf16 or f64".to_owned();
            return Err(Error::Storage { what: "the sample", found, expected }.into());
        }
    };
    Ok(data.reshape(shape).map_err(Error::from)?)
}

/// Why a combination failed.
pub(crate) enum Fault {
    /// A checked term is not finite in this item.
    NotFinite { item: usize },
    /// Anything else.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    /// As an error about the model's output at a level of each item.
    pub(crate) fn at(self, level: impl Fn(usize) -> crate::level::Level) -> Error {
        match self {
            Self::NotFinite { item } => Error::ModelOutput { step: None, level: level(item), item },
            Self::Other(error) => error,
        }
    }
}

fn check(term: &Term<'_>, like: &Tensor, items: usize) -> Result<()> {
    let tensor = term.tensor;
    if tensor.dims() != like.dims() {
        let (found, expected) = (tensor.dims().to_vec(), format!("{:?}", like.dims()));
        return Err(Error::Shape { what: "a tensor of a step", found, expected });
    }
    if tensor.dtype() != like.dtype() {
        let (found, expected) = (tensor.dtype().as_str().into(), like.dtype().as_str().into());
        return Err(Error::Storage { what: "a tensor of a step", found, expected });
    }
    if !tensor.device().is_cpu() {
        let found = format!("{:?}", tensor.device().location());
        let expected = "in the memory of the CPU".into();
        return Err(Error::Storage { what: "a tensor of a step", found, expected });
    }
    if term.weights.len() != 1 && term.weights.len() != items {
        return Err(Error::setting("levels", term.weights.len(), format!("{items}, one per item")));
    }
    Ok(())
}

/// What is the same for every element type.
struct Plan<'a> {
    items: usize,
    keys: Option<(f64, Vec<Key>)>,
    limits: Option<&'a Limits>,
}

impl Plan<'_> {
    fn run<T: Element>(&self, terms: &[Term<'_>]) -> std::result::Result<Tensor, Fault> {
        let tensors: Vec<Tensor> = terms
            .iter()
            .map(|t| t.tensor.contiguous())
            .collect::<candle_core::Result<_>>()
            .map_err(Error::from)?;
        let held: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
        let mut operands = Vec::with_capacity(terms.len());
        for ((storage, layout), term) in held.iter().zip(terms) {
            let Storage::Cpu(storage) = &**storage else {
                return Err(Error::setting("device", "other", "the CPU").into());
            };
            let all = T::cpu_storage_as_slice(storage).map_err(Error::from)?;
            let (start, end) = layout.contiguous_offsets().unwrap_or((0, all.len()));
            let weights = term.weights.iter().map(|&w| T::Real::from_f64(w)).collect();
            operands.push(Operand { weights, numbers: &all[start..end], checked: term.checked });
        }
        let count = operands.first().map_or(0, |operand| operand.numbers.len());
        let job = Job {
            operands,
            count,
            item: (count / self.items.max(1)).max(1),
            plan: self,
            faulty: AtomicUsize::new(usize::MAX),
        };
        // Rayon writes whole blocks into memory that nobody cleared first: a pass less.
        let mut blocks: Vec<[T; BLOCK]> = Vec::new();
        (0..count.div_ceil(BLOCK))
            .into_par_iter()
            .with_min_len(BLOCKS_PER_TASK)
            .map(|block| job.block(block * BLOCK))
            .collect_into_vec(&mut blocks);
        match job.faulty.into_inner() {
            usize::MAX => {
                let mut numbers = blocks.into_flattened();
                numbers.truncate(count);
                Ok(Tensor::from_vec(numbers, count, &Device::Cpu).map_err(Error::from)?)
            }
            item => Err(Fault::NotFinite { item }),
        }
    }
}

struct Operand<'a, T: Element> {
    weights: Vec<T::Real>,
    numbers: &'a [T],
    checked: bool,
}

struct Job<'a, T: Element> {
    operands: Vec<Operand<'a, T>>,
    count: usize,
    /// Elements of a batch item.
    item: usize,
    plan: &'a Plan<'a>,
    /// The first item in which a checked operand is not finite.
    faulty: AtomicUsize,
}

impl<T: Element> Job<'_, T> {
    fn block(&self, start: usize) -> [T; BLOCK] {
        let mut sums = [T::Real::ZERO; BLOCK];
        let end = (start + BLOCK).min(self.count);
        let mut from = start;
        while from < end {
            let item = from / self.item;
            let to = end.min((item + 1) * self.item);
            self.piece(item, from, &mut sums[from - start..to - start]);
            from = to;
        }
        let mut out = [T::narrow(T::Real::ZERO); BLOCK];
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = T::narrow(sum);
        }
        out
    }

    /// A part of a block that lies within one item.
    fn piece(&self, item: usize, start: usize, sums: &mut [T::Real]) {
        for operand in &self.operands {
            let weight = operand.weights[if operand.weights.len() == 1 { 0 } else { item }];
            let numbers = &operand.numbers[start..start + sums.len()];
            for (sum, &number) in sums.iter_mut().zip(numbers) {
                *sum = *sum + weight * number.widen();
            }
            if operand.checked && !all_finite(numbers) {
                self.faulty.fetch_min(item, Ordering::Relaxed);
            }
        }
        if let Some((scale, keys)) = &self.plan.keys {
            let mut noise = [T::Real::ZERO; BLOCK];
            let noise = &mut noise[..sums.len()];
            keys[item].fill_normal_at((start - item * self.item) as u64, noise);
            let scale = T::Real::from_f64(*scale);
            for (sum, noise) in sums.iter_mut().zip(noise) {
                *sum = *sum + scale * *noise;
            }
        }
        if let Some(limits) = self.plan.limits {
            let at = |of: &[f64]| T::Real::from_f64(of[if of.len() == 1 { 0 } else { item }]);
            let (lower, upper, divisor) =
                (at(&limits.lower), at(&limits.upper), at(&limits.divisor));
            for sum in sums {
                *sum = sum.clamped(lower, upper) / divisor;
            }
        }
    }
}

/// Whether no number is infinite or NaN, without a branch, so that it runs on vectors.
fn all_finite<T: Element>(numbers: &[T]) -> bool {
    !numbers.iter().fold(false, |bad, number| bad | !number.is_finite())
}

/// A number of a tensor.
trait Element: WithDType {
    /// What is computed in.
    type Real: Real;
    fn widen(self) -> Self::Real;
    fn narrow(real: Self::Real) -> Self;
    fn is_finite(self) -> bool;
}

/// `f32` or `f64`.
trait Real:
    keyed_random::Real
    + std::ops::Add<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    const ZERO: Self;
    fn from_f64(value: f64) -> Self;
    fn clamped(self, lower: Self, upper: Self) -> Self;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn clamped(self, lower: Self, upper: Self) -> Self {
                // NaN stays, and no panic for bounds that are NaN.
                if self < lower {
                    lower
                } else if self > upper {
                    upper
                } else {
                    self
                }
            }
        }
        impl Element for $t {
            type Real = $t;
            #[inline(always)]
            fn widen(self) -> $t {
                self
            }
            #[inline(always)]
            fn narrow(real: $t) -> $t {
                real
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
        }
    };
}
real!(f32);
real!(f64);

impl Element for bf16 {
    type Real = f32;
    #[inline(always)]
    fn widen(self) -> f32 {
        // The upper half of an f32.
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    #[inline(always)]
    fn narrow(real: f32) -> Self {
        Self::from_f32(real)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.to_bits() & 0x7f80 != 0x7f80
    }
}

#[cfg(test)]
mod tests;
