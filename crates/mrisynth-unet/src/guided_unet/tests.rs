use candle_core::Device;
use candle_nn3d::{Distribution, ParameterStore};
use keyed_random::Key;

use super::*;

fn small() -> GuidedUnetConfig {
    GuidedUnetConfig {
        image_size: 32,
        num_channels: 32,
        num_res_blocks: 1,
        channel_mult: vec![1.0, 2.0],
        attention_resolutions: vec![16],
        in_channels: 2,
        out_channels: 1,
    }
}

/// Parameters without zeros, which would hide what follows them.
fn weights(config: &GuidedUnetConfig) -> ParameterStore {
    let store = ParameterStore::new(Key::new(5));
    GuidedUnet::new(config, store.builder(DType::F32)).unwrap();
    for (name, tensor) in store.tensors() {
        if tensor.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap() == 0.0 {
            let law = Distribution::Normal { mean: 0.0, stdev: 0.05 };
            let key = Key::new(6).with(name.as_str());
            let drawn = law.tensor(&key, tensor.shape(), DType::F32, &Device::Cpu).unwrap();
            store.set(&name, &drawn).unwrap();
        }
    }
    store
}

fn noise(name: &str, shape: (usize, usize, usize, usize, usize)) -> Tensor {
    let key = Key::new(7).with(name);
    Distribution::STANDARD_NORMAL.tensor(&key, shape, DType::F32, &Device::Cpu).unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn a_new_network_answers_zero() {
    let store = ParameterStore::new(Key::new(5));
    let unet = GuidedUnet::new(&small(), store.builder(DType::F32)).unwrap();
    let t = Tensor::new(&[3_i64], &Device::Cpu).unwrap();
    let y = unet.forward(&UnetInput::new(&noise("x", (1, 2, 4, 2, 6)), &t)).unwrap();
    assert_eq!(y.dims(), [1, 1, 4, 2, 6]);
    assert!(bits(&y).iter().all(|&bits| f32::from_bits(bits) == 0.0));
}

#[test]
fn recomputed_gradients_are_those_of_the_plain_run_bit_for_bit() {
    let config = small();
    let store = weights(&config);
    let x = candle_core::Var::from_tensor(&noise("x", (2, 2, 4, 4, 2))).unwrap();
    let t = Tensor::new(&[3_i64, 700], &Device::Cpu).unwrap();
    let run = |recompute: bool| {
        let unet = GuidedUnet::new(&config, store.builder(DType::F32)).unwrap();
        let scope = Recompute::new();
        let unet = if recompute { unet.with_recompute(&scope) } else { unet };
        let y = unet.forward(&UnetInput::new(&x, &t)).unwrap();
        let gradients = scope.backward(&y.sqr().unwrap().sum_all().unwrap()).unwrap();
        (y, gradients)
    };
    let ((y, plain), (again, recomputed)) = (run(false), run(true));
    assert_eq!(bits(&y), bits(&again));
    assert_eq!(bits(plain.get(&x).unwrap()), bits(recomputed.get(&x).unwrap()));
    for (name, variable) in store.variables() {
        let (want, got) = (plain.get(&variable).unwrap(), recomputed.get(&variable).unwrap());
        assert_eq!(bits(want), bits(got), "{name}");
    }
}

#[test]
fn an_item_gives_the_same_bits_alone_and_in_a_batch() {
    let config = small();
    let unet = GuidedUnet::new(&config, weights(&config).builder(DType::F32)).unwrap();
    let x = noise("x", (3, 2, 4, 4, 2));
    let t = Tensor::new(&[3_i64, 700, 12], &Device::Cpu).unwrap();
    let together = unet.forward(&UnetInput::new(&x, &t)).unwrap();
    for i in 0..3 {
        let (x, t) = (x.narrow(0, i, 1).unwrap(), t.narrow(0, i, 1).unwrap());
        let alone = unet.forward(&UnetInput::new(&x, &t)).unwrap();
        assert_eq!(bits(&alone), bits(&together.narrow(0, i, 1).unwrap()));
    }
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let store = ParameterStore::new(Key::new(5));
    let unet = GuidedUnet::new(&small(), store.builder(DType::F32)).unwrap();
    let t = Tensor::new(&[3_i64], &Device::Cpu).unwrap();
    let refused = |input: &UnetInput<'_>| unet.forward(input).unwrap_err().to_string();
    for shape in [(1, 3, 4, 4, 4), (1, 2, 4, 5, 4)] {
        let message = refused(&UnetInput::new(&noise("x", shape), &t));
        assert!(message.contains("multiples of 2 voxels"), "{message}");
    }
    let x = noise("x", (2, 2, 4, 4, 4));
    let message = refused(&UnetInput::new(&x, &t));
    assert!(message.starts_with("timesteps") && message.contains("[2]"), "{message}");
    let flat = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
    assert!(refused(&UnetInput::new(&flat, &t)).starts_with('x'));
    let times = Tensor::new(&[3_i64, 4], &Device::Cpu).unwrap();
    let input = UnetInput { class_labels: Some(&t), ..UnetInput::new(&x, &times) };
    assert!(refused(&input).starts_with("class_labels"));
}
