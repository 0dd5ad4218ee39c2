//! Every parameter of a network with every layer of this crate gets a gradient.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn3d::{
    Attention, AttentionConfig, BatchNorm3d, BatchNormConfig, ChannelsLast, Conv3d, Conv3dConfig,
    ConvTranspose3d, ConvTranspose3dConfig, Distribution, Dropout, GroupNorm, InstanceNorm,
    LayerNorm, Linear, ParameterStore, attention_layer, batch_norm3d, conv_transpose3d, conv3d,
    group_norm, instance_norm, layer_norm, linear_layer, ops, value_and_gradients,
};
use keyed_random::Key;

/// Parameters whose gradients vanish, and why.
const VANISHING: [(&str, &str); 5] = [
    ("down.bias", "a 1×1×1 convolution and batch norm follow, which take it away"),
    ("to_batch.bias", "batch norm takes the mean of every channel away"),
    ("to_instance.bias", "instance norm takes the mean of every channel away"),
    ("self_attention.to_k.bias", "it adds the same to all scores of a query"),
    ("cross_attention.to_k.bias", "as above"),
];
/// What batch norm counts and does not train.
const COUNTED: [&str; 2] = ["batch.running_mean", "batch.running_var"];

struct Network {
    conv_in: Conv3d,
    grouped: Conv3d,
    group: GroupNorm,
    time: Linear,
    down: Conv3d,
    to_batch: Conv3d,
    batch: BatchNorm3d,
    to_instance: Conv3d,
    instance: InstanceNorm,
    layer: LayerNorm,
    self_attention: Attention,
    cross_attention: Attention,
    gate: Linear,
    dropout: Dropout,
    up: ConvTranspose3d,
    up_conv: Conv3d,
    conv_out: Conv3d,
}

impl Network {
    fn new(store: &ParameterStore) -> Result<Self> {
        let vb = store.builder(DType::F64);
        let same = Conv3dConfig::same(3);
        let halving = Conv3dConfig { stride: [2; 3], ..same };
        let doubling = ConvTranspose3dConfig { stride: [2; 3], ..ConvTranspose3dConfig::default() };
        let attended =
            AttentionConfig { heads: 2, projection_bias: true, ..AttentionConfig::default() };
        let crossed = AttentionConfig { context_channels: Some(5), ..attended };
        Ok(Self {
            conv_in: conv3d(2, 8, [3; 3], same, vb.pp("conv_in"))?,
            grouped: conv3d(
                8,
                8,
                [3, 1, 3],
                Conv3dConfig { groups: 4, padding: [[1; 2], [0; 2], [1; 2]], ..same },
                vb.pp("grouped"),
            )?,
            group: group_norm(4, 8, 1e-5, vb.pp("group"))?,
            time: linear_layer(3, 8, true, vb.pp("time"))?,
            down: conv3d(8, 8, [3; 3], halving, vb.pp("down"))?,
            to_batch: conv3d(8, 8, [1; 3], Conv3dConfig::default(), vb.pp("to_batch"))?,
            batch: batch_norm3d(8, BatchNormConfig::default(), vb.pp("batch"))?,
            to_instance: conv3d(8, 8, [1; 3], Conv3dConfig::default(), vb.pp("to_instance"))?,
            instance: instance_norm(8, 1e-5, vb.pp("instance"))?,
            layer: layer_norm(8, 1e-5, vb.pp("layer"))?,
            self_attention: attention_layer(8, attended, vb.pp("self_attention"))?,
            cross_attention: attention_layer(8, crossed, vb.pp("cross_attention"))?,
            gate: linear_layer(8, 16, true, vb.pp("gate"))?,
            dropout: Dropout::new(0.2)?,
            up: conv_transpose3d(8, 8, [2; 3], doubling, vb.pp("up"))?,
            up_conv: conv3d(8, 8, [3; 3], same, vb.pp("up_conv"))?,
            conv_out: conv3d(24, 1, [3; 3], same, vb.pp("conv_out"))?,
        })
    }

