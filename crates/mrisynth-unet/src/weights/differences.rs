//! Where a file and a network differ, all at once.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::Shapes;
use crate::error::{Error, Result};

/// Refuses tensors that are not exactly the parameters of a network.
///
/// # Errors
/// [`Error::Weights`] that lists all differences.
pub(super) fn check(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    shapes: &Shapes,
) -> Result<()> {
    let missing = shapes.iter().filter(|(name, _)| !tensors.contains_key(*name));
    let missing: Vec<_> = missing.map(|(name, shape)| format!("{name} {shape:?}")).collect();
    let unexpected = tensors.iter().filter(|(name, _)| !shapes.contains_key(*name));
    let unexpected: Vec<_> =
        unexpected.map(|(name, tensor)| format!("{name} {:?}", tensor.dims())).collect();
    let wrong = |(name, tensor): (&String, &Tensor)| {
        let shape = shapes.get(name)?;
        if tensor.dims() != shape.as_slice() {
            return Some(format!("{name} has {:?}, expected {shape:?}", tensor.dims()));
        }
        let float = matches!(tensor.dtype(), DType::F32 | DType::F64 | DType::BF16 | DType::F16);
        let found = tensor.dtype().as_str();
        (!float).then(|| format!("{name} is {found}, expected f32, f64, bf16 or f16"))
    };
    let wrong: Vec<_> = tensors.iter().filter_map(wrong).collect();
    let lists = [("missing", missing), ("unexpected", unexpected), ("not as expected", wrong)];
    let lists: Vec<String> = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| format!("{} {what}: {}", list.len(), list.join(", ")))
        .collect();
    if lists.is_empty() {
        return Ok(());
    }
    let problem = format!("not the weights of this network; {}", lists.join("; "));
    Err(Error::Weights { path: path.to_owned(), problem })
}
