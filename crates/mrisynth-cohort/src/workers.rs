//! A few threads over many files, each of which is large.
//!
//! Not rayon's own: while one of its tasks waits for the parallel loop inside an image, the thread
//! may begin another file, so that memory would grow with the number of files and not of threads.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The results of `work(0) … work(n − 1)` in that order, or how many were done when `goes_on` ended it.
///
/// At most one item per core is in memory at a time. `goes_on` is told after each item how many are
/// done.
pub(crate) fn map_indices<T: Send>(
    n: usize,
    work: impl Fn(usize) -> T + Sync,
    goes_on: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Vec<T>, usize> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::with_capacity(n));
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= n {
                return;
            }
            let result = work(index);
            // A poisoned lock only says that another thread panicked, which the scope passes on.
            results.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, result));
            if !goes_on(1 + done.fetch_add(1, Ordering::Relaxed)) {
                next.store(n, Ordering::Relaxed);
            }
        }
    };
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get).min(n);
    thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(run);
        }
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_by_key(|(index, _)| *index);
    let done = results.len();
    if done == n { Ok(results.into_iter().map(|(_, result)| result).collect()) } else { Err(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_may_end_early() {
        let squares = map_indices(100, |i| i * i, &|_| true).unwrap();
        assert!(squares.iter().enumerate().all(|(i, &square)| square == i * i));
        assert_eq!(map_indices(0, |i| i, &|_| true), Ok(vec![]));
        assert!(
            map_indices(1000, |i| i, &|done| done < 3).is_err_and(|done| (3..1000).contains(&done))
        );
    }
}
