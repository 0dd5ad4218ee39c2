//! The gradient of a convolution with respect to its input, which is also the transposed
//! convolution: stride-1 convolutions of the output's gradient, one per phase of the stride.
//!
//! The taps that reach input voxel `i` along an axis are those with `t · dilation ≡ i + padding`
//! modulo the stride. Voxels that agree modulo the stride (a phase) thus share their taps, and seen
//! alone they are a convolution of `dy` with these taps, turned around: no zeros are multiplied,
//! and the fast forward kernels serve gradients too. With stride 1 there is one phase.

use half::bf16;
use rayon::prelude::*;

use super::conv_element::Element;
use super::fresh::{self, Plain};
use crate::conv_shape::ConvShape;

/// A number of a volume.
pub(crate) trait Number: Plain + Default + Send + Sync {
    /// That of the weights and the bias which a convolution of such volumes takes.
    type Weight: Plain + Default + Send + Sync;
    fn round(value: Self::Weight) -> Self;
}

impl Number for f32 {
    type Weight = Self;
    fn round(value: Self) -> Self {
        value
    }
}

impl Number for f64 {
    type Weight = Self;
    fn round(value: Self) -> Self {
        value
    }
}

impl Number for bf16 {
    type Weight = f32;
    fn round(value: f32) -> Self {
        Element::round(value)
    }
}

/// What one axis is to the input voxels that agree modulo the stride.
#[derive(Clone, Debug)]
struct Phase {
    /// The first of these voxels.
    first: usize,
    /// How many there are.
    count: usize,
    /// The taps that reach them, the last first.
    taps: Vec<usize>,
    /// Steps between those taps, in voxels of `dy`.
    dilation: usize,
    /// Zeros before `dy`.
    padding: usize,
    /// Voxels of `dy` at its start that none of them is reached from.
    crop: usize,
}

impl Phase {
    fn new(shape: &ConvShape, axis: usize, first: usize) -> Self {
        let (stride, dilation) = (shape.stride[axis], shape.dilation[axis]);
        // Voxel `first + j · stride` is reached from output `offset + j - t · dilation / stride`.
        let (offset, rest) =
            ((first + shape.padding[axis]) / stride, (first + shape.padding[axis]) % stride);
        let mut taps: Vec<_> =
            (0..shape.kernel[axis]).filter(|t| t * dilation % stride == rest).collect();
        taps.reverse();
        let count = (shape.input[axis] - first).div_ceil(stride);
        let steps = match taps[..] {
            [last, before, ..] => (last - before) * dilation / stride,
            _ => 1,
        };
        // In units of `dy`, how far the last tap reaches back.
        let reach = taps.first().map_or(0, |last| last * dilation / stride);
        let (padding, crop) = (reach.saturating_sub(offset), offset.saturating_sub(reach));
        if crop >= shape.output[axis] {
            taps.clear();
        }
        Self { first, count, taps, dilation: steps, padding, crop }
    }

    fn all(shape: &ConvShape, axis: usize) -> Vec<Self> {
        let phases = shape.stride[axis].min(shape.input[axis]);
        (0..phases).map(|first| Self::new(shape, axis, first)).collect()
    }
}

/// A stride-1 convolution `(shape, x, weight, bias, y)`.
pub(crate) trait Forward<T: Number>:
    Fn(&ConvShape, &[T], &[T::Weight], Option<&[T::Weight]>, &mut [T])
{
}

impl<T: Number, F> Forward<T> for F where
    F: Fn(&ConvShape, &[T], &[T::Weight], Option<&[T::Weight]>, &mut [T])
{
}

/// `dx[i] = bias + Σ_{o, tap: o · stride + tap · dilation - padding = i} W[tap]ᵀ · dy[o]`.
///
/// The bias is that of a transposed convolution.
pub(crate) fn input_gradient<T: Number>(
    shape: &ConvShape,
    dy: &[T],
    weight: &[T::Weight],
    bias: Option<&[T::Weight]>,
    dx: &mut [T],
    forward: impl Forward<T>,
) {
    let axes = [0, 1, 2].map(|axis| Phase::all(shape, axis));
    let plan = Plan { shape, dy, weight, bias };
    for x in &axes[0] {
        for y in &axes[1] {
            for z in &axes[2] {
                plan.add([x, y, z], dx, &forward);
            }
        }
    }
}

/// What all phases share.
struct Plan<'a, T: Number> {
    shape: &'a ConvShape,
    dy: &'a [T],
    weight: &'a [T::Weight],
    bias: Option<&'a [T::Weight]>,
}

