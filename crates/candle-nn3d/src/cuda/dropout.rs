//! Dropout by the masks of the CPU.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::DROPOUT;
use crate::kernels::dropout::{Mask, Unit};

/// Each unit of item `n` is 0 where its uniform number is below `p`, else scaled by 1 / (1 − p).
pub(crate) fn dropout<M: Machine, T: Number>(
    machine: &M,
    mask: &Mask,
    channels: usize,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let Mask { ref keys, p, unit } = *mask;
    let (n, per_item) = (x.len(), x.len() / keys.len().max(1));
    let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
    let mut y = machine.unwritten(n)?;
    for (item, key) in keys.iter().enumerate() {
        let launch = Launch::of::<T>(machine, &DROPOUT, "dropout").read(x, n).write(&mut y, n);
        let launch = launch.size(item * per_item).size(per_item).size(channels);
        let launch = launch.word(u32::from(unit == Unit::Channel)).real::<f32>(p);
        launch.real::<T>(scale).key(key).over(per_item)?;
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use half::bf16;
    use keyed_random::Key;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::dropout as cpu;
    use crate::kernels::real::Real;
    use crate::kernels::tier::Tier;

    fn masks_are_the_cpus<T: Number + std::fmt::Debug>() {
        let (items, voxels, c) = (3, 67, 5);
        let n = items * voxels * c;
        let number = |i: usize| if i == 40 { f64::INFINITY } else { i as f64 / 7.0 - 50.0 };
        let x: Vec<T> = (0..n).map(|i| T::store(T::Real::from_f64(number(i)))).collect();
        let given = Guarded::new(&x);
        let keys: Vec<_> = (0..items as u64).map(|i| Key::new(5).with_index(i)).collect();
        for unit in [Unit::Element, Unit::Channel] {
            for p in [0.0, 0.1, 0.5, 0.97, 1.0] {
                let mask = Mask { keys: keys.clone(), p, unit };
                let mut want = T::unwritten(n);
                cpu::dropout(Tier::current(), &mask, c, &x, &mut want);
                let got = Emulation::both_orders(|m| dropout(m, &mask, c, given.slice()));
                let zeros = got.iter().filter(|y| y.load() == T::Real::ZERO).count();
                assert!(p < 0.2 || zeros > 0, "{unit:?} {p}");
                assert_eq!(got, want, "{unit:?} {p}");
            }
        }
    }

    #[test]
    fn masks_and_numbers_are_those_of_the_cpu_to_the_bit() {
        masks_are_the_cpus::<f32>();
        masks_are_the_cpus::<f64>();
        masks_are_the_cpus::<bf16>();
    }
}
