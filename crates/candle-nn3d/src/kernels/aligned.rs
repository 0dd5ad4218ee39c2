//! Buffers of f32 that begin on a cache line, and those that a thread keeps between calls.
#![expect(unsafe_code, reason = "a vector of cache lines is read as a slice of its numbers")]

use std::cell::RefCell;

/// Numbers in one cache line.
pub(crate) const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A buffer of f32 on a 64-byte boundary, so that no vector straddles two cache lines.
#[derive(Clone, Default)]
pub(crate) struct AlignedVec {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedVec {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)], len }
    }

    /// The first `len` numbers, after growing to hold them; what they are is left open.
    pub(crate) fn first(&mut self, len: usize) -> &mut [f32] {
        if self.lines.len() * LINE < len {
            // Not `resize`, which would copy what nobody wants to keep.
            *self = Self::zeros(len);
        }
        self.len = self.len.max(len);
        &mut self.as_mut_slice()[..len]
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` of 16 f32 without padding, so `lines` holds
        // `16 * lines.len() >= len` consecutive, initialised f32; the borrow is that of `self`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
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
