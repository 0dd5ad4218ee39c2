//! From the name of an operation to the function of candle-nn3d.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{
    BatchNormConfig, ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, batch_norm3d, ops,
};
use serde::Deserialize;

use super::Results;
use super::case::Case;

/// The inputs by name, in PyTorch's layout.
pub(crate) type Inputs<'a> = BTreeMap<&'a str, Tensor>;

/// Does what the case says and gives the results in PyTorch's layout: `out`, and `out.NAME`.
pub(crate) fn run(case: &Case, inputs: &Inputs<'_>) -> Result<Results> {
    let out = match &*case.operation {
        "batch_norm" => return batch_norm(&case.settings(), inputs),
        "conv3d" | "conv_transpose3d" => convolution(case, inputs),
        "group_norm" | "group_norm_silu" | "instance_norm" | "layer_norm" => norm(case, inputs),
        "silu" | "gelu" | "leaky_relu" | "geglu" => activation(case, &inputs["x"]),
        "attention" => {
            let Heads { heads } = case.settings();
            ops::attention(&inputs["q"], &inputs["k"], &inputs["v"], heads, None)
        }
        "linear" => ops::linear(&inputs["x"], &inputs["weight"], inputs.get("bias")),
        "concat" => {
            let [a, b] = ["a", "b"].map(|name| ChannelsLast::from_ncxyz(&inputs[name]));
            ops::concat_channels(&[&a?, &b?])?.to_ncxyz()
        }
        "mse_loss" | "l1_loss" | "huber_loss" => loss(case, inputs),
        _ => resizing(case, &inputs["x"]),
    };
    Ok(Results::from([("out".to_owned(), out?)]))
}

/// An operation on activations, on a tensor `[n, c, x, y, z]`.
fn volume(x: &Tensor, f: impl FnOnce(&ChannelsLast) -> Result<ChannelsLast>) -> Result<Tensor> {
    f(&ChannelsLast::from_ncxyz(x)?)?.to_ncxyz()
}

fn convolution(case: &Case, inputs: &Inputs<'_>) -> Result<Tensor> {
    let (weight, bias) = (&inputs["weight"], inputs.get("bias"));
    volume(&inputs["x"], |x| match &*case.operation {
        "conv3d" => ops::conv3d(x, weight, bias, &case.settings::<Conv3dConfig>()),
        _ => ops::conv_transpose3d(x, weight, bias, &case.settings::<ConvTranspose3dConfig>()),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Norm {
    groups: Option<usize>,
    eps: f64,
}

fn norm(case: &Case, inputs: &Inputs<'_>) -> Result<Tensor> {
    let Norm { groups, eps } = case.settings();
    let (x, weight, bias) = (&inputs["x"], inputs.get("weight"), inputs.get("bias"));
    if case.operation == "layer_norm" {
        return ops::layer_norm(x, weight, bias, eps);
    }
    volume(x, |x| match (&*case.operation, groups) {
        ("group_norm", Some(groups)) => ops::group_norm(x, groups, weight, bias, eps),
        ("group_norm_silu", Some(groups)) => ops::group_norm_silu(x, groups, weight, bias, eps),
        ("instance_norm", None) => ops::instance_norm(x, weight, bias, eps),
        (other, _) => candle_core::bail!("{other} with {groups:?} groups"),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchNorm {
    training: bool,
    momentum: f64,
    eps: f64,
}

/// By the layer, which keeps the running statistics.
fn batch_norm(settings: &BatchNorm, inputs: &Inputs<'_>) -> Result<Results> {
    let &BatchNorm { training, momentum, eps } = settings;
    let x = &inputs["x"];
    let stored: HashMap<String, Tensor> =
        inputs.iter().map(|(&name, tensor)| (name.to_owned(), tensor.clone())).collect();
    let vb = VarBuilder::from_tensors(stored, x.dtype(), x.device());
    let config = BatchNormConfig { eps, momentum, affine: true };
    let layer = batch_norm3d(x.dim(1)?, config, vb)?;
    let mut results = Results::new();
    let out = volume(x, |x| layer.forward_channels_last(x, training))?;
    results.insert("out".to_owned(), out);
    if training {
        results.insert("out.running_mean".to_owned(), layer.running_mean().clone());
        results.insert("out.running_var".to_owned(), layer.running_variance().clone());
    }
    Ok(results)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slope {
    slope: f64,
}

fn activation(case: &Case, x: &Tensor) -> Result<Tensor> {
    match &*case.operation {
        "silu" => ops::silu(x),
        "gelu" => ops::gelu(x),
        "geglu" => ops::geglu(x),
        _ => ops::leaky_relu(x, case.settings::<Slope>().slope),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heads {
    heads: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Huber {
    delta: f64,
}

fn loss(case: &Case, inputs: &Inputs<'_>) -> Result<Tensor> {
    let (x, target) = (&inputs["x"], &inputs["target"]);
    match &*case.operation {
        "mse_loss" => ops::mse_loss(x, target, None),
        "l1_loss" => ops::l1_loss(x, target, None),
        _ => ops::huber_loss(x, target, case.settings::<Huber>().delta, None),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    size: [usize; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pad {
    padding: [[usize; 2]; 3],
    value: f64,
}

fn resizing(case: &Case, x: &Tensor) -> Result<Tensor> {
    let pool = || case.settings::<Pool>();
    volume(x, |x| match &*case.operation {
        "upsample_nearest" => ops::upsample_nearest_to(x, case.settings::<Size>().size),
        "upsample_trilinear" => ops::upsample_trilinear_to(x, case.settings::<Size>().size),
        "avg_pool" => ops::avg_pool3d(x, pool().kernel, pool().stride, pool().padding, true),
        "max_pool" => ops::max_pool3d(x, pool().kernel, pool().stride, pool().padding),
        "pad" => {
            let Pad { padding, value } = case.settings();
            ops::pad_constant(x, padding, value)
        }
        other => candle_core::bail!("no function for {other}"),
    })
}
