//! Mean penalties of differences, in double precision and a fixed tree, and their slopes.

use candle_core::Result;

use super::item_channels::sums;
use super::launch::Launch;
use super::machine::{Machine, Number, Slice, Stored};
use super::source::LOSS;
use crate::kernels::loss::Penalty;

/// Penalties that one block adds up.
const PER_BLOCK: usize = 1 << 13;

/// Σ over items of `weights[n]` · Σ penalty(a − b), over the number of elements: one number.
///
/// `weights` holds one number per item.
pub(crate) fn mean<M: Machine, T: Number>(
    machine: &M,
    penalty: impl Penalty,
    weights: &[f64],
    a: Slice<'_, M, T>,
    b: Slice<'_, M, T>,
) -> Result<M::Array<T::Real>>
where
    T::Real: Stored,
{
    let (n, items) = (a.len(), weights.len());
    let per_item = n / items.max(1);
    let blocks = items * per_item.div_ceil(PER_BLOCK);
    let mut parts = machine.unwritten::<f64>(blocks)?;
    let launch = Launch::of::<T>(machine, &LOSS, name(&penalty)).read(a, n).read(b, n);
    let launch = launch.write(&mut parts, blocks).size(per_item).size(PER_BLOCK);
    launch.real::<f64>(penalty.parameter()).blocks(blocks, 1)?;
    let sums = sums(machine, (items, 1), Slice::whole(&parts))?;
    let weights = machine.holding(weights)?;
    let mut mean = machine.unwritten(1)?;
    let launch = Launch::of::<T>(machine, &LOSS, "weighted_mean").read(Slice::whole(&sums), items);
    let launch = launch.read(Slice::whole(&weights), items).write(&mut mean, 1);
    launch.size(items).real::<f64>(n as f64).over(1)?;
    Ok(mean)
}

/// The gradient of `upstream` · [`mean`] with respect to `a`, or (`of_b`) to `b`.
pub(crate) fn gradient<M: Machine, T: Number>(
    machine: &M,
    penalty: impl Penalty,
    weights: &[f64],
    upstream: Slice<'_, M, T::Real>,
    [a, b]: [Slice<'_, M, T>; 2],
    of_b: bool,
) -> Result<M::Array<T>>
where
    T::Real: Stored,
{
    let (n, items) = (a.len(), weights.len());
    let weights = machine.holding(weights)?;
    let mut gradient = machine.unwritten(n)?;
    let kernel = format!("{}_slopes", name(&penalty));
    let launch = Launch::of::<T>(machine, &LOSS, &kernel).read(a, n).read(b, n);
    let launch = launch.read(Slice::whole(&weights), items).read(upstream, 1);
    let launch = launch.write(&mut gradient, n).size(n).size(n / items.max(1));
    let sign = if of_b { -1.0 } else { 1.0 };
    launch.real::<f64>(sign).real::<f64>(penalty.parameter()).over(n)?;
    Ok(gradient)
}

fn name<P: Penalty>(_: &P) -> &'static str {
    P::NAME
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::loss::{self as cpu, Absolute, Huber, Square};
    use crate::kernels::real::Real;
    use crate::kernels::tier::Tier;

    fn numbers<T: Number>(n: usize, seed: usize) -> Vec<T> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f64 / 256.0 - 4.0;
        (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect()
    }

    /// `slack` is what rounding once to the dtype may leave, where a double's last bit differs.
    fn is_the_cpus<T: Number + std::fmt::Debug>(penalty: impl Penalty, slack: f64)
    where
        T::Real: Stored,
    {
        for weights in [vec![1.0], vec![0.5, 2.0, 0.0]] {
            for per_item in [1, 301, PER_BLOCK + 9] {
                let n = weights.len() * per_item;
                let (mut a, b) = (numbers::<T>(n, 0), numbers::<T>(n, 1));
                a[n / 2] = b[n / 2];
                let want = cpu::mean(Tier::current(), penalty, &weights, &a, &b);
                let (x, y) = (Guarded::new(&a), Guarded::new(&b));
                let got = Emulation::both_orders(|m| {
                    mean::<_, T>(m, penalty, &weights, x.slice(), y.slice())
                });
                let error = (got[0].to_f64() - want).abs();
                assert!(error <= slack * want.abs(), "{got:?} for {want}");

                let upstream = Guarded::new(&[T::Real::from_f64(0.75)]);
                for (of_b, scale) in [(false, 0.75), (true, -0.75)] {
                    let mut want = T::unwritten(n);
                    cpu::gradient(Tier::current(), penalty, &weights, scale, [&a, &b], &mut want);
                    let got = Emulation::both_orders(|m| {
                        let both = [x.slice(), y.slice()];
                        gradient(m, penalty, &weights, upstream.slice(), both, of_b)
                    });
                    for (got, want) in got.iter().zip(&want) {
                        let (got, want) = (got.load().to_f64(), want.load().to_f64());
                        assert!((got - want).abs() <= slack * want.abs(), "{got} for {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_and_slopes_of_every_penalty_are_those_of_the_cpu() {
        fn all<T: Number + std::fmt::Debug>(slack: f64)
        where
            T::Real: Stored,
        {
            is_the_cpus::<T>(Square, slack);
            is_the_cpus::<T>(Absolute, slack);
            is_the_cpus::<T>(Huber(0.7), slack);
        }
        all::<f32>(1.2e-7);
        all::<f64>(1e-13);
        all::<bf16>(0.0079);
    }

    #[test]
    fn a_difference_that_is_no_number_shows_in_value_and_slope() {
        let (a, b) = (Guarded::new(&[1.0_f32, f32::NAN]), Guarded::new(&[1.0_f32, 2.0]));
        let upstream = Guarded::new(&[1.0_f32]);
        let of = |penalty: Absolute| {
            let value = Emulation::both_orders(|m| {
                mean::<_, f32>(m, penalty, &[1.0], a.slice(), b.slice())
            });
            let slopes = Emulation::both_orders(|m| {
                gradient(m, penalty, &[1.0], upstream.slice(), [a.slice(), b.slice()], false)
            });
            (value, slopes)
        };
        let (value, slopes) = of(Absolute);
        assert!(value[0].is_nan() && slopes[0] == 0.0 && slopes[1].is_nan(), "{slopes:?}");
    }
}