    /// What all of it predicts, for two volumes of 4 × 6 × 4 voxels.
    fn forward(&self, x: &Tensor, time: &Tensor, context: &Tensor) -> Result<Tensor> {
        let keys = [Key::new(1), Key::new(2)];
        let start = self.conv_in.forward_channels_last(&ChannelsLast::from_ncxyz(x)?)?;
        let h = self.grouped.forward_channels_last(&start)?;
        let h = ops::add_channel_bias(&h, &ops::silu(&self.time.forward(time)?)?)?;
        let finest = self.group.forward_silu(&h)?;
        let h = self.down.forward_channels_last(&finest)?;
        let h =
            self.batch.forward_channels_last(&self.to_batch.forward_channels_last(&h)?, true)?;
        let h = ChannelsLast::new(ops::leaky_relu(h.tensor(), 0.01)?)?;
        let h =
            self.instance.forward_channels_last(&self.to_instance.forward_channels_last(&h)?)?;
        let (n, space) = (h.batch(), h.space());
        let tokens = ops::reshape(h.tensor(), (n, space.iter().product::<usize>(), 8))?;
        let normed = self.layer.forward(&tokens)?;
        let tokens = (&tokens + self.self_attention.forward(&normed)?)?;
        let tokens = (&tokens + self.cross_attention.forward_with_context(&tokens, context)?)?;
        let tokens = ops::gelu(&ops::geglu(&self.gate.forward(&tokens)?)?)?;
        let h = ChannelsLast::new(ops::reshape(&tokens, (n, space[0], space[1], space[2], 8))?)?;
        let h = self.dropout.forward_channels_last(&h, Some(&keys))?;
        let turned = self.up.forward_channels_last(&h)?;
        let stretched = ops::upsample_trilinear(&h, [2.0; 3])?;
        let doubled =
            ops::upsample_nearest(&ops::max_pool3d(&stretched, [2; 3], [2; 3], [0; 3])?, [2; 3])?;
        let h =
            ops::add(&self.up_conv.forward_channels_last(&doubled)?, &ops::scale(&start, 0.5)?)?;
        let joined = ops::concat_channels(&[&h, &turned, &finest])?;
        self.conv_out.forward_channels_last(&joined)?.to_ncxyz()
    }
}

fn normal(name: &str, shape: &[usize]) -> Tensor {
    let key = Key::new(20_261_120).with(name);
    Distribution::STANDARD_NORMAL.tensor(&key, shape, DType::F64, &Device::Cpu).unwrap()
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar().unwrap()
}

#[test]
fn every_parameter_away_from_zero_gets_a_finite_gradient_that_is_not_zero() {
    let store = ParameterStore::with_dtype(Key::new(1), DType::F64).unwrap();
    let network = Network::new(&store).unwrap();
    for (name, tensor) in store.tensors() {
        if !COUNTED.contains(&name.as_str()) {
            store.set(&name, &(normal(&name, tensor.dims()) * 0.3).unwrap()).unwrap();
        }
    }
    let (x, time) = (normal("x", &[2, 2, 4, 6, 4]), normal("time", &[2, 3]));
    let (context, target) = (normal("context", &[2, 4, 5]), normal("target", &[2, 1, 4, 6, 4]));
    let loss = || ops::mse_loss(&network.forward(&x, &time, &context)?, &target, None);

    let by_candle = loss().unwrap().backward().unwrap();
    let (_, by_ours) = value_and_gradients(loss).unwrap();
    let largest = |gradients: &GradStore| {
        store.variables().values().filter_map(|v| gradients.get(v)).map(norm).fold(0.0, f64::max)
    };
    for (tape, gradients) in [("candle's", &by_candle), ("ours", &by_ours)] {
        let scale = largest(gradients);
        for (name, variable) in store.variables() {
            if COUNTED.contains(&name.as_str()) {
                assert!(gradients.get(&variable).is_none(), "{name} is counted, not trained");
                continue;
            }
            let gradient =
                gradients.get(&variable).unwrap_or_else(|| panic!("{name}: none, {tape}"));
            assert_eq!(gradient.dims(), variable.dims());
            let size = norm(gradient);
            if let Some((_, why)) = VANISHING.iter().find(|(vanishing, _)| *vanishing == name) {
                assert!(size < 1e-10 * scale, "{name}: {size:e} on {tape} tape, though {why}");
            } else {
                assert!(size.is_finite() && size > 1e-7 * scale, "{name}: {size:e} on {tape} tape");
            }
        }
    }
}
