//! Convolution and its gradients from their definitions, in any floating-point type: the path of
//! f64, and what the fast kernels are tested against.

use std::ops::{AddAssign, Mul};

use rayon::prelude::*;

use crate::conv_shape::ConvShape;

/// A number that convolutions are computed in.
pub(crate) trait Float:
    Copy + Default + Send + Sync + AddAssign + Mul<Output = Self> + 'static
{
}

impl Float for f32 {}
impl Float for f64 {}

/// The taps of the kernel, z fastest.
pub(crate) fn taps(shape: &ConvShape) -> impl Iterator<Item = [usize; 3]> + use<> {
    let [kx, ky, kz] = shape.kernel;
    (0..kx).flat_map(move |x| (0..ky).flat_map(move |y| (0..kz).map(move |z| [x, y, z])))
}

/// The input voxel that a tap of an output voxel reads, unless it is padding.
fn input_voxel(shape: &ConvShape, out: [usize; 3], tap: [usize; 3]) -> Option<usize> {
    let x = shape.input_index(0, out[0], tap[0])?;
    let y = shape.input_index(1, out[1], tap[1])?;
    let z = shape.input_index(2, out[2], tap[2])?;
    Some((x * shape.input[1] + y) * shape.input[2] + z)
}

/// `y[o] = bias + Σ_tap W[tap] · x[o · stride + tap · dilation - padding]`, channels last.
pub(crate) fn forward<T: Float>(
    shape: &ConvShape,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let (c_in, c_out) = (shape.c_in, shape.c_out);
    let (in_group, out_group) = (shape.c_in_per_group(), shape.c_out_per_group());
    let by_tap = weight_by_tap(shape, weight);
    let [_, sy, sz] = shape.output;
    y.par_chunks_mut(sz * c_out).enumerate().for_each(|(row, y)| {
        let (plane, oy) = (row / sy, row % sy);
        let (item, ox) = (plane / shape.output[0], plane % shape.output[0]);
        let x = &x[item * shape.n_in() * c_in..][..shape.n_in() * c_in];
        for (oz, y) in y.chunks_exact_mut(c_out).enumerate() {
            match bias {
                Some(bias) => y.copy_from_slice(bias),
                None => y.fill(T::default()),
            }
            for (tap, weights) in taps(shape).zip(by_tap.chunks_exact(in_group * c_out)) {
                let Some(voxel) = input_voxel(shape, [ox, oy, oz], tap) else { continue };
                let x = &x[voxel * c_in..][..c_in];
                for (i, weights) in weights.chunks_exact(c_out).enumerate() {
                    for group in 0..shape.groups {
                        let value = x[group * in_group + i];
                        let range = group * out_group..(group + 1) * out_group;
                        for (y, &w) in y[range.clone()].iter_mut().zip(&weights[range]) {
                            *y += value * w;
                        }
                    }
                }
            }
        }
    });
}

/// `dW[tap] = Σ_o dy[o] · x[o · stride + tap · dilation - padding]ᵀ`, in the order of the voxels.
pub(crate) fn weight_gradient<T: Float>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let (in_group, out_group) = (shape.c_in_per_group(), shape.c_out_per_group());
    let [ox, oy, oz] = shape.output;
    // One output channel per task: its row of the weights is its own.
    dw.par_chunks_mut(in_group * shape.n_taps()).enumerate().for_each(|(o, dw)| {
        dw.fill(T::default());
        let first_in = o / out_group * in_group;
        for (voxel, dy) in dy.chunks_exact(shape.c_out).enumerate() {
            let (item, voxel) = (voxel / shape.n_out(), voxel % shape.n_out());
            let out = [voxel / (oy * oz) % ox, voxel / oz % oy, voxel % oz];
            for (t, tap) in taps(shape).enumerate() {
                let Some(input) = input_voxel(shape, out, tap) else { continue };
                let x = &x[(item * shape.n_in() + input) * shape.c_in + first_in..][..in_group];
                for (i, &x) in x.iter().enumerate() {
                    dw[i * shape.n_taps() + t] += dy[o] * x;
                }
            }
        }
    });
}

