//! Reading ahead in the background.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Batch, Shared};
use crate::error::{Error, Result};

/// Batches in the order of their steps, read by threads that end with it.
///
/// Reader r of n makes the steps r, r + n, r + 2n, … and hands them over through a channel of its
/// own; taking from the channels in turn is the order of the steps, whoever is faster.
pub struct BatchStream {
    step: u64,
    readers: Vec<Reader>,
    /// The reader whose turn it is.
    turn: usize,
    is_stopped: Arc<AtomicBool>,
}

struct Reader {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

impl BatchStream {
    /// How many batches each reader has ready at most.
    pub const READ_AHEAD: usize = 2;

    pub(super) fn new(shared: Arc<Shared>, first_step: u64, n_readers: usize) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let reader = |r: usize| {
            let (sender, batches) = sync_channel(Self::READ_AHEAD);
            let (shared, is_stopped) = (Arc::clone(&shared), Arc::clone(&is_stopped));
            let first = first_step.wrapping_add(r as u64);
            let read = move || read(&shared, first, n_readers as u64, &sender, &is_stopped);
            // Where the system has no thread to give, the channel is closed and `next` says so.
            let thread = thread::Builder::new().name(format!("batches {r}")).spawn(read).ok();
            Reader { batches: Some(batches), thread }
        };
        let readers = (0..n_readers).map(reader).collect();
        Self { step: first_step, readers, turn: 0, is_stopped }
    }
}

fn read(
    shared: &Shared,
    first: u64,
    stride: u64,
    batches: &SyncSender<Result<Batch>>,
    is_stopped: &AtomicBool,
) {
    let goes_on = || !is_stopped.load(Ordering::Relaxed);
    let mut step = first;
    while goes_on() {
        // The stream is gone when nobody takes the batch.
        if batches.send(shared.batch(step, &goes_on)).is_err() {
            return;
        }
        step = step.wrapping_add(stride);
    }
}

impl Iterator for BatchStream {
    type Item = Result<Batch>;

    /// The next batch, or why there is none; the steps after it still come. `None` once a reader has
    /// died, which is told first.
    fn next(&mut self) -> Option<Result<Batch>> {
        let turn = self.turn;
        let batches = self.readers.get(turn)?.batches.as_ref()?;
        let Ok(batch) = batches.recv() else {
            self.readers.iter_mut().for_each(|reader| reader.batches = None);
            return Some(Err(Error::Reader { reader: turn, step: self.step }));
        };
        self.turn = (turn + 1) % self.readers.len();
        self.step = self.step.wrapping_add(1);
        Some(batch)
    }
}

impl Drop for BatchStream {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Closing the channels wakes readers that wait to hand a batch over.
        self.readers.iter_mut().for_each(|reader| reader.batches = None);
        for reader in &mut self.readers {
            if let Some(thread) = reader.thread.take() {
                // One that died was told by `next`, or nobody waited for it.
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for BatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, readers) = (self.step, self.readers.len());
        f.debug_struct("BatchStream").field("step", &step).field("readers", &readers).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_died_is_told_once() {
        let (sender, batches) = sync_channel(1);
        drop(sender);
        let readers = vec![Reader { batches: Some(batches), thread: None }];
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut stream = BatchStream { step: 7, readers, turn: 0, is_stopped };
        let error = stream.next().map(|batch| batch.map(|batch| batch.step));
        assert!(matches!(error, Some(Err(Error::Reader { reader: 0, step: 7 }))));
        assert!(stream.next().is_none());
    }
}
