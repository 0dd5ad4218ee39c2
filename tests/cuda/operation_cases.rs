//! The table of all operations.

use candle_core::{Result, Tensor};
use candle_nn3d::{ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, ops};
use keyed_random::Key;

/// An operation on tensors of these shapes.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) shapes: &'static [&'static [usize]],
    pub(crate) run: fn(&[Tensor]) -> Result<Tensor>,
}

/// A volume of odd sizes, `[n, x, y, z, c]`, and its channels.
const X: &[usize] = &[2, 7, 5, 6, 12];
const C: &[usize] = &[12];

fn last(x: &Tensor) -> Result<ChannelsLast> {
    ChannelsLast::new(x.clone())
}

fn volume(y: Result<ChannelsLast>) -> Result<Tensor> {
    y.map(ChannelsLast::into_tensor)
}

fn keys() -> [Key; 2] {
    [0, 1].map(|item| Key::new(4).with_index(item))
}

fn convolution(t: &[Tensor], config: Conv3dConfig) -> Result<Tensor> {
    volume(ops::conv3d(&last(&t[0])?, &t[1], t.get(2), &config))
}

fn transposed(t: &[Tensor], config: ConvTranspose3dConfig) -> Result<Tensor> {
    volume(ops::conv_transpose3d(&last(&t[0])?, &t[1], t.get(2), &config))
}

macro_rules! cases {
    ($($name:literal, $shapes:expr, $run:expr;)*) => {
        pub(crate) const CASES: &[Case] =
            &[$(Case { name: $name, shapes: &$shapes, run: $run }),*];
    };
}