/// `[c_out, c_in / groups, taps]` to `[taps, c_in / groups, c_out]`.
fn weight_by_tap<T: Float>(shape: &ConvShape, weight: &[T]) -> Vec<T> {
    let (c_in, taps) = (shape.c_in_per_group(), shape.n_taps());
    let mut by_tap = vec![T::default(); weight.len()];
    for (o, weight) in weight.chunks_exact(c_in * taps).enumerate() {
        for (i, weight) in weight.chunks_exact(taps).enumerate() {
            for (t, &w) in weight.iter().enumerate() {
                by_tap[(t * c_in + i) * shape.c_out + o] = w;
            }
        }
    }
    by_tap
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::conv_shape::Conv3dConfig;

    /// Shapes that are odd in every way: strides, dilations, groups, uneven padding, axes of one
    /// voxel, channels that fill no vector, padding wider than the kernel, steps past the input.
    pub(crate) fn odd_shapes() -> Vec<ConvShape> {
        let case = |input, weight, stride, dilation, padding, groups| {
            let config = Conv3dConfig { stride, dilation, padding, groups };
            ConvShape::new(input, weight, &config).unwrap()
        };
        let same = [[1, 1]; 3];
        vec![
            case([1, 5, 6, 7, 4], [8, 4, 3, 3, 3], [1; 3], [1; 3], same, 1),
            case([2, 4, 5, 6, 3], [5, 3, 3, 3, 3], [2; 3], [1; 3], same, 1),
            case(
                [2, 7, 6, 9, 6],
                [4, 3, 3, 2, 3],
                [1, 2, 3],
                [2, 1, 2],
                [[2, 1], [0, 2], [3, 0]],
                2,
            ),
            case([1, 1, 1, 9, 17], [33, 17, 1, 1, 3], [1; 3], [1; 3], [[0, 0], [0, 0], [1, 1]], 1),
            case([2, 3, 4, 1, 1], [19, 1, 3, 1, 1], [1; 3], [1; 3], [[1, 1], [0, 0], [0, 0]], 1),
            case([1, 4, 3, 5, 35], [1, 35, 1, 3, 3], [1; 3], [1; 3], [[0, 0], [1, 1], [1, 1]], 1),
            case([1, 3, 3, 3, 2], [3, 2, 1, 1, 1], [1; 3], [1; 3], [[3, 3], [0, 2], [1, 0]], 1),
            case(
                [1, 8, 7, 6, 5],
                [10, 1, 2, 2, 2],
                [4, 3, 2],
                [3, 2, 4],
                [[0, 1], [1, 4], [2, 2]],
                5,
            ),
            case([3, 6, 5, 4, 16], [16, 16, 1, 1, 1], [2; 3], [1; 3], [[0, 0]; 3], 1),
            case([1, 9, 2, 2, 3], [2, 3, 1, 1, 1], [5, 1, 1], [1; 3], [[6, 7], [0, 0], [0, 0]], 1),
            case([2, 6, 7, 10, 29], [70, 29, 3, 3, 3], [1; 3], [1; 3], same, 1),
        ]
    }

    /// Numbers in [-1, 1] that no pattern of a kernel lines up with.
    pub(crate) fn numbers(len: usize, seed: u64) -> Vec<f64> {
        let mut values = vec![0.0_f32; len];
        keyed_random::Key::new(seed).fill_uniform(&mut values);
        values.into_iter().map(|u| f64::from(2.0 * u - 1.0)).collect()
    }

    /// The input gradient from its definition: every product of the forward pass, turned around.
    pub(crate) fn input_gradient(shape: &ConvShape, dy: &[f64], weight: &[f64]) -> Vec<f64> {
        let mut dx = vec![0.0; shape.batch * shape.n_in() * shape.c_in];
        for_each_product(shape, |x, y, w| dx[x] += dy[y] * weight[w]);
        dx
    }

    /// Calls `f` with the indices of input, output and weight of every product of a convolution.
    pub(crate) fn for_each_product(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
        let [sx, sy, sz] = shape.output;
        let (in_group, out_group) = (shape.c_in_per_group(), shape.c_out_per_group());
        for item in 0..shape.batch {
            for voxel in 0..sx * sy * sz {
                let out = [voxel / (sy * sz), voxel / sz % sy, voxel % sz];
                for (t, tap) in taps(shape).enumerate() {
                    let Some(input) = input_voxel(shape, out, tap) else { continue };
                    for o in 0..shape.c_out {
                        for i in 0..in_group {
                            let c = o / out_group * in_group + i;
                            f(
                                (item * shape.n_in() + input) * shape.c_in + c,
                                (item * shape.n_out() + voxel) * shape.c_out + o,
                                (o * in_group + i) * shape.n_taps() + t,
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn both_follow_their_definition() {
        for shape in odd_shapes() {
            let x = numbers(shape.batch * shape.n_in() * shape.c_in, 1);
            let w = numbers(shape.c_out * shape.c_in_per_group() * shape.n_taps(), 2);
            let b = numbers(shape.c_out, 3);
            let mut y = vec![0.0; shape.batch * shape.n_out() * shape.c_out];
            forward(&shape, &x, &w, Some(&b), &mut y);
            let mut want: Vec<f64> = (0..y.len()).map(|i| b[i % shape.c_out]).collect();
            for_each_product(&shape, |i, o, t| want[o] += x[i] * w[t]);
            assert_close(&y, &want, 1e-13, &shape);

            let mut dw = vec![0.0; w.len()];
            weight_gradient(&shape, &x, &y, &mut dw);
            let mut want = vec![0.0; w.len()];
            for_each_product(&shape, |i, o, t| want[t] += x[i] * y[o]);
            assert_close(&dw, &want, 1e-13, &shape);
        }
    }

    /// Asserts that the relative error (Frobenius) is at most `tolerance`.
    pub(crate) fn assert_close(got: &[f64], want: &[f64], tolerance: f64, shape: &ConvShape) {
        assert_eq!(got.len(), want.len());
        let error: f64 = got.iter().zip(want).map(|(g, w)| (g - w).powi(2)).sum();
        let norm: f64 = want.iter().map(|w| w * w).sum();
        assert!(error.sqrt() <= tolerance * norm.sqrt(), "{} for {shape:?}", (error / norm).sqrt());
    }
}
