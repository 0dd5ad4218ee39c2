use std::fmt::Debug;

use candle_core::Result;

use super::problem::Axes;
use super::*;
use crate::conv_shape::{Conv3dConfig, ConvShape};
use crate::cuda::emulation::{Emulation, Guarded};
use crate::kernels::conv3d_reference as reference;
use crate::kernels::conv3d_reference::tests::{
    assert_close, input_gradient as reference_input_gradient, numbers, odd_shapes,
};
use crate::kernels::real::Real;

/// The convolution that cuDNN is told of, by its definition: with the sizes, strides in memory and
/// paddings of its descriptors, and no others.
struct Definition(Order);

impl Convolver<Emulation> for Definition {
    fn choose<T: Number + CudnnNumber>(&self, _: Pass, _: &Problem) -> Result<Choice> {
        Ok(Choice { order: self.0, algorithm: 0, workspace: 0 })
    }

    fn run<T: Number + CudnnNumber>(
        &self,
        pass: Pass,
        problem: &Problem,
        choice: &Choice,
        [a, b]: [Slice<'_, Emulation, T>; 2],
        len: usize,
    ) -> Result<Guarded<T>> {
        let (a, b) = (a.numbers(), b.numbers());
        let mut sums = vec![0.0; len];
        let (a, b) = (|i: usize| a[i].load().to_f64(), |i: usize| b[i].load().to_f64());
        products(problem, choice.order, |x, y, w| match pass {
            Pass::Forward => sums[y] += a(x) * b(w),
            Pass::InputGradient => sums[x] += a(y) * b(w),
            Pass::WeightGradient => sums[w] += a(x) * b(y),
        });
        let sums: Vec<T> = sums.into_iter().map(|sum| T::store(T::Real::from_f64(sum))).collect();
        Ok(Guarded::new(&sums))
    }
}

/// Calls `f` with the places in memory of input, output and weight of every product.
fn products(problem: &Problem, order: Order, mut f: impl FnMut(usize, usize, usize)) {
    let (x, y) = (problem.axes_in(order), problem.axes_out(order));
    let weight = problem.weight();
    let [_, c_in_group, kx, ky, kz] = weight;
    // As cuDNN's fully packed filters of either format.
    let strides = match order {
        Order::ChannelsFirst => [c_in_group * kx * ky * kz, kx * ky * kz, ky * kz, kz, 1],
        Order::ChannelsLast => {
            [c_in_group * kx * ky * kz, 1, ky * kz * c_in_group, kz * c_in_group, c_in_group]
        }
    };
    let w = Axes { sizes: weight, strides };
    let out_group = w.sizes[0] / problem.groups();
    for [item, o, ox, oy, oz] in indices(y.sizes) {
        for [i, tx, ty, tz, _] in indices([w.sizes[1], w.sizes[2], w.sizes[3], w.sizes[4], 1]) {
            let at = |axis: usize, out: i32, tap: i32| {
                let (stride, dilation) = (problem.stride()[axis], problem.dilation()[axis]);
                let at = out * stride + tap * dilation - problem.padding[axis];
                (0..x.sizes[2 + axis]).contains(&at).then_some(at)
            };
            let (Some(ix), Some(iy), Some(iz)) = (at(0, ox, tx), at(1, oy, ty), at(2, oz, tz))
            else {
                continue;
            };
            let channel = o / out_group * w.sizes[1] + i;
            f(
                place(&x, [item, channel, ix, iy, iz]),
                place(&y, [item, o, ox, oy, oz]),
                place(&w, [o, i, tx, ty, tz]),
            );
        }
    }
}

fn indices([a, b, c, d, e]: [i32; 5]) -> impl Iterator<Item = [i32; 5]> {
    (0..a * b * c * d * e)
        .map(move |i| [i / (b * c * d * e), i / (c * d * e) % b, i / (d * e) % c, i / e % d, i % e])
}

fn place(axes: &Axes, index: [i32; 5]) -> usize {
    index.iter().zip(axes.strides).map(|(i, stride)| (i * stride) as usize).sum()
}

/// Shapes that are odd in every way, and those of down-sampling and transposed convolutions, whose
/// paddings differ between the ends of an axis.
fn shapes() -> Vec<ConvShape> {
    let mut shapes = odd_shapes();
    let one_end = Conv3dConfig { stride: [2; 3], padding: [[0, 1]; 3], ..Default::default() };
    shapes.push(ConvShape::new([2, 4, 6, 4, 2], [3, 2, 3, 3, 3], &one_end).unwrap());
    // As of a transposed convolution with an output padding of 1: the last voxel is read by no tap.
    let mut transposed = ConvShape::new(
        [1, 6, 6, 6, 2],
        [3, 2, 2, 2, 2],
        &Conv3dConfig { stride: [2; 3], dilation: [2; 3], ..Default::default() },
    )
    .unwrap();
    transposed.output = [1; 3];
    shapes.push(transposed);
    shapes
}

fn rounded<T: Number>(numbers: &[f64]) -> Vec<T> {
    numbers.iter().map(|&x| T::store(T::Real::from_f64(x))).collect()
}

fn wide<T: Number>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|x| x.load().to_f64()).collect()
}

fn all_passes_are_those_of_the_cpu<T: Number + CudnnNumber + Debug>(order: Order, tolerance: f64) {
    for shape in shapes() {
        let x = rounded::<T>(&numbers(shape.batch * shape.n_in() * shape.c_in, 1));
        let weight =
            rounded::<T>(&numbers(shape.c_out * shape.c_in_per_group() * shape.n_taps(), 2));
        let bias = rounded::<T>(&numbers(shape.c_out, 3));
        let dy = rounded::<T>(&numbers(shape.batch * shape.n_out() * shape.c_out, 4));
        let mut y = vec![0.0; dy.len()];
        reference::forward(&shape, &wide(&x), &wide(&weight), Some(&wide(&bias)), &mut y);
        let dx = reference_input_gradient(&shape, &wide(&dy), &wide(&weight));
        let mut dw = vec![0.0; weight.len()];
        reference::weight_gradient(&shape, &wide(&x), &wide(&dy), &mut dw);

        let [x, weight, bias, dy] = [&x, &weight, &bias, &dy].map(|of| Guarded::new(of));
        let by = Definition(order);
        let got = Emulation::both_orders(|m| {
            let addends = Addends { bias: Some(bias.slice()), ..Addends::default() };
            forward((m, &by), &shape, x.slice(), weight.slice(), addends)
        });
        assert_close(&wide(&got), &y, tolerance, &shape);
        let got = Emulation::both_orders(|m| {
            input_gradient((m, &by), &shape, dy.slice(), weight.slice(), Addends::default())
        });
        assert_close(&wide(&got), &dx, tolerance, &shape);
        let got =
            Emulation::both_orders(|m| weight_gradient((m, &by), &shape, x.slice(), dy.slice()));
        assert_close(&wide(&got), &dw, tolerance, &shape);
    }
}

#[test]
fn all_passes_are_those_of_the_cpu_whatever_the_order_in_memory() {
    all_passes_are_those_of_the_cpu::<f64>(Order::ChannelsLast, 1e-13);
    all_passes_are_those_of_the_cpu::<f64>(Order::ChannelsFirst, 1e-13);
    all_passes_are_those_of_the_cpu::<f32>(Order::ChannelsLast, 1e-6);
    all_passes_are_those_of_the_cpu::<half::bf16>(Order::ChannelsLast, 5e-3);
}
