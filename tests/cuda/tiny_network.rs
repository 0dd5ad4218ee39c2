//! A U-Net of two levels with attention, as small as one can be.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn3d::{Distribution, ParameterStore};
use keyed_random::Key;
use mrisynth_diffusion::{Batch, BoxedError, Condition, Precision};
use mrisynth_pipeline::ConditionedUnet;
use mrisynth_unet::{DiffusionUnetConfig, PerLevel, Unet, UnetConfig};

/// Voxels along each axis.
pub(crate) const SPACE: [usize; 3] = [8, 4, 4];

fn config() -> UnetConfig {
    UnetConfig::DiffusionUnet(DiffusionUnetConfig {
        in_channels: 2,
        channels: vec![8, 16],
        attention_levels: vec![false, true],
        num_res_blocks: PerLevel::All(1),
        num_head_channels: PerLevel::All(8),
        norm_num_groups: 4,
        ..DiffusionUnetConfig::default()
    })
}

pub(crate) fn network(vb: VarBuilder<'_>) -> candle_core::Result<ConditionedUnet> {
    Unet::new(&config(), vb).map(ConditionedUnet::from).map_err(candle_core::Error::wrap)
}

/// Parameters with their initial values; those that begin as zeros are drawn too.
pub(crate) fn parameters(device: &Device) -> ParameterStore {
    let store = ParameterStore::new(Key::new(1));
    network(store.builder(DType::F32)).unwrap();
    for (name, parameter) in store.variables() {
        let key = Key::new(2).with(&name);
        let law = Distribution::Normal { mean: 0.0, stdev: 0.2 };
        let noise = law.tensor(&key, parameter.shape(), DType::F32, &Device::Cpu).unwrap();
        store.set(&name, &(parameter.as_tensor().detach() + noise).unwrap()).unwrap();
    }
    store.on(device).unwrap()
}

/// A condition of one channel.
pub(crate) fn condition(number: u64) -> Condition {
    Condition { channels: Some(drawn("condition", number)), ..Condition::default() }
}

fn drawn(label: &str, number: u64) -> Tensor {
    let key = Key::new(3).with(label).with_index(number);
    let [x, y, z] = SPACE;
    let law = Distribution::STANDARD_NORMAL;
    law.tensor(&key, (1, 1, x, y, z), DType::F32, &Device::Cpu).unwrap()
}

/// Batches of one volume, on the CPU, as loaders give them.
pub(crate) fn batch(number: u64) -> Result<Batch, BoxedError> {
    let (images, condition) = (drawn("image", number), condition(number));
    Ok(Batch { images, condition, indices: vec![number] })
}

/// Both precisions, with what rounding may make of a number.
pub(crate) const PRECISIONS: [(Precision, f64); 2] =
    [(Precision::F32, 1e-3), (Precision::Bf16, 5e-2)];
