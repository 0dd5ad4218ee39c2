//! Speed of the 3-D layers at the sizes of a U-Net, in products (convolution, attention) or numbers
//! of the output per second.
//!
//! `cargo bench -p mrisynth-benches --bench nn3d`

use std::hint::black_box;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn3d::{
    Adam, AdamSettings, ChannelsLast, Conv3d, Conv3dConfig, ConvTranspose3dConfig, Gradients,
    Optimiser, ParameterStore, ops,
};
use criterion::{Criterion, Throughput};
use keyed_random::Key;

const DTYPES: [(&str, DType); 2] = [("f32", DType::F32), ("bf16", DType::BF16)];

/// Channels in and out, and the grid.
const CONVOLUTIONS: [(usize, [usize; 3]); 4] =
    [(128, [42, 64, 42]), (64, [64, 64, 64]), (32, [64, 64, 64]), (256, [21, 32, 21])];

/// Standard normal numbers.
fn normal(name: &str, shape: &[usize], dtype: DType) -> Tensor {
    let mut numbers = vec![0.0_f32; shape.iter().product()];
    Key::new(1).with(name).fill_normal(&mut numbers);
    Tensor::from_vec(numbers, shape, &Device::Cpu)
        .and_then(|t| t.to_dtype(dtype))
        .expect("as many numbers as the shape has")
}

fn volume(name: &str, [x, y, z]: [usize; 3], channels: usize, dtype: DType) -> ChannelsLast {
    ChannelsLast::new(normal(name, &[1, x, y, z, channels], dtype)).expect("five axes")
}

/// One measurement, `name/dtype/size`, of `elements` pieces of work.
fn measure<T>(c: &mut Criterion, name: &str, elements: usize, mut f: impl FnMut() -> Result<T>) {
    let mut group = c.benchmark_group("nn3d");
    group.throughput(Throughput::Elements(elements as u64)).sample_size(10);
    group.bench_function(name, |b| b.iter(|| f().expect("arguments that fit")));
    group.finish();
}

fn grid([x, y, z]: [usize; 3]) -> String {
    format!("{x}x{y}x{z}")
}

fn convolutions(c: &mut Criterion) {
    for (name, dtype) in DTYPES {
        for (channels, space) in CONVOLUTIONS {
            let size = format!("{name}/{channels}x{channels}@{}", grid(space));
            let products = space.iter().product::<usize>() * channels * channels * 27;
            let x = volume("x", space, channels, dtype);
            let weight = normal("weight", &[channels, channels, 3, 3, 3], dtype);
            let bias = normal("bias", &[channels], dtype);
            let config = Conv3dConfig::same(3);
            let layer = Conv3d::new(weight.clone(), Some(bias), config).prepared(space);
            let layer = layer.expect("weights that fit");
            measure(c, &format!("conv3d/{size}"), products, || {
                layer.forward_channels_last(black_box(&x))
            });
            // The same sum is the gradient of the input.
            let transposed = ConvTranspose3dConfig { padding: [1; 3], ..Default::default() };
            measure(c, &format!("conv3d_input_gradient/{size}"), products, || {
                ops::conv_transpose3d(black_box(&x), &weight, None, &transposed)
            });
            // From an upstream gradient of ones.
            let weight = Var::from_tensor(&weight).expect("room for a copy");
            let y = ops::conv3d(&x, &weight, None, &config).expect("shapes that fit");
            measure(c, &format!("conv3d_weight_gradient/{size}"), products, || {
                black_box(y.tensor()).backward()
            });
        }
    }
}

