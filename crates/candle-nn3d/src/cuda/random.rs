//! Tensors of keyed random numbers.

use candle_core::Result;
use keyed_random::Key;

use super::launch::Launch;
use super::machine::{Machine, Number};
use super::source::RANDOM;
use crate::random_tensor::Distribution;

/// `n` numbers of each key, one after the other: those of the CPU to the bit.
pub(crate) fn draw<M: Machine, T: Number>(
    machine: &M,
    law: Distribution,
    keys: &[Key],
    n: usize,
) -> Result<M::Array<T>> {
    let (bell, shift, factor) = match law {
        Distribution::Normal { mean, stdev } => (true, mean, stdev),
        Distribution::Uniform { lo, up } => (false, lo, up - lo),
    };
    let unit = law == Distribution::STANDARD_NORMAL || law == Distribution::UNIT_UNIFORM;
    let all = keys.len() * n;
    let mut y = machine.unwritten(all)?;
    for (item, key) in keys.iter().enumerate() {
        let launch = Launch::of::<T>(machine, &RANDOM, "draw").write(&mut y, all).size(n);
        let launch = launch.size(item * n).word(bell.into()).word((!unit).into());
        launch.real::<f64>(shift).real::<f64>(factor).key(key).over(n)?;
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::Emulation;

    #[test]
    fn batches_of_any_law_are_those_of_the_cpu_to_the_bit() {
        fn case<T: Number + std::fmt::Debug>() {
            let keys = [0, 1, 2].map(|item| Key::new(5).with_index(item));
            for law in [
                Distribution::STANDARD_NORMAL,
                Distribution::UNIT_UNIFORM,
                Distribution::Normal { mean: 0.3, stdev: 1.7 },
                Distribution::Uniform { lo: -0.1, up: 0.7 },
            ] {
                let want = law.batch(&keys, 301, T::DTYPE, &Device::Cpu).unwrap();
                let want: Vec<T> = want.flatten_all().unwrap().to_vec1().unwrap();
                let got = Emulation::both_orders(|machine| draw::<_, T>(machine, law, &keys, 301));
                assert_eq!(got, want, "{law:?}");
            }
        }
        case::<f32>();
        case::<f64>();
        case::<bf16>();
    }
}
