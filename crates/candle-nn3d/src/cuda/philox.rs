//! The random numbers of a key on a GPU: how kernels are handed keys.
//!
//! A source that draws numbers begins with `kernels/philox.cuh` and is not fused; its kernels take a
//! key as four words and call `uniform(Key{..}, element, T())` or `normal(..)`.

use keyed_random::Key;

use super::launch::Launch;
use super::machine::Machine;

impl<M: Machine> Launch<'_, M> {
    /// `u32 k0, u32 k1, u32 c2, u32 c3`
    pub(crate) fn key(self, key: &Key) -> Self {
        key.words().into_iter().fold(self, Self::word)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use half::bf16;

    use super::*;
    use crate::Distribution;
    use crate::cuda::emulation::Emulation;
    use crate::cuda::gpu::compile;
    use crate::cuda::machine::Number;
    use crate::cuda::source::Source;

    static KERNELS: Source = Source {
        name: "of_philox",
        text: concat!(
            include_str!("kernels/philox.cuh"),
            "
            template <class T>
            __device__ void draw(T *y, u64 n, u64 start, bool bell, Key key) {
                u64 i = thread_index();
                if (i >= n) return;
                Real<T> kind = 0;
                store(y + i, bell ? normal(key, start + i, kind) : uniform(key, start + i, kind));
            }
            #define MAKE(T, dtype)                                                              \\
                extern \"C\" __global__ void normal_##dtype(                                    \\
                    T *y, u64 n, u64 start, u32 k0, u32 k1, u32 c2, u32 c3                      \\
                ) { draw(y, n, start, true, Key{k0, k1, c2, c3}); }                             \\
                extern \"C\" __global__ void uniform_##dtype(                                   \\
                    T *y, u64 n, u64 start, u32 k0, u32 k1, u32 c2, u32 c3                      \\
                ) { draw(y, n, start, false, Key{k0, k1, c2, c3}); }
            FOR_DTYPES(MAKE)
            "
        ),
        fused: false,
    };

    fn draw<T: Number + std::fmt::Debug>(law: &str, key: &Key, start: u64, n: usize) -> Vec<T> {
        Emulation::both_orders(|machine| {
            let mut y = machine.unwritten::<T>(n)?;
            let launch = Launch::of::<T>(machine, &KERNELS, law).write(&mut y, n).size(n);
            launch.signed(start.cast_signed()).key(key).over(n)?;
            Ok(y)
        })
    }

    /// Odd, and more than a block.
    const N: usize = 20_001;

    #[test]
    fn numbers_are_those_of_the_cpu_to_the_bit() {
        let key = Key::new(11).with("noise").with_index(3);
        for start in [0, 1, 12_345, (1 << 40) + 7] {
            let (mut single, mut double) = (vec![0.0_f32; N], vec![0.0_f64; N]);
            let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let short = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            key.fill_normal_at(start, &mut single);
            key.fill_normal_at(start, &mut double);
            assert_eq!(short(&draw::<f32>("normal", &key, start, N)), short(&single));
            assert_eq!(bits(&draw::<f64>("normal", &key, start, N)), bits(&double));
            key.fill_uniform_at(start, &mut single);
            key.fill_uniform_at(start, &mut double);
            assert_eq!(short(&draw::<f32>("uniform", &key, start, N)), short(&single));
            assert_eq!(bits(&draw::<f64>("uniform", &key, start, N)), bits(&double));
        }
    }

    #[test]
    fn bf16_is_what_random_tensors_have() {
        let key = Key::new(12);
        for (name, law) in
            [("normal", Distribution::STANDARD_NORMAL), ("uniform", Distribution::UNIT_UNIFORM)]
        {
            let want = law.tensor(&key, N, DType::BF16, &Device::Cpu).unwrap();
            assert_eq!(draw::<bf16>(name, &key, 0, N), want.to_vec1::<bf16>().unwrap());
        }
    }

    #[test]
    fn no_operation_is_fused_for_a_device() {
        let ptx = compile(&KERNELS, (9, 0)).unwrap().to_src();
        // Division and square roots are correctly rounded; they and nothing else may fuse inside.
        assert!(ptx.contains("mul.rn.f64") || ptx.contains("mul.f64"), "no products");
        assert!(!ptx.contains("fma.rn.f64"), "a fused operation changes bits");
        assert!(ptx.contains("div.rn.f64") && ptx.contains("sqrt.rn.f64"), "not rounded correctly");
    }
}
