//! Memory for results, from large pages where the system has them.
//!
//! A result of tens of megabytes is memory that the process has not touched before: with pages of
//! 4 KiB its first touch costs as much as an element-wise kernel, and a third of a convolution of 32
//! channels. With pages of 2 MiB it costs what zeroing them costs.
#![expect(unsafe_code, reason = "zeroed memory, and advice to the system about it")]

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

use half::bf16;

/// Bytes of a result below which pages do not matter.
const LARGE: usize = 4 << 20;

/// A number whose zero is all zero bits.
///
/// # Safety
/// Memory of zero bits must be a valid value of the type.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: IEEE numbers are valid whatever their bits.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for f64 {}
// SAFETY: a `repr(transparent)` u16.
unsafe impl Plain for bf16 {}

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

#[cfg(target_os = "linux")]
fn advise_large_pages<T>(values: &mut [T]) {
    const PAGE: usize = 2 << 20;
    let bytes = size_of_val(values);
    if bytes < LARGE {
        return;
    }
    let start = values.as_mut_ptr() as usize;
    let (first, end) = (start.next_multiple_of(PAGE), (start + bytes) / PAGE * PAGE);
    if first >= end {
        return;
    }
    // SAFETY: the range lies within memory that `values` owns, and the advice changes no number in
    // it. A refusal, as on systems without large pages, leaves the memory as it is.
    unsafe {
        libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_large_pages<T>(_: &mut [T]) {}

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
        }
    }
}
