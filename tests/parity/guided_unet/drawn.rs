//! The parameters that `make/guided_unet.py` draws, bit for bit.

use super::{Device, Tensor};

/// Numbers in [−1, 1) with 24 bits: `SplitMix64` of FNV-1a of the name and the index.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64).map(move |i| {
        let z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// ±1.5/√fan-in for maps, ±0.2 for vectors, around 1 for weights of norms.
pub(super) fn parameter(name: &str, shape: &[usize]) -> Tensor {
    let values = uniform(name, shape.iter().product());
    let fan_in: usize = shape[1..].iter().product();
    let centre = if name.ends_with(".weight") { 1.0 } else { 0.0 };
    let value = |u: f64| match shape.len() {
        1 => u * 0.2 + centre,
        _ => u * 1.5 / (fan_in as f64).sqrt(),
    };
    let values: Vec<f32> = values.map(|u| value(u) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
