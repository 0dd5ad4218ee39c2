use candle_core::{DType, Device};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{TOLERANCES, Volume};

fn keys(n: u64) -> Vec<Key> {
    (0..n).map(|item| Key::new(5).with("dropout").with_index(item)).collect()
}

/// More elements per item than a task holds.
const SHAPE: [usize; 5] = [2, 13, 11, 9, 17];

#[test]
fn element_i_is_dropped_where_uniform_number_i_of_the_items_key_is_below_p() {
    let keys = keys(2);
    let x = Volume::sample(SHAPE);
    let item = x.values.len() / 2;
    let uniform: Vec<f32> = keys
        .iter()
        .flat_map(|key| {
            let mut numbers = vec![0.0_f32; item];
            key.fill_uniform(&mut numbers);
            numbers
        })
        .collect();
    let mut want = x.clone();
    for (value, &u) in want.values.iter_mut().zip(&uniform) {
        *value = if u < 0.3 { 0.0 } else { *value / 0.7 };
    }
    for (dtype, tolerance) in TOLERANCES {
        let got = dropout(&x.channels_last(dtype), 0.3, &keys).unwrap();
        want.assert_close(&got, 2.0 * tolerance);
    }
    let kept = uniform.iter().filter(|&&u| u >= 0.3).count() as f64 / uniform.len() as f64;
    // Five standard deviations of the mean.
    assert!((kept - 0.7).abs() < 5.0 * (0.3 * 0.7 / uniform.len() as f64).sqrt());
}

#[test]
fn whole_channels_are_dropped_together() {
    let x = Volume::from_fn(SHAPE, |_| 1.0);
    let y = dropout_channels(&x.channels_last(DType::F32), 0.5, &keys(2)).unwrap();
    let first = Volume::from(y.tensor());
    let want = Volume::from_fn(SHAPE, |[n, _, _, _, c]| first.at([n, 0, 0, 0, c]));
    want.assert_close(&y, 0.0);
    let dropped = (0..17).filter(|&c| first.at([0, 0, 0, 0, c]) == 0.0).count();
    assert!((1..17).contains(&dropped));
    assert!(first.values.iter().all(|&value| value == 0.0 || value == 2.0));
}

#[test]
fn the_gradient_has_the_mask_of_the_value() {
    check_gradients(&[distinct(&[2, 2, 3, 2, 2], 0.0).unwrap()], |x| {
        let x = ChannelsLast::new(x[0].clone())?;
        let y = dropout(&x, 0.4, &keys(2))?;
        weighted_sum(dropout_channels(&y, 0.2, &keys(2))?.tensor())
    });
}

#[test]
fn probability_zero_keeps_all_and_one_drops_all() {
    let x = Volume::sample([1, 2, 3, 4, 5]);
    let last = x.channels_last(DType::F32);
    x.assert_close(&dropout(&last, 0.0, &keys(1)).unwrap(), 0.0);
    let nothing = Volume::from_fn(x.shape, |_| 0.0);
    nothing.assert_close(&dropout(&last, 1.0, &keys(1)).unwrap(), 0.0);
}

#[test]
fn the_layer_does_nothing_in_evaluation_and_masks_alike_in_both_layouts() {
    let x = Volume::sample([1, 2, 3, 4, 5]);
    let last = x.channels_last(DType::F32);
    let layer = Dropout::new(0.5).unwrap();
    x.assert_close(&layer.forward_channels_last(&last, None).unwrap(), 0.0);
    let keys = keys(1);
    let want = layer.forward_channels_last(&last, Some(&keys)).unwrap();
    let got = layer.forward(&last.to_ncxyz().unwrap(), Some(&keys)).unwrap();
    let got = ChannelsLast::from_ncxyz(&got).unwrap();
    Volume::from(want.tensor()).assert_close(&got, 0.0);
    assert_ne!(Volume::from(want.tensor()), x);
}

#[test]
fn misuse_names_the_argument() {
    let x = Volume::sample([2, 2, 3, 4, 5]).channels_last(DType::F32);
    let message = dropout(&x, 0.5, &keys(1)).unwrap_err().to_string();
    assert!(message.contains("keys is 1 keys") && message.contains("[2, 2, 3, 4, 5]"), "{message}");
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(dropout(&x, p, &keys(2)).unwrap_err().to_string().contains("p is"));
        assert!(Dropout::new(p).is_err());
    }
    let whole = Tensor::ones((1, 1, 1, 2, 1), DType::U32, &Device::Cpu).unwrap();
    let whole = ChannelsLast::new(whole).unwrap();
    assert!(dropout(&whole, 0.5, &keys(1)).unwrap_err().to_string().contains("u32"));
}