cases! {
    "silu", [X], |t| ops::silu(&t[0]);
    "gelu", [X], |t| ops::gelu(&t[0]);
    "relu", [X], |t| ops::relu(&t[0]);
    "leaky_relu", [X], |t| ops::leaky_relu(&t[0], 0.01);
    "geglu", [X], |t| ops::geglu(&t[0]);
    "add", [X, X], |t| volume(ops::add(&last(&t[0])?, &last(&t[1])?));
    "scale", [X], |t| volume(ops::scale(&last(&t[0])?, -1.7));
    "reshape", [X], |t| ops::reshape(&t[0], (2, 7 * 5 * 6, 12));
    "from channels first", [X], |t| volume(ChannelsLast::from_ncxyz(&t[0]));
    "to channels first", [X], |t| last(&t[0])?.to_ncxyz();
    "channel bias", [X, C], |t| volume(ops::add_channel_bias(&last(&t[0])?, &t[1]));
    "item bias", [X, &[2, 12]], |t| volume(ops::add_channel_bias(&last(&t[0])?, &t[1]));
    "concat", [X, &[2, 7, 5, 6, 3]], |t| {
        volume(ops::concat_channels(&[&last(&t[0])?, &last(&t[1])?]))
    };
    "pad", [X], |t| volume(ops::pad_constant(&last(&t[0])?, [[1, 0], [2, 3], [0, 1]], 0.5));
    "crop", [X], |t| volume(ops::crop(&last(&t[0])?, [1, 0, 2], [5, 4, 3]));
    "linear", [&[2, 9, 12], &[7, 12], &[7]], |t| ops::linear(&t[0], &t[1], Some(&t[2]));
    "linear without bias", [&[2, 9, 12], &[7, 12]], |t| ops::linear(&t[0], &t[1], None);
    "convolution", [X, &[8, 12, 3, 3, 3], &[8]], |t| convolution(t, Conv3dConfig::same(3));
    "convolution of one voxel", [X, &[5, 12, 1, 1, 1], &[5]], |t| {
        convolution(t, Conv3dConfig::default())
    };
    "strided convolution", [X, &[8, 12, 3, 3, 3], &[8]], |t| {
        convolution(t, Conv3dConfig { stride: [2, 1, 2], ..Conv3dConfig::same(3) })
    };
    "dilated convolution", [X, &[4, 12, 3, 1, 3]], |t| {
        let padding = [[2, 2], [0, 0], [2, 2]];
        convolution(t, Conv3dConfig { dilation: [2, 1, 2], padding, ..Default::default() })
    };
    "grouped convolution", [X, &[6, 4, 3, 3, 3], &[6]], |t| {
        convolution(t, Conv3dConfig { groups: 3, ..Conv3dConfig::same(3) })
    };
    "unevenly padded convolution", [X, &[4, 12, 3, 3, 3]], |t| {
        let padding = [[0, 1], [2, 0], [1, 1]];
        convolution(t, Conv3dConfig { padding, stride: [2; 3], ..Default::default() })
    };
    "transposed convolution", [X, &[12, 5, 2, 2, 2], &[5]], |t| {
        transposed(t, ConvTranspose3dConfig { stride: [2; 3], ..Default::default() })
    };
    "cut transposed convolution", [X, &[12, 5, 3, 3, 3]], |t| {
        let (padding, output_padding) = ([1; 3], [1, 0, 1]);
        let config = ConvTranspose3dConfig { stride: [2; 3], padding, ..Default::default() };
        transposed(t, ConvTranspose3dConfig { output_padding, ..config })
    };
    "group norm", [X, C, C], |t| {
        volume(ops::group_norm(&last(&t[0])?, 3, Some(&t[1]), Some(&t[2]), 1e-5))
    };
    "group norm, silu", [X, C, C], |t| {
        volume(ops::group_norm_silu(&last(&t[0])?, 4, Some(&t[1]), Some(&t[2]), 1e-6))
    };
    "group norm, relu", [X, C, C], |t| {
        volume(ops::group_norm_relu(&last(&t[0])?, 2, Some(&t[1]), Some(&t[2]), 1e-5))
    };
    "instance norm", [X], |t| volume(ops::instance_norm(&last(&t[0])?, None, None, 1e-5));
    "instance norm, leaky relu", [X, C, C], |t| {
        let (weight, bias) = (Some(&t[1]), Some(&t[2]));
        volume(ops::instance_norm_leaky_relu(&last(&t[0])?, weight, bias, 1e-5, 0.01))
    };
    "layer norm", [&[2, 9, 12], C, C], |t| {
        ops::layer_norm(&t[0], Some(&t[1]), Some(&t[2]), 1e-5)
    };
    "batch norm in training", [X, C, C], |t| {
        volume(Ok(ops::batch_norm_train(&last(&t[0])?, Some(&t[1]), Some(&t[2]), 1e-5)?.0))
    };
    "batch norm", [X, C, C], |t| {
        let mean = t[1].detach().zeros_like()?;
        let (x, variance) = (last(&t[0])?, mean.ones_like()?);
        volume(ops::batch_norm_eval(&x, &mean, &variance, Some(&t[1]), Some(&t[2]), 1e-5))
    };
    "attention", [&[2, 37, 16], &[2, 37, 16], &[2, 37, 16]], |t| {
        ops::attention(&t[0], &t[1], &t[2], 4, None)
    };
    "cross-attention", [&[2, 37, 16], &[2, 5, 16], &[2, 5, 16]], |t| {
        ops::attention(&t[0], &t[1], &t[2], 2, Some(0.3))
    };
    "largest of a window", [X], |t| {
        volume(ops::max_pool3d(&last(&t[0])?, [3, 2, 2], [2; 3], [1, 0, 1]))
    };
    "mean of a window", [X], |t| {
        volume(ops::avg_pool3d(&last(&t[0])?, [3, 2, 2], [2; 3], [1, 0, 1], false))
    };
    "global mean", [X], |t| volume(ops::global_avg_pool3d(&last(&t[0])?));
    "nearest neighbours", [X], |t| volume(ops::upsample_nearest(&last(&t[0])?, [2, 1, 3]));
    "nearest neighbours to a size", [X], |t| {
        volume(ops::upsample_nearest_to(&last(&t[0])?, [9, 5, 7]))
    };
    "trilinear", [X], |t| volume(ops::upsample_trilinear(&last(&t[0])?, [2.0, 1.0, 1.5]));
    "trilinear to a size", [X], |t| {
        volume(ops::upsample_trilinear_to(&last(&t[0])?, [9, 4, 13]))
    };
    "dropout", [X], |t| volume(ops::dropout(&last(&t[0])?, 0.3, &keys()));
    "dropout of channels", [X], |t| volume(ops::dropout_channels(&last(&t[0])?, 0.3, &keys()));
    "mean squared error", [X, X], |t| ops::mse_loss(&t[0], &t[1].detach(), Some(&[0.5, 2.0]));
    "mean absolute error", [X, X], |t| ops::l1_loss(&t[0], &t[1].detach(), None);
    "Huber's loss", [X, X], |t| ops::huber_loss(&t[0], &t[1].detach(), 0.8, None);
}
