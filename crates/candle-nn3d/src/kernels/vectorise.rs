//! One source of a loop, compiled for every tier.

use multiversion::multiversion;

use super::tier::Tier;

/// A loop over slices that the compiler vectorises by itself.
///
/// Its sums run in an order that does not depend on the width of the vectors. Where it adds and
/// multiplies separately (Rust never fuses them unasked) every tier gives the same bits.
pub(crate) trait Kernel {
    /// Runs it. Implementations are `#[inline(always)]`, and so is all they call: only then does
    /// the code take on the instructions of the tier.
    /// `FUSED` says that the processor fuses a multiplication and an addition.
    fn run<const FUSED: bool>(self);
}

impl Tier {
    /// Runs a kernel on the instructions of this tier.
    pub(crate) fn run(self, kernel: impl Kernel) {
        match self {
            Self::Portable => kernel.run::<false>(),
            Self::Avx2 => run_avx2(kernel),
            Self::Avx512 | Self::Avx512Bf16 => run_avx512(kernel),
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run::<true>();
}

#[multiversion(targets("x86_64+fma+avx512f+avx512bw+avx512dq+avx512vl"))]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run::<true>();
}
