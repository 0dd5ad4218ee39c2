use candle_core::{DType, Device, Var};

use super::*;
use crate::gradient_check::{check_gradients, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

/// PyTorch's documented formula, all eight corners of every voxel.
fn naive_trilinear(x: &Volume, size: [usize; 3], scale: [f64; 3]) -> Volume {
    let [n, sx, sy, sz, c] = x.shape;
    let space = [sx, sy, sz];
    let corners = |axis: usize, o: usize| {
        let source = ((o as f64 + 0.5) * scale[axis] - 0.5).max(0.0);
        let low = (source as usize).min(space[axis] - 1);
        let high = (low + 1).min(space[axis] - 1);
        let weight = (source - low as f64).min(1.0);
        [(low, 1.0 - weight), (high, weight)]
    };
    Volume::from_fn([n, size[0], size[1], size[2], c], |[n, ox, oy, oz, c]| {
        let mut sum = 0.0;
        for (ix, wx) in corners(0, ox) {
            for (iy, wy) in corners(1, oy) {
                for (iz, wz) in corners(2, oz) {
                    sum += wx * wy * wz * x.at([n, ix, iy, iz, c]);
                }
            }
        }
        sum
    })
}

#[test]
fn trilinear_is_the_documented_formula_by_factors_and_to_a_size() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        for (dtype, tolerance) in TOLERANCES {
            let factors = [2.0, 1.5, 3.0];
            let last = x.channels_last(dtype);
            let size = [2 * shape[1], shape[2] * 3 / 2, 3 * shape[3]];
            let want = naive_trilinear(&x, size, factors.map(|factor| 1.0 / factor));
            want.assert_close(&upsample_trilinear(&last, factors).unwrap(), tolerance);

            let size = [2, 5, 9];
            let scale = std::array::from_fn(|axis| shape[axis + 1] as f64 / size[axis] as f64);
            let want = naive_trilinear(&x, size, scale);
            want.assert_close(&upsample_trilinear_to(&last, size).unwrap(), tolerance);
        }
    }
}

/// Values of `torch.nn.functional.interpolate`, PyTorch 2.15, along one axis.
#[test]
fn fractional_factors_and_sizes_place_voxels_as_pytorch_does() {
    let axis = |values: &[f64]| {
        let x = Tensor::new(values, &Device::Cpu).unwrap().reshape((1, (), 1, 1, 1)).unwrap();
        ChannelsLast::new(x).unwrap()
    };
    let flat = |y: ChannelsLast| Volume::from(y.tensor()).values;
    let layer = |mode, factor| Upsample { mode, to: UpsampleTo::Factors([factor, 1.0, 1.0]) };

    let ten = axis(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    let nearest =
        |factor| flat(layer(UpsampleMode::Nearest, factor).forward_channels_last(&ten).unwrap());
    // Rounding the size to 3 first would give 0, 3, 6.
    assert_eq!(nearest(0.35), [0.0, 2.0, 5.0]);
    assert_eq!(nearest(1.2)[..7], [0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);

    let squares = axis(&[0.0, 1.0, 4.0]);
    let by_factor = layer(UpsampleMode::Trilinear, 1.9).forward_channels_last(&squares).unwrap();
    let want = [
        0.0,
        0.289_473_684_210_526,
        0.815_789_473_684_210,
        2.026_315_789_473_684,
        3.605_263_157_894_737,
    ];
    assert!(flat(by_factor).iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-14));
    let to_size = upsample_trilinear_to(&squares, [5, 1, 1]).unwrap();
    let want = [0.0, 0.4, 1.0, 2.8, 4.0];
    assert!(flat(to_size).iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-14));
}

#[test]
fn nearest_repeats_voxels_exactly_in_every_dtype() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        let [n, sx, sy, sz, c] = shape;
        for (dtype, _) in TOLERANCES {
            let last = x.channels_last(dtype);
            let want = Volume::from_fn([n, 2 * sx, sy, 3 * sz, c], |[n, x_, y, z, c]| {
                x.at([n, x_ / 2, y, z / 3, c])
            });
            want.assert_close(&upsample_nearest(&last, [2, 1, 3]).unwrap(), 0.0);
            let size = [3, 7, 4];
            let want = Volume::from_fn([n, 3, 7, 4, c], |[n, x_, y, z, c]| {
                x.at([n, x_ * sx / 3, y * sy / 7, z * sz / 4, c])
            });
            want.assert_close(&upsample_nearest_to(&last, size).unwrap(), 0.0);
        }
    }
}

