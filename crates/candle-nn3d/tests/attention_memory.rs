//! What attention allocates, counted.
#![expect(unsafe_code, reason = "an allocator that counts hands every call on to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use candle_core::{Device, Tensor, Var};
use candle_nn3d::ops::attention;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes held while `f` runs, beyond those held before.
fn peak_of<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = f();
    (PEAK.load(Relaxed) - before, result)
}

#[test]
fn memory_grows_with_the_tokens_and_not_with_their_square() {
    let (tokens, channels) = (8192, 16);
    let x: Vec<f32> = (0..tokens * channels).map(|i| (i % 37) as f32 / 37.0).collect();
    let x = Tensor::from_vec(x, (1, tokens, channels), &Device::Cpu).unwrap();
    let [q, k, v] = [(); 3].map(|()| Var::from_tensor(&x).unwrap());
    // Buffers of threads are made once, and counted with neither.
    rayon::broadcast(|_| ());
    let (forward, out) = peak_of(|| attention(&q, &k, &v, 1, None).unwrap());
    let loss = out.sum_all().unwrap();
    let (backward, gradients) = peak_of(|| loss.backward().unwrap());
    assert!(gradients.get(q.as_tensor()).is_some());
    // One tensor is half a megabyte, packed along it is one; the matrix of scores would be 256.
    let tensor = tokens * channels * 4;
    assert!(forward > tensor && forward < 6 * tensor, "{forward}");
    assert!(backward > 3 * tensor && backward < 20 * tensor, "{backward}");
}