impl<T: Number> Plan<'_, T> {
    /// The convolution of (cropped) `dy` that gives the voxels of one phase.
    fn convolution(&self, phase: [&Phase; 3]) -> ConvShape {
        let shape = self.shape;
        ConvShape {
            batch: shape.batch,
            c_in: shape.c_out,
            c_out: shape.c_in,
            groups: shape.groups,
            input: [0, 1, 2].map(|axis| shape.output[axis].saturating_sub(phase[axis].crop)),
            output: phase.map(|axis| axis.count),
            kernel: phase.map(|axis| axis.taps.len()),
            stride: [1; 3],
            dilation: phase.map(|axis| axis.dilation),
            padding: phase.map(|axis| axis.padding),
        }
    }

    /// Computes the voxels of one phase and puts them into `dx`.
    fn add(&self, phase: [&Phase; 3], dx: &mut [T], forward: &impl Forward<T>) {
        let sub = self.convolution(phase);
        if sub.output == self.shape.input {
            self.compute(phase, &sub, dx, forward);
            return;
        }
        let mut out = fresh::unwritten(sub.batch * sub.n_out() * sub.c_out);
        self.compute(phase, &sub, &mut out, forward);
        scatter(phase, self.shape, &out, dx);
    }

    fn compute(
        &self,
        phase: [&Phase; 3],
        sub: &ConvShape,
        out: &mut [T],
        forward: &impl Forward<T>,
    ) {
        if sub.kernel.contains(&0) {
            out.par_chunks_mut(sub.c_out).for_each(|voxel| match self.bias {
                Some(bias) => {
                    voxel.iter_mut().zip(bias).for_each(|(to, &bias)| *to = T::round(bias));
                }
                None => voxel.fill(T::default()),
            });
            return;
        }
        let crop = phase.map(|axis| axis.crop);
        let turned = turned_weight(self.shape, self.weight, phase);
        if crop == [0; 3] {
            forward(sub, self.dy, &turned, self.bias, out);
        } else {
            forward(sub, &cropped(self.shape, self.dy, crop), &turned, self.bias, out);
        }
    }
}

/// `[c_out, c_in / groups, taps]` to `[c_in, c_out / groups, taps of the phase, the last first]`.
fn turned_weight<W>(shape: &ConvShape, weight: &[W], phase: [&Phase; 3]) -> Vec<W>
where
    W: Plain + Send + Sync,
{
    let (in_group, out_group) = (shape.c_in_per_group(), shape.c_out_per_group());
    let [_, ky, kz] = shape.kernel;
    let mut taps = Vec::new();
    for x in &phase[0].taps {
        for y in &phase[1].taps {
            taps.extend(phase[2].taps.iter().map(|z| (x * ky + y) * kz + z));
        }
    }
    let mut turned = fresh::unwritten(shape.c_in * out_group * taps.len());
    turned.par_chunks_mut(out_group * taps.len()).enumerate().for_each(|(c, turned)| {
        let (group, i) = (c / in_group, c % in_group);
        for (o, turned) in turned.chunks_exact_mut(taps.len()).enumerate() {
            let from = ((group * out_group + o) * in_group + i) * shape.n_taps();
            for (turned, tap) in turned.iter_mut().zip(&taps) {
                *turned = weight[from + tap];
            }
        }
    });
    turned
}

/// `dy` without its first voxels along each axis.
fn cropped<T: Number>(shape: &ConvShape, dy: &[T], crop: [usize; 3]) -> Vec<T> {
    let c = shape.c_out;
    let [sx, sy, sz] = shape.output;
    let mut out = Vec::with_capacity(dy.len());
    for item in 0..shape.batch {
        for x in crop[0]..sx {
            for y in crop[1]..sy {
                let row = ((item * sx + x) * sy + y) * sz;
                out.extend_from_slice(&dy[(row + crop[2]) * c..(row + sz) * c]);
            }
        }
    }
    out
}

