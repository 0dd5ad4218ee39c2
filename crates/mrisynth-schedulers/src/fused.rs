//! Linear combinations of tensors in one pass over memory, on all cores.
//!
//! A *pass* reads each operand once and writes one array of the same size. Noise is drawn, the
//! model's output checked and the result clipped inside the same pass, on blocks that stay in the
//! first cache. Results are detached: no gradient flows through them.
//!
//! On a GPU a pass is one kernel, and nobody waits for it: a model's output that is not finite makes the
//! result NaN, and [`crate::sample`] looks at the end.

mod element;
mod pass;

use candle_core::{DType, Tensor};
use half::bf16;
use keyed_random::Key;

use crate::error::{Error, Result};
use pass::Plan;

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

    #[cfg(feature = "cuda")]
    fn on_gpu(&self) -> candle_nn3d::gpu::Operand<'_> {
        let Self { weights, tensor, checked } = self;
        candle_nn3d::gpu::Operand { weights, tensor, checked: *checked }
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
    #[cfg(feature = "cuda")]
    if like.device().is_cuda() {
        return Ok(on_gpu(&terms, keys.as_ref(), limits)?);
    }
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

#[cfg(feature = "cuda")]
fn on_gpu(
    terms: &[Term<'_>],
    keys: Option<&(f64, Vec<Key>)>,
    limits: Option<&Limits>,
) -> Result<Tensor> {
    use candle_nn3d::gpu;

    let limits =
        limits.map(|Limits { lower, upper, divisor }| gpu::Limits { lower, upper, divisor });
    let combination = gpu::Combination {
        operands: terms.iter().map(Term::on_gpu).collect(),
        noise: keys.map(|(scale, keys)| (*scale, &keys[..])),
        limits,
    };
    Ok(combination.compute()?)
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
    let known = tensor.device().is_cpu() || cfg!(feature = "cuda") && tensor.device().is_cuda();
    if !known || !tensor.device().same_device(like.device()) {
        let found = format!("{:?}", tensor.device().location());
        let expected = format!("where the others are, at {:?}", like.device().location());
        return Err(Error::Storage { what: "a tensor of a step", found, expected });
    }
    if term.weights.len() != 1 && term.weights.len() != items {
        return Err(Error::setting("levels", term.weights.len(), format!("{items}, one per item")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
