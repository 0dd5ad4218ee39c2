use candle_core::DType;

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

#[test]
fn channels_follow_one_another_in_the_order_of_the_inputs() {
    for [n, x, y, z, c] in SHAPES {
        let parts = [[n, x, y, z, c], [n, x, y, z, 2 * c + 1], [n, x, y, z, 4]].map(Volume::sample);
        let channels = parts.iter().map(|part| part.shape[4]).sum();
        let want = Volume::from_fn([n, x, y, z, channels], |[n, x, y, z, mut c]| {
            for part in &parts {
                if c < part.shape[4] {
                    return part.at([n, x, y, z, c]);
                }
                c -= part.shape[4];
            }
            unreachable!()
        });
        for (dtype, _) in TOLERANCES {
            let last = parts.each_ref().map(|part| part.channels_last(dtype));
            let joined = concat_channels(&last.each_ref()).unwrap();
            want.assert_close(&joined, 0.0);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let inputs: Vec<Tensor> =
        [3, 1, 2].iter().map(|&c| distinct(&[2, 2, 1, 3, c], c as f64).unwrap()).collect();
    check_gradients(&inputs, |x| {
        let x: Vec<ChannelsLast> =
            x.iter().map(|x| ChannelsLast::new(x.clone())).collect::<Result<_>>()?;
        weighted_sum(concat_channels(&[&x[0], &x[1], &x[2]])?.tensor())
    });
}

#[test]
fn a_tensor_joined_with_itself_collects_both_gradients() {
    check_gradients(&[distinct(&[1, 2, 2, 1, 2], 0.0).unwrap()], |x| {
        let x = ChannelsLast::new(x[0].clone())?;
        weighted_sum(concat_channels(&[&x, &x])?.tensor())
    });
}

#[test]
fn misuse_names_both_shapes() {
    let tensor = |shape, dtype| Volume::sample(shape).channels_last(dtype);
    let a = tensor([1, 2, 3, 4, 5], DType::F32);
    let shorter = tensor([1, 2, 3, 3, 5], DType::F32);
    let message = concat_channels(&[&a, &shorter]).unwrap_err().to_string();
    assert!(
        message.contains("[1, 2, 3, 4, 5]") && message.contains("[1, 2, 3, 3, 5]"),
        "{message}"
    );
    let narrow = tensor([1, 2, 3, 4, 5], DType::BF16);
    let message = concat_channels(&[&a, &narrow]).unwrap_err().to_string();
    assert!(message.contains("f32") && message.contains("bf16"), "{message}");
    assert!(concat_channels(&[]).unwrap_err().to_string().contains("at least one"));
}
