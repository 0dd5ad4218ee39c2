//! Layer norm over rows, forward and backward.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::LAYER_NORM;
use super::sums::{Columns, fold, over_rows};
use crate::kernels::real::Element;

/// Rows that a block has: one in each of its warps.
const ROWS_OF_A_BLOCK: usize = 8;

/// x̂ · weight + bias for rows of as many numbers as the weight.
pub(crate) fn forward<M: Machine, T: Number>(
    machine: &M,
    eps: f64,
    x: Slice<'_, M, T>,
    [weight, bias]: [Slice<'_, M, T>; 2],
) -> Result<M::Array<T>> {
    let (n, c) = (x.len(), weight.len());
    let rows = n / c.max(1);
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &LAYER_NORM, "layer_norm").read(x, rows * c);
    let launch = launch.read(weight, c).read(bias, c).write(&mut y, n).size(rows).size(c);
    launch.real::<T>(eps).blocks(rows.div_ceil(ROWS_OF_A_BLOCK), 1)?;
    Ok(y)
}

/// The gradients of x, weight and bias.
pub(crate) fn backward<M: Machine, T: Number>(
    machine: &M,
    eps: f64,
    x: Slice<'_, M, T>,
    weight: Slice<'_, M, T>,
    dy: Slice<'_, M, T>,
) -> Result<[M::Array<T>; 3]>
where
    T::Real: Number + Element<Real = T::Real>,
{
    let (n, c) = (x.len(), weight.len());
    let rows = n / c.max(1);
    let mut dx = machine.unwritten(n)?;
    let mut standards = machine.unwritten::<T::Real>(3 * rows)?;
    let launch = Launch::of::<T>(machine, &LAYER_NORM, "layer_norm_gradient").read(x, rows * c);
    let launch = launch.read(weight, c).read(dy, n).write(&mut dx, n);
    let launch = launch.write(&mut standards, 3 * rows).size(rows).size(c).real::<T>(eps);
    launch.blocks(rows.div_ceil(ROWS_OF_A_BLOCK), 1)?;

    let columns = Columns::new(rows, c);
    let threads = columns.threads(1);
    let mut sums = machine.unwritten::<f64>(2 * threads)?;
    let launch = Launch::of::<T>(machine, &LAYER_NORM, "layer_norm_sums").read(x, n).read(dy, n);
    let launch = launch.read(Slice::whole(&standards), 3 * rows).write(&mut sums, 2 * threads);
    columns.sizes(launch.size(threads)).size(c).over(threads)?;
    let sums = over_rows(machine, [2, columns.parts, columns.width], sums)?;
    let plane = |plane: usize| {
        let part = Slice::part(&sums, plane * columns.width..(plane + 1) * columns.width);
        fold(machine, c, part.unwrap_or(Slice::whole(&sums)))
    };
    Ok([dx, plane(0)?, plane(1)?])
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::cuda::grouped_norm::tests::{close, numbers};
    use crate::kernels::real::Real;
    use crate::kernels::row_norm::RowNorm;
    use crate::kernels::tier::Tier;

    fn case<T: Number + Debug>([rows, c]: [usize; 2], mean: f64, tolerance: f64)
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        let (eps, n) = (1e-5, rows * c);
        let (x, dy) = (numbers::<T>(n, 1, mean), numbers::<T>(n, 2, 0.1));
        let (weight, bias) = (numbers::<T>(c, 3, 1.0), numbers::<T>(c, 4, 0.0));
        let cpu = RowNorm { tier: Tier::current(), eps, weight: &weight, bias: &bias };
        let (mut y, mut dx) = (T::unwritten(n), T::unwritten(n));
        cpu.forward(&x, &mut y);
        let parameters = cpu.backward(&x, &dy, &mut dx);
        let [dweight, dbias] =
            parameters.map(|all| all.iter().map(|&x| T::store(T::Real::from_f64(x))).collect());
        let want: [Vec<T>; 3] = [dx, dweight, dbias];
        let [x, dy, weight, bias] = [&x, &dy, &weight, &bias].map(|numbers| Guarded::new(numbers));
        let affine = || [weight.slice(), bias.slice()];
        let got = Emulation::both_orders(|m| forward(m, eps, x.slice(), affine()));
        close(&got, &y, tolerance);
        for (i, want) in want.iter().enumerate() {
            let got = Emulation::both_orders(|m| {
                let [dx, dweight, dbias] = backward(m, eps, x.slice(), weight.slice(), dy.slice())?;
                Ok(match i {
                    0 => dx,
                    1 => dweight,
                    _ => dbias,
                })
            });
            close(&got, want, tolerance);
        }
    }

    #[test]
    fn it_and_its_gradients_are_those_of_the_cpu_at_every_shape() {
        for shape in [[1, 1], [9, 5], [17, 33], [100, 64], [67, 70], [3, 515]] {
            case::<f32>(shape, 0.3, 1e-5);
            case::<f64>(shape, 0.3, 1e-12);
            case::<bf16>(shape, 0.3, 0.008);
        }
    }

    #[test]
    fn a_mean_far_from_zero_costs_no_digits() {
        case::<f32>([9, 70], 1e4, 1e-5);
    }
}
