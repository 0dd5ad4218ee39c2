//! One source of a loop, compiled for every tier.

use multiversion::multiversion;

use super::tier::Tier;

/// A loop over slices that the compiler vectorises by itself.
///
/// It adds and multiplies separately (Rust never fuses them unasked) and in an order that does not
/// depend on the width of the vectors, so that every tier gives the same bits.
pub(crate) trait Kernel {
    /// Runs it. Implementations are `#[inline(always)]`, and so is all they call: only then does
    /// the code take on the instructions of the tier.
    fn run(self);
}

impl Tier {
    /// Runs a kernel on the instructions of this tier.
    pub(crate) fn run(self, kernel: impl Kernel) {
        match self {
            Self::Portable => kernel.run(),
            Self::Avx2 => run_avx2(kernel),
            Self::Avx512 | Self::Avx512Bf16 => run_avx512(kernel),
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl"))]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}
