use candle_core::{DType, Device};

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};
use crate::reference::{SHAPES, TOLERANCES, Volume};

const PADDINGS: [[[usize; 2]; 3]; 4] = [
    [[0, 0], [0, 0], [0, 0]],
    [[1, 2], [0, 3], [4, 0]],
    [[0, 0], [2, 0], [0, 1]],
    [[9, 9], [1, 1], [7, 11]],
];

#[test]
fn padding_surrounds_the_volume_with_the_value() {
    for shape @ [n, sx, sy, sz, c] in SHAPES {
        let x = Volume::sample(shape);
        for padding @ [[ax, bx], [ay, by], [az, bz]] in PADDINGS {
            let size = [n, sx + ax + bx, sy + ay + by, sz + az + bz, c];
            let want = Volume::from_fn(size, |[n, i, j, k, c]| {
                let inside = (ax..ax + sx).contains(&i)
                    && (ay..ay + sy).contains(&j)
                    && (az..az + sz).contains(&k);
                if inside { x.at([n, i - ax, j - ay, k - az, c]) } else { -0.5 }
            });
            for (dtype, _) in TOLERANCES {
                let got = pad_constant(&x.channels_last(dtype), padding, -0.5).unwrap();
                want.assert_close(&got, 0.0);
            }
        }
    }
}

#[test]
fn cropping_undoes_padding() {
    for shape in SHAPES {
        let x = Volume::sample(shape);
        for padding in PADDINGS {
            let padded = pad_constant(&x.channels_last(DType::BF16), padding, 3.0).unwrap();
            let start = padding.map(|[before, _]| before);
            let cropped = crop(&padded, start, [shape[1], shape[2], shape[3]]).unwrap();
            x.assert_close(&cropped, 0.0);
        }
    }
}

#[test]
fn crops_are_the_voxels_asked_for() {
    let x = Volume::sample([2, 5, 6, 7, 3]);
    let want =
        Volume::from_fn([2, 2, 1, 4, 3], |[n, i, j, k, c]| x.at([n, i + 3, j + 2, k + 1, c]));
    want.assert_close(&crop(&x.channels_last(DType::F32), [3, 2, 1], [2, 1, 4]).unwrap(), 0.0);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for shape in [[2, 2, 3, 2, 2], [1, 1, 4, 3, 1]] {
        let x = distinct(&shape, 0.0).unwrap();
        check_gradients(std::slice::from_ref(&x), |x| {
            let x = ChannelsLast::new(x[0].clone())?;
            weighted_sum(pad_constant(&x, [[1, 2], [0, 3], [2, 0]], 0.3)?.tensor())
        });
        check_gradients(&[x], |x| {
            let x = ChannelsLast::new(x[0].clone())?;
            weighted_sum(crop(&x, [0, 1, 1], [1, 2, 1])?.tensor())
        });
    }
}

#[test]
fn misuse_names_the_argument_and_the_shape() {
    let x = Volume::sample([1, 2, 3, 4, 5]).channels_last(DType::F32);
    let says = |result: Result<ChannelsLast>, argument: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(argument) && message.contains("[1, 2, 3, 4, 5]"), "{message}");
    };
    says(pad_constant(&x, [[usize::MAX, usize::MAX], [0, 0], [0, 0]], 0.0), "padding");
    says(pad_constant(&x, [[1 << 62, 0], [0, 0], [0, 0]], 0.0), "padding");
    says(crop(&x, [0, 0, 0], [2, 0, 4]), "size is [2, 0, 4] from [0, 0, 0]");
    says(crop(&x, [1, 0, 0], [2, 3, 4]), "size");
    says(crop(&x, [usize::MAX, 0, 0], [2, 3, 4]), "size");
    let whole = Tensor::ones((1, 1, 1, 2, 1), DType::U8, &Device::Cpu).unwrap();
    let whole = ChannelsLast::new(whole).unwrap();
    let message = crop(&whole, [0; 3], [1; 3]).unwrap_err().to_string();
    assert!(message.contains("crop") && message.contains("u8"), "{message}");
}
