//! Buffers of f32 that begin on a cache line, and those that a thread keeps between calls.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use super::fresh;

/// Numbers in one cache line.
pub(crate) const LINE: usize = 16;

/// A buffer of f32 on a 64-byte boundary, so that no vector straddles two cache lines.
#[derive(Default)]
pub(crate) struct AlignedVec {
    /// A line longer than what is asked for. A plain vector of zeros gets its pages from the system
    /// when they are first touched, by whichever thread that is.
    numbers: Vec<f32>,
    start: usize,
    len: usize,
}

impl AlignedVec {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let numbers: Vec<f32> = fresh::zeros(len + LINE);
        let start = numbers.as_ptr().align_offset(64).min(LINE);
        Self { numbers, start, len }
    }

    /// The first `len` numbers, after growing to hold them; what they are is left open.
    pub(crate) fn first(&mut self, len: usize) -> &mut [f32] {
        if self.numbers.len() < len + LINE {
            // Not `resize`, which would copy what nobody wants to keep.
            *self = Self::zeros(len);
        }
        self.len = self.len.max(len);
        &mut self.as_mut_slice()[..len]
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        &self.numbers[self.start..][..self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.numbers[self.start..][..self.len]
    }
}

/// Runs `body` on `len` numbers, of unspecified value, that this thread keeps for the next call.
pub(crate) fn with_scratch<T>(len: usize, body: impl FnOnce(&mut [f32]) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<AlignedVec> = RefCell::default();
    }
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => body(scratch.first(len)),
        // A kernel inside a kernel, on the same thread: it pays for its own.
        Err(_) => body(AlignedVec::zeros(len).as_mut_slice()),
    })
}

/// A buffer of at least `len` numbers, of unspecified value, that several threads may fill; it is
/// one that came back by [`give_back`], if there is any.
pub(crate) fn take_kept(len: usize) -> AlignedVec {
    let mut buffer = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    buffer.first(len);
    buffer
}

/// Keeps a buffer for the next who needs one; of two, the larger.
pub(crate) fn give_back(buffer: AlignedVec) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.as_ref().is_none_or(|kept| kept.len < buffer.len) {
        *kept = Some(buffer);
    }
}

static KEPT: Mutex<Option<AlignedVec>> = Mutex::new(None);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_cache_line_and_hold_what_was_asked() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = AlignedVec::zeros(len);
            assert_eq!(buffer.as_slice(), vec![0.0; len]);
            assert_eq!(buffer.as_slice().as_ptr() as usize % 64, 0);
            buffer.as_mut_slice().fill(1.0);
            assert_eq!(buffer.first(len + 5).len(), len + 5);
        }
    }

    #[test]
    fn nested_scratch_is_another_buffer() {
        with_scratch(4, |outer| {
            outer.fill(1.0);
            with_scratch(4, |inner| inner.fill(2.0));
            assert_eq!(outer, [1.0; 4]);
        });
    }
}