fn norms_and_activations(c: &mut Criterion) {
    let (channels, space) = CONVOLUTIONS[0];
    let elements = space.iter().product::<usize>() * channels;
    for (name, dtype) in DTYPES {
        let size = format!("{name}/{channels}@{}", grid(space));
        let x = volume("x", space, channels, dtype);
        let (weight, bias) = (normal("w", &[channels], dtype), normal("b", &[channels], dtype));
        let (weight, bias) = (Some(&weight), Some(&bias));
        measure(c, &format!("group_norm_silu/{size}"), elements, || {
            ops::group_norm_silu(black_box(&x), 32, weight, bias, 1e-6)
        });
        measure(c, &format!("group_norm/{size}"), elements, || {
            ops::group_norm(black_box(&x), 32, weight, bias, 1e-6)
        });
        measure(c, &format!("instance_norm/{size}"), elements, || {
            ops::instance_norm(black_box(&x), weight, bias, 1e-5)
        });
        measure(c, &format!("layer_norm/{size}"), elements, || {
            ops::layer_norm(black_box(x.tensor()), weight, bias, 1e-5)
        });
        measure(c, &format!("silu/{size}"), elements, || ops::silu(black_box(x.tensor())));
        measure(c, &format!("gelu/{size}"), elements, || ops::gelu(black_box(x.tensor())));
        measure(c, &format!("geglu/{size}"), elements / 2, || ops::geglu(black_box(x.tensor())));
        measure(c, &format!("relu/{size}"), elements, || ops::relu(black_box(x.tensor())));
        measure(c, &format!("leaky_relu/{size}"), elements, || {
            ops::leaky_relu(black_box(x.tensor()), 0.01)
        });
        let (mean, variance) = (normal("m", &[channels], dtype), normal("v", &[channels], dtype));
        let variance = variance.sqr().expect("a square");
        measure(c, &format!("batch_norm_eval/{size}"), elements, || {
            ops::batch_norm_eval(black_box(&x), &mean, &variance, weight, bias, 1e-5)
        });
        measure(c, &format!("batch_norm_train/{size}"), elements, || {
            ops::batch_norm_train(black_box(&x), weight, bias, 1e-5)
        });
        let time = normal("time", &[1, channels], dtype);
        measure(c, &format!("add_channel_bias/{size}"), elements, || {
            ops::add_channel_bias(black_box(&x), &time)
        });
        let keys = [Key::new(9)];
        measure(c, &format!("dropout/{size}"), elements, || {
            ops::dropout(black_box(&x), 0.1, &keys)
        });
        measure(c, &format!("dropout_channels/{size}"), elements, || {
            ops::dropout_channels(black_box(&x), 0.1, &keys)
        });
        let other = volume("other", space, channels, dtype);
        measure(c, &format!("add/{size}"), elements, || ops::add(black_box(&x), &other));
        measure(c, &format!("scale/{size}"), elements, || ops::scale(black_box(&x), 0.5));
        measure(c, &format!("l1_loss/{size}"), elements, || {
            ops::l1_loss(black_box(x.tensor()), other.tensor(), None)
        });
        measure(c, &format!("concat_channels/{size}"), 2 * elements, || {
            ops::concat_channels(&[black_box(&x), &other])
        });
    }
}

fn resizing(c: &mut Criterion) {
    let (channels, coarse, fine) = (128, [21, 32, 21], [42, 64, 42]);
    let [n_coarse, n_fine] = [coarse, fine].map(|s| s.iter().product::<usize>() * channels);
    for (name, dtype) in DTYPES {
        let size = format!("{name}/{channels}@{}", grid(fine));
        let x = volume("x", coarse, channels, dtype);
        measure(c, &format!("upsample_nearest/{size}"), n_fine, || {
            ops::upsample_nearest(black_box(&x), [2; 3])
        });
        measure(c, &format!("upsample_trilinear/{size}"), n_fine, || {
            ops::upsample_trilinear(black_box(&x), [2.0; 3])
        });
        let x = volume("x", fine, channels, dtype);
        measure(c, &format!("avg_pool/{size}"), n_coarse, || {
            ops::avg_pool3d(black_box(&x), [2; 3], [2; 3], [0; 3], true)
        });
        measure(c, &format!("max_pool/{size}"), n_coarse, || {
            ops::max_pool3d(black_box(&x), [2; 3], [2; 3], [0; 3])
        });
        measure(c, &format!("global_avg_pool/{size}"), n_fine, || {
            ops::global_avg_pool3d(black_box(&x))
        });
        measure(c, &format!("crop/{size}"), n_coarse, || ops::crop(black_box(&x), [1; 3], coarse));
        measure(c, &format!("pad/{size}"), n_fine, || {
            ops::pad_constant(black_box(&x), [[1; 2]; 3], 0.0)
        });
    }
}

fn tokens(c: &mut Criterion) {
    let (n, width) = (14_112, 256);
    for (name, dtype) in DTYPES {
        let size = format!("{name}/{n}x{width}");
        let [q, k, v] = ["q", "k", "v"].map(|t| normal(t, &[1, n, width], dtype));
        measure(c, &format!("attention/{size}"), 2 * n * n * width, || {
            ops::attention(black_box(&q), &k, &v, 1, None)
        });
        let (weight, bias) = (normal("w", &[width, width], dtype), normal("b", &[width], dtype));
        measure(c, &format!("linear/{size}"), n * width * width, || {
            ops::linear(black_box(&q), &weight, Some(&bias))
        });
    }
}

fn training(c: &mut Criterion) {
    let shape = [128, 128, 3, 3, 3];
    let store = ParameterStore::new(Key::new(2));
    let mut tape = candle_core::backprop::GradStore::default();
    for i in 0..16 {
        let name = format!("{i:02}");
        store.set(&name, &normal(&name, &shape, DType::F32)).expect("a new name");
        let parameter = store.get(&name).expect("the parameter just set");
        tape.insert(&parameter, normal("gradient", &shape, DType::F32));
    }
    let gradients = Gradients::of(&store, tape).expect("shapes that fit");
    let mut adam = Adam::new(AdamSettings::default()).expect("the defaults");
    let n = store.n_parameters();
    measure(c, &format!("adam/f32/{n}"), n, || adam.step(&store, black_box(&gradients), 1e-9));
    let [a, b] = ["a", "b"].map(|name| normal(name, &[1, 44, 64, 44, 32], DType::F32));
    measure(c, "mse_loss/f32/32@44x64x44", a.elem_count(), || ops::mse_loss(&a, &b, None));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    convolutions(&mut criterion);
    norms_and_activations(&mut criterion);
    resizing(&mut criterion);
    tokens(&mut criterion);
    training(&mut criterion);
    criterion.final_summary();
}
