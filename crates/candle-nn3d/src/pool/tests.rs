use candle_core::{DType, Device, Var};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

/// The windows of an output voxel, as inputs per axis.
fn window(
    shape: [usize; 5],
    output: [usize; 3],
    [kernel, stride, padding]: [[usize; 3]; 3],
) -> Vec<[usize; 3]> {
    let mut inputs = Vec::new();
    let inside = |axis: usize, tap: usize| {
        let i = (output[axis] * stride[axis] + tap).checked_sub(padding[axis])?;
        (i < shape[axis + 1]).then_some(i)
    };
    for kx in 0..kernel[0] {
        for ky in 0..kernel[1] {
            for kz in 0..kernel[2] {
                if let (Some(x), Some(y), Some(z)) = (inside(0, kx), inside(1, ky), inside(2, kz)) {
                    inputs.push([x, y, z]);
                }
            }
        }
    }
    inputs
}

fn pooled(x: &Volume, settings: [[usize; 3]; 3], reduce: impl Fn(&[f64], usize) -> f64) -> Volume {
    let [kernel, stride, padding] = settings;
    let size: [usize; 3] = std::array::from_fn(|axis| {
        (x.shape[axis + 1] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1
    });
    let shape = [x.shape[0], size[0], size[1], size[2], x.shape[4]];
    Volume::from_fn(shape, |[n, ox, oy, oz, c]| {
        let inputs = window(x.shape, [ox, oy, oz], settings);
        let values: Vec<f64> = inputs.iter().map(|&[i, j, k]| x.at([n, i, j, k, c])).collect();
        reduce(&values, kernel.iter().product())
    })
}

/// Settings that fit inputs of one voxel per axis too.
const SETTINGS: [[[usize; 3]; 3]; 4] = [
    [[1, 1, 1], [1, 1, 1], [0, 0, 0]],
    [[3, 3, 3], [2, 2, 2], [1, 1, 1]],
    [[2, 3, 2], [1, 2, 3], [1, 1, 1]],
    [[3, 1, 2], [1, 3, 1], [1, 0, 1]],
];

#[test]
fn averages_are_sums_over_counts_with_and_without_padding() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        for settings @ [kernel, stride, padding] in SETTINGS {
            for (dtype, tolerance) in TOLERANCES {
                let last = x.channels_last(dtype);
                for count_padding in [true, false] {
                    let want = pooled(&x, settings, |values, taps| {
                        let count = if count_padding { taps } else { values.len() };
                        values.iter().sum::<f64>() / count as f64
                    });
                    let got = avg_pool3d(&last, kernel, stride, padding, count_padding).unwrap();
                    want.assert_close(&got, tolerance);
                }
            }
        }
    }
}

/// Values of `torch.nn.functional.avg_pool3d`, PyTorch 2.15, along one axis.
#[test]
fn averages_at_the_edges_are_those_of_pytorch() {
    let values: Vec<f64> = (1..8).map(f64::from).collect();
    let x = Tensor::new(values, &Device::Cpu).unwrap().reshape((1, 1, 1, 7, 1)).unwrap();
    let x = ChannelsLast::new(x).unwrap();
    for (count_padding, want) in
        [(true, [1.0, 3.0, 5.0, 13.0 / 3.0]), (false, [1.5, 3.0, 5.0, 6.5])]
    {
        let want = Volume { shape: [1, 1, 1, 4, 1], values: want.to_vec() };
        let y = avg_pool3d(&x, [1, 1, 3], [1, 1, 2], [0, 0, 1], count_padding).unwrap();
        want.assert_close(&y, 1e-14);
    }
}

#[test]
fn maxima_are_exact_in_every_dtype() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        for settings @ [kernel, stride, padding] in SETTINGS {
            let want = pooled(&x, settings, |values, _| {
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            });
            for (dtype, _) in TOLERANCES {
                let got = max_pool3d(&x.channels_last(dtype), kernel, stride, padding).unwrap();
                want.assert_close(&got, 0.0);
            }
        }
    }
}

#[test]
fn the_maximum_of_a_constant_is_the_constant_and_so_is_its_average_inside() {
    let x = Volume::from_fn([1, 4, 5, 6, 3], |_| -2.5).channels_last(DType::F32);
    let want = Volume::from_fn([1, 4, 5, 6, 3], |_| -2.5);
    want.assert_close(&max_pool3d(&x, [3; 3], [1; 3], [1; 3]).unwrap(), 0.0);
    want.assert_close(&avg_pool3d(&x, [3; 3], [1; 3], [1; 3], false).unwrap(), 1e-6);
    // A corner of the padded average holds 8 voxels of 27.
    let padded = avg_pool3d(&x, [3; 3], [1; 3], [1; 3], true).unwrap();
    let corner = Volume::from(padded.tensor()).at([0, 0, 0, 0, 0]);
    assert!((corner + 2.5 * 8.0 / 27.0).abs() < 1e-6);
}