/// Puts the voxels of one phase where they belong.
fn scatter<T: Number>(phase: [&Phase; 3], shape: &ConvShape, out: &[T], dx: &mut [T]) {
    let c = shape.c_in;
    let [sx, sy, sz] = shape.input;
    let [nx, ny, nz] = phase.map(|axis| axis.count);
    let [step_x, step_y, step_z] = shape.stride;
    dx.par_chunks_mut(sy * sz * c).enumerate().for_each(|(plane, dx)| {
        let (item, ix) = (plane / sx, plane % sx);
        if ix % step_x != phase[0].first % step_x {
            return;
        }
        let out = &out[(item * nx + ix / step_x) * ny * nz * c..][..ny * nz * c];
        for (y, out) in out.chunks_exact(nz * c).enumerate() {
            let row = (phase[1].first + y * step_y) * sz;
            for (z, out) in out.chunks_exact(c).enumerate() {
                dx[(row + phase[2].first + z * step_z) * c..][..c].copy_from_slice(out);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::conv3d::{Conv3dAlgorithm, PackedWeights, forward};
    use super::super::conv3d_reference::{self as reference, tests as oracle};
    use super::super::tier::Tier;
    use super::*;

    #[test]
    fn it_follows_its_definition_for_every_stride_dilation_and_padding() {
        for shape in oracle::odd_shapes() {
            let dy = oracle::numbers(shape.batch * shape.n_out() * shape.c_out, 1);
            let w = oracle::numbers(shape.c_out * shape.c_in_per_group() * shape.n_taps(), 2);
            let bias = oracle::numbers(shape.c_in, 3);
            let mut want = oracle::input_gradient(&shape, &dy, &w);
            let mut dx = vec![f64::NAN; want.len()];
            input_gradient(&shape, &dy, &w, None, &mut dx, reference::forward);
            oracle::assert_close(&dx, &want, 1e-13, &shape);
            input_gradient(&shape, &dy, &w, Some(&bias), &mut dx, reference::forward);
            for (i, want) in want.iter_mut().enumerate() {
                *want += bias[i % shape.c_in];
            }
            oracle::assert_close(&dx, &want, 1e-13, &shape);
        }
    }

    #[test]
    fn the_forward_kernels_of_every_tier_and_algorithm_serve_it() {
        for shape in oracle::odd_shapes() {
            let dy = oracle::numbers(shape.batch * shape.n_out() * shape.c_out, 1);
            let w = oracle::numbers(shape.c_out * shape.c_in_per_group() * shape.n_taps(), 2);
            let want = oracle::input_gradient(&shape, &dy, &w);
            let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
            let (dy, w) = (narrow(&dy), narrow(&w));
            for tier in Tier::available() {
                for algorithm in [Conv3dAlgorithm::Auto, Conv3dAlgorithm::Direct] {
                    let mut dx = vec![f32::NAN; want.len()];
                    input_gradient(&shape, &dy, &w, None, &mut dx, |shape, x, w, bias, y| {
                        let weights = PackedWeights::new(tier, algorithm, shape, w);
                        forward(tier, shape, x, &weights, bias, y);
                    });
                    let dx: Vec<f64> = dx.into_iter().map(f64::from).collect();
                    oracle::assert_close(&dx, &want, 1e-5, &shape);
                }
            }
        }
    }

    #[test]
    fn bf16_is_the_f32_result_rounded_once() {
        for shape in oracle::odd_shapes() {
            let narrow = |len, seed| -> Vec<bf16> {
                oracle::numbers(len, seed).into_iter().map(bf16::from_f64).collect()
            };
            let dy = narrow(shape.batch * shape.n_out() * shape.c_out, 1);
            let w: Vec<f32> =
                oracle::numbers(shape.c_out * shape.c_in_per_group() * shape.n_taps(), 2)
                    .into_iter()
                    .map(|v| v as f32)
                    .collect();
            let bias = vec![0.1; shape.c_in];
            let wide: Vec<f32> = dy.iter().map(|v| v.to_f32()).collect();
            for tier in Tier::available() {
                let mut want = vec![f32::NAN; shape.batch * shape.n_in() * shape.c_in];
                input_gradient(
                    &shape,
                    &wide,
                    &w,
                    Some(&bias),
                    &mut want,
                    |shape, x, w, bias, y| {
                        let weights = PackedWeights::new(tier, Conv3dAlgorithm::Auto, shape, w);
                        forward(tier, shape, x, &weights, bias, y);
                    },
                );
                let mut dx = vec![bf16::NAN; want.len()];
                input_gradient(&shape, &dy, &w, Some(&bias), &mut dx, |shape, x, w, bias, y| {
                    let weights = PackedWeights::new(tier, Conv3dAlgorithm::Auto, shape, w);
                    forward(tier, shape, x, &weights, bias, y);
                });
                assert!(dx.iter().zip(&want).all(|(&dx, &want)| dx == bf16::from_f32(want)));
            }
        }
    }
}
