//! The largest value of every window, and its gradient.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::MAX_POOL;
use crate::kernels::max_pool::Windows;

/// The largest value of each window; the last NaN, if it holds one.
pub(crate) fn forward<M: Machine, T: Number>(
    machine: &M,
    windows: &Windows,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let (of_x, of_y) = sizes(windows, x.len());
    let mut y = machine.unwritten(of_y)?;
    // No places: a null pointer.
    let launch = Launch::of::<T>(machine, &MAX_POOL, "max_pool").read(x, of_x);
    let launch = launch.write(&mut y, of_y).size(0);
    with_windows(launch.size(of_y), windows).over(of_y)?;
    Ok(y)
}

/// The gradient of the input: each output's goes to the input that gave its value.
pub(crate) fn gradient<M: Machine, T: Number>(
    machine: &M,
    windows: &Windows,
    x: Slice<'_, M, T>,
    dy: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let (of_x, of_y) = sizes(windows, x.len());
    let mut taps = machine.unwritten::<u32>(of_y)?;
    let launch = Launch::of::<T>(machine, &MAX_POOL, "max_pool").read(x, of_x).size(0);
    with_windows(launch.write(&mut taps, of_y).size(of_y), windows).over(of_y)?;
    let mut dx = machine.unwritten(of_x)?;
    let launch = Launch::of::<T>(machine, &MAX_POOL, "max_pool_gradient");
    let launch = launch.read(Slice::whole(&taps), of_y).read(dy, of_y).write(&mut dx, of_x);
    with_windows(launch.size(of_x), windows).over(of_x)?;
    Ok(dx)
}

/// Numbers of the input and of the output.
fn sizes(windows: &Windows, of_x: usize) -> (usize, usize) {
    let [of_input, of_output] =
        [windows.input, windows.output].map(|size| size.iter().product::<usize>());
    let items = of_x / (of_input * windows.channels).max(1);
    (items * of_input * windows.channels, items * of_output * windows.channels)
}

fn with_windows<'a, M: Machine>(launch: Launch<'a, M>, windows: &Windows) -> Launch<'a, M> {
    (0..3).fold(launch.size(windows.channels), |launch, axis| {
        let launch = launch.size(windows.input[axis]).size(windows.output[axis]);
        let launch = launch.size(windows.kernel[axis]).size(windows.stride[axis]);
        launch.size(windows.padding[axis])
    })
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::max_pool as cpu;
    use crate::kernels::real::Real;
    use crate::kernels::tier::Tier;

    /// Few values, so that windows hold equal ones.
    fn numbers<T: Number>(n: usize) -> Vec<T> {
        let number = |i: usize| ((i * 7919) % 13) as f64 / 4.0 - 1.5;
        (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect()
    }

    fn pools_as_on_the_cpu<T: Number + std::fmt::Debug>() {
        let cases = [
            ([2, 2, 2], [2, 2, 2], [0, 0, 0]),
            ([3, 2, 1], [1, 2, 1], [1, 0, 0]),
            ([3, 3, 3], [2, 2, 2], [1, 1, 1]),
            ([2, 3, 2], [3, 1, 4], [1, 1, 1]),
        ];
        let (items, input, channels) = (2, [5, 4, 7], 3);
        for (kernel, stride, padding) in cases {
            let output = std::array::from_fn(|axis| {
                (input[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis] + 1
            });
            let windows = Windows { input, output, kernel, stride, padding, channels };
            let [of_x, of_y] =
                [input, output].map(|size: [usize; 3]| size.iter().product::<usize>());
            let (of_x, of_y) = (items * of_x * channels, items * of_y * channels);
            let (x, dy) = (numbers::<T>(of_x), numbers::<T>(of_y));
            let (mut y, mut dx) = (T::unwritten(of_y), T::zeros(of_x));
            cpu::forward(Tier::current(), &windows, &x, &mut y);
            cpu::gradient(Tier::current(), &windows, &x, &dy, &mut dx);
            let (x, dy) = (Guarded::new(&x), Guarded::new(&dy));
            assert_eq!(Emulation::both_orders(|m| forward(m, &windows, x.slice())), y);
            let got = Emulation::both_orders(|m| gradient(m, &windows, x.slice(), dy.slice()));
            assert_eq!(got, dx, "{windows:?}");
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_the_cpu_to_the_bit() {
        pools_as_on_the_cpu::<f32>();
        pools_as_on_the_cpu::<f64>();
        pools_as_on_the_cpu::<bf16>();
    }

    #[test]
    fn a_number_that_is_none_is_the_largest() {
        let windows = Windows {
            input: [1, 1, 4],
            output: [1, 1, 2],
            kernel: [1, 1, 2],
            stride: [1, 1, 2],
            padding: [0; 3],
            channels: 1,
        };
        let x = Guarded::new(&[1.0_f32, f32::NAN, f32::NEG_INFINITY, -2.0]);
        let dy = Guarded::new(&[3.0_f32, 5.0]);
        let y = Emulation::both_orders(|m| forward(m, &windows, x.slice()));
        assert!(y[0].is_nan() && y[1] == -2.0, "{y:?}");
        let dx = Emulation::both_orders(|m| gradient(m, &windows, x.slice(), dy.slice()));
        assert_eq!(dx, [0.0, 3.0, 0.0, 5.0]);
    }
}
