//! Memory for results, from large pages where the system has them.
//!
//! A result of tens of megabytes is memory that the process has not touched before: with pages of
//! 4 KiB its first touch costs as much as an element-wise kernel, and a third of a convolution of 32
//! channels. With pages of 2 MiB it costs what zeroing them costs, which is still a quarter of a
//! training step: [`KeptMemory`](crate::KeptMemory) hands the same memory out again.
#![expect(unsafe_code, reason = "memory, and advice to the system about it")]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

use half::bf16;

/// Bytes of a result below which pages do not matter.
pub(super) const LARGE: usize = 4 << 20;

/// A number without padding or forbidden bits, whose zero is all zero bits.
///
/// # Safety
/// All bits must be valid values of the type.
pub(crate) unsafe trait Plain: Copy {
    const NAN: Self;
}
// SAFETY: IEEE numbers are valid whatever their bits.
unsafe impl Plain for f32 {
    const NAN: Self = Self::NAN;
}
// SAFETY: as above.
unsafe impl Plain for f64 {
    const NAN: Self = Self::NAN;
}
// SAFETY: a `repr(transparent)` u16.
unsafe impl Plain for bf16 {
    const NAN: Self = Self::NAN;
}

/// `len` zeros, which the system supplies page by page as they are touched.
///
/// Like `vec![0.0; len]`, which for bf16 would write them here and now on one thread.
pub(crate) fn zeros<T: Plain>(len: usize) -> Vec<T> {
    let Ok(layout) = Layout::array::<T>(len) else {
        panic!("capacity overflow: {len} numbers");
    };
    if layout.size() == 0 {
        return Vec::new();
    }
    // SAFETY: the layout is that of a `Vec` of `len`, and not empty; zeros are valid numbers.
    let mut values = unsafe {
        let start = alloc_zeroed(layout);
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Vec::from_raw_parts(start.cast::<T>(), len, len)
    };
    advise_large_pages(&mut values);
    values
}

/// `len` numbers that the caller overwrites, every one: what they are before is left open, and a
/// NaN where debug assertions are on.
pub(crate) fn unwritten<T: Plain>(len: usize) -> Vec<T> {
    let mut values = Vec::<T>::with_capacity(len);
    let mut start = values.as_mut_ptr();
    // SAFETY: no instruction, so nothing that could fault. To the compiler it may have written all
    // the memory that it can reach, which thereby holds some numbers or other: those that are there.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) start, options(nostack, preserves_flags)) };
    let _ = start;
    // SAFETY: the capacity is `len`, and all bits are valid numbers.
    unsafe { values.set_len(len) };
    if cfg!(debug_assertions) {
        values.fill(T::NAN);
    } else {
        advise_large_pages(&mut values);
    }
    values
}

fn advise_large_pages<T>(values: &mut [T]) {
    advise(values.as_mut_ptr() as usize, size_of_val(values));
}

/// Asks for large pages for `bytes` of memory, if they are many; they must be the caller's.
#[cfg(target_os = "linux")]
pub(super) fn advise(start: usize, bytes: usize) {
    const PAGE: usize = 2 << 20;
    let (first, end) = (start.next_multiple_of(PAGE), (start + bytes) / PAGE * PAGE);
    if bytes < LARGE || first >= end {
        return;
    }
    // SAFETY: whole pages within the caller's memory, of which the advice changes no number. A
    // refusal, as on systems without large pages, leaves the memory as it is.
    unsafe {
        libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn advise(_: usize, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_memory_is_zero_and_writable_below_and_above_the_size_of_large_pages() {
        for len in [0, 1, 1000, LARGE / 4, LARGE + 12_345] {
            let mut values = zeros::<f32>(len);
            assert_eq!(values.len(), len);
            assert!(values.iter().all(|&v| v == 0.0));
            values.fill(1.0);
            assert_eq!(values.iter().sum::<f32>(), len as f32);
            let values = unwritten::<bf16>(len);
            assert_eq!(values.len(), len);
            assert!(!cfg!(debug_assertions) || values.iter().all(|v| v.is_nan()));
        }
    }
}
