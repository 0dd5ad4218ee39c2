//! From the name of an operation to the function of candle-nn3d.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn3d::{ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, ops};
use serde::Deserialize;

use super::Results;
use super::case::Case;

/// The inputs by name, in PyTorch's layout.
type Inputs<'a> = BTreeMap<&'a str, Tensor>;

/// Does what the case says and gives the results in PyTorch's layout: `out`, and `out.NAME`.
pub(crate) fn run(case: &Case, inputs: &Inputs<'_>) -> Result<Results> {
    let input = |name: &str| &inputs[name];
    let out = match &*case.operation {
        "conv3d" => {
            let config: Conv3dConfig = case.settings();
            let (weight, bias) = (input("weight"), inputs.get("bias"));
            volume(input("x"), |x| ops::conv3d(x, weight, bias, &config))?
        }
        "conv_transpose3d" => {
            let config: ConvTranspose3dConfig = case.settings();
            let (weight, bias) = (input("weight"), inputs.get("bias"));
            volume(input("x"), |x| ops::conv_transpose3d(x, weight, bias, &config))?
        }
        other => candle_core::bail!("no function for {other}"),
    };
    Ok(Results::from([("out".to_owned(), out)]))
}

/// An operation on activations, on a tensor `[n, c, x, y, z]`.
fn volume(x: &Tensor, f: impl FnOnce(&ChannelsLast) -> Result<ChannelsLast>) -> Result<Tensor> {
    f(&ChannelsLast::from_ncxyz(x)?)?.to_ncxyz()
}
