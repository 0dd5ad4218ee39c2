//! An allocator that hands large blocks out again instead of giving them back to the system.
#![expect(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fresh::LARGE;

/// The allocator for programs that train or sample: blocks of 4 MiB and more are kept when they are
/// freed, for the next tensor of about their size. All else is the system's.
///
/// The system zeroes every page that it gives out, which for the activations of a network takes as
/// long as a kernel that writes them, again for every tensor. What is kept never makes a process
/// larger than the most that it has used at one time: before the system is asked for more than that,
/// kept blocks are given back.
///
/// # Examples
/// ```
/// #[global_allocator]
/// static MEMORY: candle_nn3d::KeptMemory = candle_nn3d::KeptMemory::new();
/// let x = vec![1.0_f32; 5 << 20];
/// assert_eq!(x[17] + x.len() as f32, 5_242_881.0);
/// ```
#[derive(Debug)]
pub struct KeptMemory(Mutex<Kept>);

/// Blocks kept at a time; a network has a few dozen tensors.
const SLOTS: usize = 128;

#[derive(Debug)]
struct Kept {
    /// Address and bytes, the longest kept first; the first `count` are used.
    blocks: [(usize, usize); SLOTS],
    count: usize,
    kept: usize,
    used: usize,
    most_used: usize,
}

