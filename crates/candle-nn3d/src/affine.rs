//! The optional weight and bias of a normalisation.

use candle_core::{Result, Tensor};

use crate::error::Error;

/// Weight and bias for the last axis of `x`, contiguous; ones and zeros where there are none.
pub(crate) fn affine(
    op: &'static str,
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Tensor)> {
    let channels = x.dims().last().copied().unwrap_or(0);
    let (dtype, device) = (x.dtype(), x.device());
    let weight = match weight {
        Some(weight) => checked(op, "weight", x, weight)?,
        None => Tensor::ones(channels, dtype, device)?,
    };
    let bias = match bias {
        Some(bias) => checked(op, "bias", x, bias)?,
        None => Tensor::zeros(channels, dtype, device)?,
    };
    Ok((weight, bias))
}

fn checked(op: &'static str, argument: &'static str, x: &Tensor, it: &Tensor) -> Result<Tensor> {
    check_per_channel(op, argument, x, it)?;
    if it.dtype() != x.dtype() {
        let found = it.dtype().as_str().to_owned();
        let expected = format!("{} as x", x.dtype().as_str());
        return Err(Error::DType { op, argument, found, expected }.into());
    }
    it.contiguous()
}

/// Refuses what does not hold one number per channel of the last axis of `x`.
pub(crate) fn check_per_channel(
    op: &'static str,
    argument: &'static str,
    x: &Tensor,
    it: &Tensor,
) -> Result<()> {
    let channels = x.dims().last().copied().unwrap_or(0);
    if it.dims() == [channels] {
        return Ok(());
    }
    let expected = format!("[{channels}], the last axis of x {:?}", x.dims());
    Err(Error::Shape { op, argument, found: it.dims().to_vec(), expected }.into())
}

/// Refuses what would make a variance negative or not a number.
pub(crate) fn check_eps(op: &'static str, eps: f64) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 {
        return Ok(());
    }
    let expected = "a finite number, not negative".to_owned();
    Err(Error::Argument { op, argument: "eps", found: eps.to_string(), expected }.into())
}