#[test]
fn global_averages_are_means_per_channel() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        let [n, sx, sy, sz, c] = shape;
        let mean = |[n, _, _, _, c]: [usize; 5]| {
            let of = Volume::from_fn([1, sx, sy, sz, 1], |[_, i, j, k, _]| x.at([n, i, j, k, c]));
            of.values.iter().sum::<f64>() / of.values.len() as f64
        };
        let want = Volume::from_fn([n, 1, 1, 1, c], mean);
        for (dtype, tolerance) in TOLERANCES {
            want.assert_close(&global_avg_pool3d(&x.channels_last(dtype)).unwrap(), tolerance);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for shape in [[2, 2, 3, 2, 2], [1, 1, 4, 3, 3], [1, 3, 1, 5, 1]] {
        // Neighbours differ by far more than a finite difference moves them.
        let x = distinct(&shape, 0.0).unwrap();
        for [kernel, stride, padding] in SETTINGS {
            let check = |f: &dyn Fn(&ChannelsLast) -> Result<ChannelsLast>| {
                check_gradients(std::slice::from_ref(&x), |x| {
                    weighted_sum(f(&ChannelsLast::new(x[0].clone())?)?.tensor())
                });
            };
            check(&|x| max_pool3d(x, kernel, stride, padding));
            check(&|x| avg_pool3d(x, kernel, stride, padding, true));
            check(&|x| avg_pool3d(x, kernel, stride, padding, false));
            check(&global_avg_pool3d);
        }
    }
}

fn gradient_of_max(values: &[f32], kernel: usize, stride: usize) -> (Vec<f32>, Vec<f32>) {
    let x = Tensor::new(values, &Device::Cpu).unwrap().reshape((1, 1, 1, (), 1)).unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let last = ChannelsLast::new(x.as_tensor().clone()).unwrap();
    let y = max_pool3d(&last, [1, 1, kernel], [1, 1, stride], [0; 3]).unwrap();
    let gradients = y.tensor().sum_all().unwrap().backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    (flat(y.tensor()), flat(gradients.get(x.as_tensor()).unwrap()))
}

#[test]
fn the_gradient_goes_to_the_first_of_equal_maxima() {
    let (_, gradient) = gradient_of_max(&[1.0, 2.0, 2.0, 2.0, 0.0, 0.0], 3, 3);
    assert_eq!(gradient, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    // Overlapping windows add up.
    let (_, gradient) = gradient_of_max(&[0.0, 5.0, 0.0], 2, 1);
    assert_eq!(gradient, [0.0, 2.0, 0.0]);
    let (_, gradient) = gradient_of_max(&[f32::NEG_INFINITY; 2], 2, 2);
    assert_eq!(gradient, [1.0, 0.0]);
}

#[test]
fn nan_is_the_maximum_of_its_windows() {
    let (y, gradient) = gradient_of_max(&[f32::NAN, 9.0, 1.0, 3.0], 2, 2);
    assert!(y[0].is_nan());
    assert_eq!((y[1], gradient), (3.0, vec![1.0, 0.0, 0.0, 1.0]));
    // Of several, the gradient goes to the last, as in PyTorch 2.15.
    let (_, gradient) = gradient_of_max(&[f32::NAN, 9.0, f32::NAN, 1.0], 4, 4);
    assert_eq!(gradient, [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn layers_do_the_same_on_the_usual_layout() {
    let x = Volume::sample([2, 4, 4, 6, 3]).channels_last(DType::F32);
    let usual = x.to_ncxyz().unwrap();
    let average = AvgPool3d::new([2; 3]);
    let max = MaxPool3d { stride: [1; 3], ..MaxPool3d::new([2; 3]) };
    for (want, got) in [
        (average.forward_channels_last(&x).unwrap(), average.forward(&usual).unwrap()),
        (max.forward_channels_last(&x).unwrap(), max.forward(&usual).unwrap()),
    ] {
        let got = ChannelsLast::from_ncxyz(&got).unwrap();
        Volume::from(want.tensor()).assert_close(&got, 0.0);
    }
}

#[test]
fn misuse_names_the_argument_and_both_shapes() {
    let x = Volume::sample([1, 2, 3, 4, 5]).channels_last(DType::F32);
    let says = |kernel, stride, padding, argument: &str| {
        for result in
            [max_pool3d(&x, kernel, stride, padding), avg_pool3d(&x, kernel, stride, padding, true)]
        {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(argument) && message.contains("[1, 2, 3, 4, 5]"), "{message}");
        }
    };
    says([3, 1, 1], [1; 3], [0; 3], "kernel is [3, 1, 1]");
    says([0, 1, 1], [1; 3], [0; 3], "kernel");
    says([usize::MAX, 2, 1], [1; 3], [0; 3], "kernel");
    says([1 << 33, 1, 1], [1; 3], [1 << 31, 0, 0], "kernel");
    says([1; 3], [1, 0, 1], [0; 3], "stride is [1, 0, 1]");
    says([2; 3], [1; 3], [2, 0, 0], "padding is [2, 0, 0]");
    says([1; 3], [1; 3], [usize::MAX, 0, 0], "padding");
}
