//! Numbers for each channel of each item: added to its voxels, and sums and means over them in
//! double precision.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::ITEM_CHANNELS;

/// Rows that one thread adds up.
const ROWS: usize = 256;

/// `x[n, .., c] + bias[n, c]`
pub(crate) fn add_to_items<M: Machine, T: Number>(
    machine: &M,
    (items, c): (usize, usize),
    x: Slice<'_, M, T>,
    bias: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len();
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ITEM_CHANNELS, "add_to_items").read(x, n);
    let launch = launch.read(bias, items * c).write(&mut y, n);
    launch.size(n).size(c).size(n / items.max(1)).over(n)?;
    Ok(y)
}

/// The sums of `x` `[items, rows, c]` over rows, `[items, c]`, in a tree that depends on their number
/// alone.
pub(crate) fn sums<M: Machine, T: Number>(
    machine: &M,
    (items, c): (usize, usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<f64>> {
    let mut rows = x.len() / (items * c).max(1);
    let mut sums = part_sums(machine, (items, rows, c), x)?;
    rows = rows.div_ceil(ROWS);
    while rows > 1 {
        sums = part_sums(machine, (items, rows, c), Slice::whole(&sums))?;
        rows = rows.div_ceil(ROWS);
    }
    Ok(sums)
}

fn part_sums<M: Machine, T: Number>(
    machine: &M,
    (items, rows, c): (usize, usize, usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<f64>> {
    let n = items * rows.div_ceil(ROWS) * c;
    let mut sums = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ITEM_CHANNELS, "sum_rows").read(x, items * rows * c);
    launch.write(&mut sums, n).size(n).size(c).size(rows).size(ROWS).over(n)?;
    Ok(sums)
}

/// [`sums`] over a divisor, rounded once: sums as they are for 1, means for the number of rows.
pub(crate) fn rounded_sums<M: Machine, T: Number>(
    machine: &M,
    (items, c): (usize, usize),
    divisor: f64,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let (n, sums) = (items * c, sums(machine, (items, c), x)?);
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ITEM_CHANNELS, "quotients").read(Slice::whole(&sums), n);
    launch.write(&mut y, n).size(n).real::<f64>(divisor).over(n)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::real::Real;
    use crate::kernels::tier::Tier;
    use crate::kernels::{channel_bias as cpu, global_mean::global_mean};

    fn numbers<T: Number>(n: usize) -> Vec<T> {
        let number = |i: usize| ((i * 7919) % 1009) as f64 / 64.0 - 5.0;
        (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect()
    }

    /// Sums are made in double precision: only the rounding of an f64 may differ.
    fn sums_are_the_cpus<T: Number + std::fmt::Debug>(tolerance: f64) {
        for (items, voxels, c) in [(1, 1, 1), (2, 255, 3), (3, 257, 2), (1, 70_001, 1)] {
            let x = numbers::<T>(items * voxels * c);
            let (mut sums, mut means) = (T::zeros(items * c), T::unwritten(items * c));
            cpu::sums(Tier::current(), c, &x, &mut sums);
            global_mean(Tier::current(), c, &x, &mut means);
            let x = Guarded::new(&x);
            for (divisor, want) in [(1.0, sums), (voxels as f64, means)] {
                let got = Emulation::both_orders(|m| {
                    rounded_sums::<_, T>(m, (items, c), divisor, x.slice())
                });
                for (got, want) in got.iter().zip(&want) {
                    let (got, want) = (got.load().to_f64(), want.load().to_f64());
                    assert!((got - want).abs() <= tolerance * want.abs(), "{got} for {want}");
                }
            }
        }
    }

    #[test]
    fn sums_and_means_over_voxels_are_those_of_the_cpu() {
        sums_are_the_cpus::<f32>(0.0);
        sums_are_the_cpus::<f64>(1e-13);
        sums_are_the_cpus::<bf16>(0.0);
    }

    fn biases_are_added_as_on_the_cpu<T: Number + std::fmt::Debug>() {
        for (items, voxels, c) in [(1, 1, 1), (3, 11, 5), (2, 9, 70)] {
            let (x, bias) = (numbers::<T>(items * voxels * c), numbers::<T>(items * c));
            let mut want = T::unwritten(x.len());
            cpu::add(Tier::current(), c, &x, &bias, &mut want);
            let (x, bias) = (Guarded::new(&x), Guarded::new(&bias));
            let got =
                Emulation::both_orders(|m| add_to_items(m, (items, c), x.slice(), bias.slice()));
            assert_eq!(got, want);
        }
    }

    #[test]
    fn every_item_has_a_bias_of_its_own() {
        biases_are_added_as_on_the_cpu::<f32>();
        biases_are_added_as_on_the_cpu::<f64>();
        biases_are_added_as_on_the_cpu::<bf16>();
    }
}
