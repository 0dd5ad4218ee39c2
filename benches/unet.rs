//! A forward pass and a training step of the Bari network; `cargo bench --bench unet`.
//! Beside MONAI and OpenVINO: `benches/peers/run_unet.sh`.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use candle_core::{DType, Device, Tensor};
use candle_nn3d::{
    Adam, AdamSettings, ChannelsLast, Distribution, Gradients, Optimiser, ParameterStore, ops,
    value_and_gradients,
};
use criterion::{Criterion, criterion_group, criterion_main};
use keyed_random::Key;
use mrisynth_unet::{Unet, UnetConfig, UnetInput, presets};

#[global_allocator]
static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();

/// The network with every parameter drawn, none zero.
fn parameters(config: &UnetConfig) -> ParameterStore {
    let store = ParameterStore::new(Key::new(1));
    Unet::new(config, store.builder(DType::F32)).unwrap();
    let law = Distribution::Normal { mean: 0.0, stdev: 0.02 };
    for (name, tensor) in store.tensors() {
        let key = Key::new(2).with(name.as_str());
        let drawn = law.tensor(&key, tensor.shape(), DType::F32, &Device::Cpu).unwrap();
        store.set(&name, &drawn).unwrap();
    }
    store
}

fn noise(space: [usize; 3], dtype: DType) -> Tensor {
    let shape = (1, 1, space[0], space[1], space[2]);
    Distribution::STANDARD_NORMAL.tensor(&Key::new(3), shape, dtype, &Device::Cpu).unwrap()
}

fn unet(c: &mut Criterion) {
    let config = UnetConfig::DiffusionUnet(presets::bari_84x128x84());
    let store = parameters(&config);
    let t = Tensor::new(&[500_i64], &Device::Cpu).unwrap();
    let mut group = c.benchmark_group("unet bari");
    group.sample_size(10);
    let space = [44, 64, 44];
    for (name, dtype) in [("f32", DType::F32), ("bf16", DType::BF16)] {
        let x = noise(space, dtype);
        let mut unet = Unet::new(&config, store.builder(dtype)).unwrap();
        unet.prepare(space).unwrap();
        group.bench_function(format!("forward 44x64x44 {name}"), |b| {
            b.iter(|| unet.forward(&UnetInput::new(&x, &t)).unwrap());
        });
    }
    let unet = Unet::new(&config, store.builder(DType::F32)).unwrap();
    let x = noise([32, 48, 32], DType::F32);
    let target = ChannelsLast::from_ncxyz(&x).unwrap();
    let mut adam = Adam::new(AdamSettings::default()).unwrap();
    group.bench_function("training step 32x48x32 f32", |b| {
        b.iter(|| {
            let (_, gradients) = value_and_gradients(|| {
                let y = unet.forward(&UnetInput::new(&x, &t)).map_err(candle_core::Error::wrap)?;
                ops::mse_loss(ChannelsLast::from_ncxyz(&y)?.tensor(), target.tensor(), None)
            })
            .unwrap();
            let gradients = Gradients::of(&store, gradients).unwrap();
            adam.step(&store, &gradients, 5e-5).unwrap();
        });
    });
}

criterion_group!(benches, unet);
criterion_main!(benches);