impl Default for KeptMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl KeptMemory {
    /// An allocator that keeps nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        let blocks = [(0, 0); SLOTS];
        Self(Mutex::new(Kept { blocks, count: 0, kept: 0, used: 0, most_used: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of `size` bytes, or null; and whether it was kept, that is, may hold anything.
    fn take(&self, size: usize) -> (*mut u8, bool) {
        let mut kept = self.lock();
        kept.used += size;
        if let Some(address) = kept.find(size) {
            kept.most_used = kept.most_used.max(kept.used);
            return (ptr::with_exposed_provenance_mut(address), true);
        }
        // What is kept must not add to the most that is used.
        while kept.count > 0 && kept.used + kept.kept > kept.most_used {
            let (address, bytes) = kept.remove(0);
            // SAFETY: the block came from there with this size, and nobody has it.
            unsafe { pages::give_back(ptr::with_exposed_provenance_mut(address), bytes) };
        }
        kept.most_used = kept.most_used.max(kept.used);
        drop(kept);
        let start = pages::ask(size);
        if start.is_null() {
            self.lock().used -= size;
        } else {
            super::fresh::advise(start as usize, size);
        }
        (start, false)
    }
}

/// What every block is aligned to: less than a page, more than any tensor wants.
const ALIGN: usize = 64;

#[cfg(unix)]
mod pages {
    //! Blocks straight from the system's pages: `malloc` would put some between small blocks, whence
    //! they never go back.

    use std::ptr;

    /// Zeros, or null.
    pub(super) fn ask(size: usize) -> *mut u8 {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, of no file, wherever there is room.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
        if start == libc::MAP_FAILED { ptr::null_mut() } else { start.cast() }
    }

    /// # Safety
    /// The block came from [`ask`] with this size, and nobody uses it any more.
    pub(super) unsafe fn give_back(start: *mut u8, size: usize) {
        // SAFETY: a mapping of ours, whole.
        unsafe { libc::munmap(start.cast(), size) };
    }
}

#[cfg(not(unix))]
mod pages {
    //! Blocks from the standard library's allocator.

    use std::alloc::{GlobalAlloc, Layout, System};

    fn block(size: usize) -> Layout {
        // SAFETY: the alignment is a power of two; sizes are those of `class`, below half of all.
        unsafe { Layout::from_size_align_unchecked(size, super::ALIGN) }
    }

    /// Zeros, or null.
    pub(super) fn ask(size: usize) -> *mut u8 {
        // SAFETY: the size is not 0.
        unsafe { System.alloc_zeroed(block(size)) }
    }

    /// # Safety
    /// The block came from [`ask`] with this size, and nobody uses it any more.
    pub(super) unsafe fn give_back(start: *mut u8, size: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(start, block(size)) };
    }
}

/// Bytes of the block for a layout, at most an eighth more than it wants; `None` for the system's own.
fn class(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size < LARGE || layout.align() > ALIGN || size > isize::MAX as usize / 2 {
        return None;
    }
    let step = (size.next_power_of_two() / 16).max(1);
    Some(size.next_multiple_of(step))
}

impl Kept {
    fn find(&mut self, size: usize) -> Option<usize> {
        // The last freed is the likeliest to be in a cache.
        let at = self.blocks[..self.count].iter().rposition(|&(_, bytes)| bytes == size)?;
        Some(self.remove(at).0)
    }

    fn remove(&mut self, at: usize) -> (usize, usize) {
        let block = self.blocks[at];
        self.blocks.copy_within(at + 1..self.count, at);
        self.count -= 1;
        self.kept -= block.1;
        block
    }

    /// Whether there was room.
    fn keep(&mut self, address: usize, size: usize) -> bool {
        self.used -= size;
        if self.count == SLOTS {
            return false;
        }
        self.blocks[self.count] = (address, size);
        self.count += 1;
        self.kept += size;
        true
    }
}

// SAFETY: large blocks come from the system with the size of their class, which is no smaller than
// the layout's, and are in one list or with one owner; all others are the system's. A layout has the
// same class whenever it is asked.
unsafe impl GlobalAlloc for KeptMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(size) => self.take(size).0,
            // SAFETY: the caller's promise is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(size) = class(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc_zeroed(layout) };
        };
        let (start, kept) = self.take(size);
        if kept {
            // SAFETY: the block has at least the layout's size.
            unsafe { ptr::write_bytes(start, 0, layout.size()) };
        }
        start
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        let Some(size) = class(layout) else {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.dealloc(start, layout) };
        };
        if !self.lock().keep(start.expose_provenance(), size) {
            // SAFETY: the block came from there with this size, and its owner is done with it.
            unsafe { pages::give_back(start, size) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(n: usize) -> Layout {
        Layout::array::<f32>(n).unwrap()
    }

    #[test]
    fn a_block_is_handed_out_again_zeroed_only_where_asked() {
        let memory = KeptMemory::new();
        let (layout, similar) = (floats(3 << 20), floats((3 << 20) - 7));
        // SAFETY: every block is freed with its layout, and written within it.
        unsafe {
            let first = memory.alloc(layout);
            first.write_bytes(7, layout.size());
            memory.dealloc(first, layout);
            let again = memory.alloc(similar);
            assert_eq!((again, *again.add(5)), (first, 7));
            memory.dealloc(again, similar);
            let zeroed = memory.alloc_zeroed(layout);
            assert_eq!(zeroed, first);
            assert!((0..layout.size()).all(|i| *zeroed.add(i) == 0));
            memory.dealloc(zeroed, layout);
        }
        assert_eq!(memory.lock().used, 0);
    }

    #[test]
    fn what_is_kept_never_adds_to_the_most_that_was_used() {
        let memory = KeptMemory::new();
        let sizes = [2 << 20, 3 << 20, 5 << 20, 9 << 20, 4 << 20, 1 << 22, 7 << 20];
        let mut most = 0;
        for round in 0..4 {
            let mut live: Vec<(*mut u8, Layout)> = Vec::new();
            for (i, &n) in sizes.iter().cycle().skip(round).take(11).enumerate() {
                let layout = floats(n);
                // SAFETY: the layout is not empty; blocks are freed once, with their layouts.
                live.push((unsafe { memory.alloc(layout) }, layout));
                most = most.max(memory.lock().used);
                if i % 3 == 2 {
                    let (start, layout) = live.remove(0);
                    // SAFETY: as above.
                    unsafe { memory.dealloc(start, layout) };
                }
                let kept = memory.lock();
                assert!(kept.used + kept.kept <= most);
                assert_eq!(kept.most_used, most);
            }
            for (start, layout) in live {
                // SAFETY: as above.
                unsafe { memory.dealloc(start, layout) };
            }
        }
        assert_eq!(memory.lock().used, 0);
    }

    #[test]
    fn classes_waste_little_and_small_blocks_are_the_systems() {
        for n in [1 << 20, (1 << 20) + 1, 6_500_000, 50_331_648, 123_456_789] {
            let (layout, size) = (floats(n), class(floats(n)).unwrap());
            assert!(size >= layout.size() && size <= layout.size() / 8 * 9, "{n}");
        }
        assert_eq!(class(floats(1000)), None);
        assert_eq!(class(Layout::from_size_align(8 << 20, 4096).unwrap()), None);
    }
}