#[test]
fn trilinear_reproduces_linear_ramps_away_from_the_edges() {
    let ramp = |[_, x, y, z, c]: [usize; 5]| 3.0 * x as f64 - 2.0 * y as f64 + z as f64 + c as f64;
    let x = Volume::from_fn([1, 5, 6, 7, 2], ramp).channels_last(DType::F64);
    let y = Volume::from(upsample_trilinear(&x, [2.0; 3]).unwrap().tensor());
    let at = |o: usize| (o as f64 + 0.5) / 2.0 - 0.5;
    for x in 1..9 {
        for y_ in 1..11 {
            for z in 1..13 {
                let want = 3.0 * at(x) - 2.0 * at(y_) + at(z) + 1.0;
                assert!((y.at([0, x, y_, z, 1]) - want).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn trilinear_keeps_constants_and_does_not_spread_what_it_does_not_read() {
    let x = Volume::from_fn([1, 2, 3, 4, 5], |_| 0.7).channels_last(DType::F64);
    let want = Volume::from_fn([1, 5, 7, 9, 5], |_| 0.7);
    want.assert_close(&upsample_trilinear_to(&x, [5, 7, 9]).unwrap(), 1e-15);
    let x = Tensor::new(&[1.0_f32, f32::INFINITY], &Device::Cpu).unwrap();
    let x = ChannelsLast::new(x.reshape((1, 1, 1, 2, 1)).unwrap()).unwrap();
    let y = Volume::from(upsample_trilinear(&x, [1.0, 1.0, 2.0]).unwrap().tensor());
    assert_eq!(y.values, [1.0, f64::INFINITY, f64::INFINITY, f64::INFINITY]);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for shape in [[2, 2, 3, 2, 2], [1, 1, 4, 3, 3], [1, 3, 1, 1, 5]] {
        let x = crate::gradient_check::distinct(&shape, 0.0).unwrap();
        let check = |f: fn(&ChannelsLast) -> Result<ChannelsLast>| {
            check_gradients(std::slice::from_ref(&x), |x| {
                weighted_sum(f(&ChannelsLast::new(x[0].clone())?)?.tensor())
            });
        };
        check(|x| upsample_nearest(x, [2, 3, 1]));
        check(|x| upsample_nearest_to(x, [3, 2, 5]));
        check(|x| upsample_trilinear(x, [2.0, 1.5, 3.0]));
        check(|x| upsample_trilinear_to(x, [4, 2, 3]));
    }
}

/// candle's `upsample_nearest2d` overwrites the gradient that another consumer left.
#[test]
fn a_tensor_with_two_consumers_collects_both_gradients_in_either_order() {
    let ones = Tensor::ones((1, 2, 2, 2, 3), DType::F32, &Device::Cpu).unwrap();
    let skip = |x: &ChannelsLast| (x.tensor() * 10.0).unwrap().sum_all().unwrap();
    let up = |x: &ChannelsLast| {
        let up = upsample_nearest(x, [2; 3]).unwrap();
        let smooth = upsample_trilinear(x, [2.0; 3]).unwrap();
        crate::ops::add(&up, &smooth).unwrap().tensor().sum_all().unwrap()
    };
    for upsample_first in [true, false] {
        let x = Var::from_tensor(&ones).unwrap();
        let last = ChannelsLast::new(x.as_tensor().clone()).unwrap();
        let (a, b) = if upsample_first {
            let a = up(&last);
            (a, skip(&last))
        } else {
            let a = skip(&last);
            (a, up(&last))
        };
        let gradients = (a + b).unwrap().backward().unwrap();
        let gradient = Volume::from(gradients.get(x.as_tensor()).unwrap());
        // Eight copies, eight shares of weight one, and the skip's ten.
        assert_eq!(gradient.values, [26.0; 24]);
    }
}

#[test]
fn layers_do_the_same_on_the_usual_layout() {
    let x = Volume::sample([2, 3, 4, 5, 3]).channels_last(DType::F32);
    let usual = x.to_ncxyz().unwrap();
    for mode in [UpsampleMode::Nearest, UpsampleMode::Trilinear] {
        for to in [UpsampleTo::Factors([2.0, 1.0, 1.5]), UpsampleTo::Size([6, 4, 7])] {
            let layer = Upsample { mode, to };
            let want = layer.forward_channels_last(&x).unwrap();
            assert_eq!(want.space(), [6, 4, 7]);
            let got = ChannelsLast::from_ncxyz(&layer.forward(&usual).unwrap()).unwrap();
            Volume::from(want.tensor()).assert_close(&got, 0.0);
        }
    }
}

#[test]
fn misuse_names_the_argument_and_the_shape() {
    let x = Volume::sample([1, 2, 3, 4, 5]).channels_last(DType::F32);
    let says = |result: Result<ChannelsLast>, argument: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(argument) && message.contains("[1, 2, 3, 4, 5]"), "{message}");
    };
    says(upsample_nearest(&x, [2, 0, 2]), "factors is [2, 0, 2]");
    says(upsample_nearest(&x, [usize::MAX, 1, 1]), "factors");
    says(upsample_nearest_to(&x, [1, 0, 1]), "size");
    says(upsample_nearest_to(&x, [1 << 40, 1 << 40, 1]), "size");
    says(upsample_trilinear(&x, [f64::NAN, 1.0, 1.0]), "factors");
    says(upsample_trilinear(&x, [-1.0, 1.0, 1.0]), "factors");
    says(upsample_trilinear(&x, [0.1, 1.0, 1.0]), "factors");
    says(upsample_trilinear(&x, [1e300, 1.0, 1.0]), "factors");
    says(upsample_trilinear_to(&x, [0, 1, 1]), "size");
    let whole = Tensor::ones((1, 1, 1, 2, 1), DType::U32, &Device::Cpu).unwrap();
    let whole = ChannelsLast::new(whole).unwrap();
    assert!(upsample_nearest(&whole, [2; 3]).unwrap_err().to_string().contains("u32"));
}
