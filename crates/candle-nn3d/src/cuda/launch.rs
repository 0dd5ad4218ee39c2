//! One launch of a kernel: which, on what, and over how many threads.

use candle_core::Result;

use super::machine::{Machine, Number, Slice, Stored};
use super::source::Source;
use crate::error::Error;

/// Threads of a block where nothing else is asked for. The kernels' reductions count on it: it is
/// `THREADS` of `kernels/prelude.cuh`.
pub(crate) const THREADS: u32 = 256;
/// Blocks that a grid may have along its first axis, and along the second.
const MOST_BLOCKS: [usize; 2] = [i32::MAX as usize, u16::MAX as usize];

/// A value that a kernel is called with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Argument {
    /// An address or a size.
    U64(u64),
    U32(u32),
    F32(f32),
    F64(f64),
}

/// The threads of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) grid: [u32; 2],
    pub(crate) threads: u32,
}

/// A launch in the making. Its arguments come in the order of the kernel's parameters.
pub(crate) struct Launch<'a, M: Machine> {
    machine: &'a M,
    source: &'static Source,
    kernel: String,
    arguments: Vec<Argument>,
    guards: Vec<M::Guard<'a>>,
    problem: Option<Error>,
}

impl<'a, M: Machine> Launch<'a, M> {
    /// The kernel `NAME_DTYPE` of a source.
    pub(crate) fn of<T: Number>(machine: &'a M, source: &'static Source, name: &str) -> Self {
        Self::named(machine, source, format!("{name}_{}", T::SUFFIX))
    }

    /// A kernel whose name says no dtype.
    pub(crate) fn named(machine: &'a M, source: &'static Source, kernel: String) -> Self {
        let (arguments, guards) = (Vec::new(), Vec::new());
        Self { machine, source, kernel, arguments, guards, problem: None }
    }

    /// `const T *`: `slice`, which must have `len` numbers.
    pub(crate) fn read<T: Stored>(mut self, slice: Slice<'a, M, T>, len: usize) -> Self {
        self.check(slice.len(), len);
        let (address, guard) = slice.address(self.machine);
        self.arguments.push(Argument::U64(address));
        self.guards.push(guard);
        self
    }

    /// `const T *`, null where there is none.
    pub(crate) fn read_if<T: Stored>(self, slice: Option<Slice<'a, M, T>>, len: usize) -> Self {
        match slice {
            Some(slice) => self.read(slice, len),
            None => self.size(0),
        }
    }

    /// `T *`: an array that is written, or changed where it lies; it must have `len` numbers.
    pub(crate) fn write<T: Stored>(mut self, array: &'a mut M::Array<T>, len: usize) -> Self {
        self.check(M::len(array), len);
        let (address, guard) = self.machine.address_mut(array);
        self.arguments.push(Argument::U64(address));
        self.guards.push(guard);
        self
    }

    /// `u64`
    pub(crate) fn size(mut self, n: usize) -> Self {
        self.arguments.push(Argument::U64(n as u64));
        self
    }

    /// `i64`
    pub(crate) fn signed(mut self, n: i64) -> Self {
        self.arguments.push(Argument::U64(n.cast_unsigned()));
        self
    }

    /// `u32`
    pub(crate) fn word(mut self, n: u32) -> Self {
        self.arguments.push(Argument::U32(n));
        self
    }

    /// `Real<T>`: f32 for kernels of bf16.
    pub(crate) fn real<T: Number>(mut self, x: f64) -> Self {
        self.arguments.push(T::real(x));
        self
    }

    /// Runs it with a thread for each of `n`; nothing where `n` is 0.
    ///
    /// # Errors
    /// [`Error::Gpu`] where an array has another length than was said, the grid would be too large,
    /// or the machine refuses.
    pub(crate) fn over(self, n: usize) -> Result<()> {
        self.blocks(n.div_ceil(THREADS as usize), 1)
    }

    /// Runs it with `x · y` blocks of [`THREADS`] threads; nothing where there are none.
    ///
    /// # Errors
    /// As [`over`](Self::over).
    pub(crate) fn blocks(self, x: usize, y: usize) -> Result<()> {
        let Self { machine, source, kernel, arguments, guards, problem } = self;
        if let Some(problem) = problem {
            return Err(problem.into());
        }
        if x == 0 || y == 0 {
            return Ok(());
        }
        if x > MOST_BLOCKS[0] || y > MOST_BLOCKS[1] {
            let problem = format!("{x} × {y} blocks, at most {MOST_BLOCKS:?}");
            return Err(Error::gpu(&kernel, problem, "use smaller tensors").into());
        }
        let blocks = Blocks { grid: [x as u32, y as u32], threads: THREADS };
        machine.run(source, &kernel, blocks, &arguments)?;
        drop(guards);
        Ok(())
    }

    fn check(&mut self, found: usize, expected: usize) {
        // An array of nothing is one number long on a GPU, and no thread looks at it.
        if expected > 0 && found != expected && self.problem.is_none() {
            let (place, kernel) = (self.arguments.len(), &self.kernel);
            let problem = format!("argument {place} has {found} numbers, expected {expected}");
            self.problem = Some(Error::gpu(kernel, problem, "this is a defect of candle-nn3d"));
        }
    }
}
