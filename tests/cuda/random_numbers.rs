//! Keyed random numbers on a GPU: the bits of the CPU.

use candle_core::{DType, Device};
use candle_nn3d::{Distribution, ParameterStore};
use keyed_random::Key;

use crate::gpu::{gpu, same};
use crate::tiny_network::network;

#[test]
fn noise_has_the_bits_of_the_cpu() {
    let Some(device) = gpu("noise") else { return };
    let keys = [0, 1].map(|item| Key::new(7).with_index(item));
    for law in [
        Distribution::STANDARD_NORMAL,
        Distribution::UNIT_UNIFORM,
        Distribution::Normal { mean: 0.1, stdev: 3.0 },
        Distribution::Uniform { lo: -2.0, up: 5.0 },
    ] {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let draw = |device| law.batch(&keys, (3, 10_007), dtype, device).unwrap();
            same(&format!("{law:?} in {dtype:?}"), &draw(&device), &draw(&Device::Cpu));
        }
    }
}

#[test]
fn initial_parameters_have_the_bits_of_the_cpu() {
    let Some(device) = gpu("initial parameters") else { return };
    let made = |device: &Device| {
        let store = ParameterStore::new(Key::new(1)).on(device).unwrap();
        network(store.builder(DType::F32)).unwrap();
        store.tensors()
    };
    let (on_gpu, on_cpu) = (made(&device), made(&Device::Cpu));
    assert_eq!(on_gpu.len(), on_cpu.len());
    for (name, want) in &on_cpu {
        same(name, &on_gpu[name], want);
    }
}
