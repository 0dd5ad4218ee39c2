use candle_core::DType;

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

#[test]
fn sums_and_multiples_round_once() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        let y = Volume::from_fn(shape, |[n, i, j, k, c]| 0.25 - x.at([n, i, j, k, c]) / 2.0);
        for (dtype, _) in TOLERANCES {
            let rounded = |values: Volume| Volume::from(values.channels_last(dtype).tensor());
            let y = rounded(y.clone());
            let sum = Volume::from_fn(shape, |at| x.at(at) + y.at(at));
            let got = add(&x.channels_last(dtype), &y.channels_last(dtype)).unwrap();
            rounded(sum).assert_close(&got, 0.0);
            let multiple = Volume::from_fn(shape, |at| -1.5 * x.at(at));
            rounded(multiple).assert_close(&scale(&x.channels_last(dtype), -1.5).unwrap(), 0.0);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let shape = [2, 2, 1, 3, 2];
    let inputs = [distinct(&shape, 0.0).unwrap(), distinct(&shape, 0.4).unwrap()];
    check_gradients(&inputs, |x| {
        let (a, b) = (ChannelsLast::new(x[0].clone())?, ChannelsLast::new(x[1].clone())?);
        weighted_sum(add(&add(&a, &scale(&b, 0.3)?)?, &a)?.tensor())
    });
}

#[test]
fn misuse_names_both_shapes() {
    let a = Volume::sample([1, 2, 3, 4, 5]).channels_last(DType::F32);
    let b = Volume::sample([1, 2, 3, 4, 1]).channels_last(DType::F32);
    let message = add(&a, &b).unwrap_err().to_string();
    assert!(
        message.contains("[1, 2, 3, 4, 5]") && message.contains("[1, 2, 3, 4, 1]"),
        "{message}"
    );
    let b = Volume::sample([1, 2, 3, 4, 5]).channels_last(DType::F64);
    assert!(add(&a, &b).unwrap_err().to_string().contains("f64"));
}
