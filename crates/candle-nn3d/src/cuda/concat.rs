//! Channels put side by side, and taken apart.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::CONCAT;

/// `a[v] ‖ b[v]` for every voxel `v`, with `c` channels of `a` and `b`.
pub(crate) fn interleave<M: Machine, T: Number>(
    machine: &M,
    [c_a, c_b]: [usize; 2],
    a: Slice<'_, M, T>,
    b: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let voxels = a.len() / c_a.max(1);
    let n = voxels * (c_a + c_b);
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &CONCAT, "interleave").read(a, voxels * c_a);
    let launch = launch.read(b, voxels * c_b).write(&mut y, n);
    launch.size(n).size(c_a).size(c_b).over(n)?;
    Ok(y)
}

/// `x[v][first..first + taken]` for every voxel `v`, with `c` channels of `x`.
pub(crate) fn take<M: Machine, T: Number>(
    machine: &M,
    c: usize,
    [first, taken]: [usize; 2],
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let voxels = x.len() / c.max(1);
    let n = voxels * taken;
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &CONCAT, "take").read(x, voxels * c).write(&mut y, n);
    launch.size(n).size(c).size(first).size(taken).over(n)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::channel_slice as cpu;
    use crate::kernels::real::Real;

    fn numbers<T: Number>(n: usize) -> Vec<T> {
        (0..n).map(|i| T::store(T::Real::from_f64(i as f64))).collect()
    }

    fn channels_are_joined_and_taken_as_on_the_cpu<T: Number + std::fmt::Debug>() {
        for [c_a, c_b] in [[1, 1], [3, 2], [5, 8], [64, 33]] {
            let voxels = 37;
            let (a, b) = (numbers::<T>(voxels * c_a), numbers::<T>(voxels * c_b));
            let mut joined = T::unwritten(a.len() + b.len());
            cpu::interleave(&a, &b, [c_a, c_b], &mut joined);
            let (x, y) = (Guarded::new(&a), Guarded::new(&b));
            let got = Emulation::both_orders(|m| interleave(m, [c_a, c_b], x.slice(), y.slice()));
            assert_eq!(got, joined);
            let joined = Guarded::new(&joined);
            for (part, want) in [([0, c_a], &a), ([c_a, c_b], &b)] {
                let got = Emulation::both_orders(|m| take(m, c_a + c_b, part, joined.slice()));
                assert_eq!(&got, want);
            }
        }
    }

    #[test]
    fn channels_are_joined_and_taken_as_on_the_cpu_in_every_dtype() {
        channels_are_joined_and_taken_as_on_the_cpu::<f32>();
        channels_are_joined_and_taken_as_on_the_cpu::<f64>();
        channels_are_joined_and_taken_as_on_the_cpu::<bf16>();
    }
}
