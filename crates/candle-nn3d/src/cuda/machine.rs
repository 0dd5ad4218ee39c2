//! Where kernels run, and what they read and write there.

use candle_core::Result;
use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::DeviceRepr;
use half::bf16;

use super::launch::{Argument, Blocks};
use super::source::Source;
use crate::kernels::real::Element;

/// Something that runs kernels: a GPU, or in tests the host in its place.
pub(crate) trait Machine: Sized {
    /// Numbers in the machine's memory.
    type Array<T: Stored>;
    /// What must be kept until a launch that reads or writes an array is under way.
    type Guard<'a>
    where
        Self: 'a;

    /// `n` numbers that a kernel overwrites, every one.
    fn unwritten<T: Stored>(&self, n: usize) -> Result<Self::Array<T>>;

    /// A copy of numbers on the host: small tables that kernels read.
    fn holding<T: Stored>(&self, numbers: &[T]) -> Result<Self::Array<T>>;

    fn len<T: Stored>(array: &Self::Array<T>) -> usize;

    /// Where an array begins, to be read.
    fn address<'a, T: Stored>(&'a self, array: &'a Self::Array<T>) -> (u64, Self::Guard<'a>);

    /// Where an array begins, to be written.
    fn address_mut<'a, T: Stored>(
        &'a self,
        array: &'a mut Self::Array<T>,
    ) -> (u64, Self::Guard<'a>);

    /// Runs a kernel: [`Launch`](super::launch::Launch) is the way to call this.
    fn run(
        &self,
        source: &'static Source,
        kernel: &str,
        blocks: Blocks,
        arguments: &[Argument],
    ) -> Result<()>;
}

/// What arrays hold.
pub(crate) trait Stored: Copy + Send + Sync + DeviceRepr + CudaDType + 'static {}

impl Stored for f32 {}
impl Stored for f64 {}
impl Stored for bf16 {}
impl Stored for u8 {}
impl Stored for u32 {}
impl Stored for i64 {}

/// The dtypes that kernels come in.
pub(crate) trait Number: Element + Stored {
    /// How the names of this dtype's kernels end.
    const SUFFIX: &'static str;
    /// A number in what kernels of this dtype compute in: f32 for bf16.
    fn real(x: f64) -> Argument;
}

impl Number for f32 {
    const SUFFIX: &'static str = "f32";

    fn real(x: f64) -> Argument {
        Argument::F32(x as Self)
    }
}

impl Number for f64 {
    const SUFFIX: &'static str = "f64";

    fn real(x: f64) -> Argument {
        Argument::F64(x)
    }
}

impl Number for bf16 {
    const SUFFIX: &'static str = "bf16";

    fn real(x: f64) -> Argument {
        Argument::F32(x as f32)
    }
}

/// A part of an array that a kernel reads.
pub(crate) struct Slice<'a, M: Machine, T: Stored> {
    array: &'a M::Array<T>,
    start: usize,
    len: usize,
}

impl<M: Machine, T: Stored> Clone for Slice<'_, M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Machine, T: Stored> Copy for Slice<'_, M, T> {}

impl<'a, M: Machine, T: Stored> Slice<'a, M, T> {
    /// The whole array.
    pub(crate) fn whole(array: &'a M::Array<T>) -> Self {
        Self { array, start: 0, len: M::len(array) }
    }

    /// `range` of the array, or none where that leaves it.
    pub(crate) fn part(array: &'a M::Array<T>, range: std::ops::Range<usize>) -> Option<Self> {
        let fits = range.start <= range.end && range.end <= M::len(array);
        fits.then(|| Self { array, start: range.start, len: range.len() })
    }

    /// What it is a part of, and which.
    #[cfg(test)]
    pub(super) fn parts(&self) -> (&'a M::Array<T>, std::ops::Range<usize>) {
        (self.array, self.start..self.start + self.len)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where it begins.
    pub(super) fn address(&self, machine: &'a M) -> (u64, M::Guard<'a>) {
        let (start, guard) = machine.address(self.array);
        (start + (self.start * size_of::<T>()) as u64, guard)
    }
}
