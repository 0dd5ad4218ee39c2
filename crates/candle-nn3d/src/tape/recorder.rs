//! Who remembers, on a thread, what its operations do.

use std::cell::RefCell;

use candle_core::Tensor;

use super::Tape;

thread_local! {
    static RECORDER: RefCell<Recorder> = const { RefCell::new(Recorder::Candle) };
}

/// Who remembers what operations on this thread do.
pub(super) enum Recorder {
    /// candle, in the tensors themselves.
    Candle,
    Ours(Tape),
    Nobody,
}

/// Runs a network whose parameters are variables for its output alone: nothing is remembered for a
/// backward pass, so that every activation is let go of as soon as the next ones are there.
///
/// Holds for the operations and layers of this crate on this thread, [`Recompute`](crate::Recompute)
/// included, which then runs its segments once. candle's own operations on variables are still
/// tracked, up to the next operation of ours. The numbers are those of the same call outside.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use candle_nn3d::{ops, without_gradients};
/// let (w, x) = (Var::new(&[[2.0_f32]], &Device::Cpu)?, Tensor::new(&[[3.0_f32]], &Device::Cpu)?);
/// let y = without_gradients(|| ops::linear(&x, &w, None))?;
/// assert_eq!((y.to_vec2::<f32>()?, y.track_op()), (vec![vec![6.0]], false));
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn without_gradients<T>(work: impl FnOnce() -> T) -> T {
    let _exchanged = Exchanged::new(Recorder::Nobody);
    work()
}

/// The recorder of this thread, exchanged for another until this is dropped.
pub(super) struct Exchanged(Recorder);

impl Exchanged {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(RECORDER.replace(recorder))
    }

    pub(super) fn take(self) -> Option<Tape> {
        match RECORDER.replace(Recorder::Candle) {
            Recorder::Ours(tape) => Some(tape),
            Recorder::Candle | Recorder::Nobody => None,
        }
    }
}

impl Drop for Exchanged {
    fn drop(&mut self) {
        RECORDER.set(std::mem::replace(&mut self.0, Recorder::Candle));
    }
}

/// Does something with the tape of this thread, if it records.
pub(super) fn with_tape(work: impl FnOnce(&mut Tape)) {
    RECORDER.with_borrow_mut(|recorder| {
        if let Recorder::Ours(tape) = recorder {
            work(tape);
        }
    });
}

/// Whether this thread records.
pub(crate) fn is_recording() -> bool {
    RECORDER.with_borrow(|recorder| matches!(recorder, Recorder::Ours(_)))
}

/// Whether nothing that this thread does is to be remembered.
pub(crate) fn is_forgetting() -> bool {
    RECORDER.with_borrow(|recorder| matches!(recorder, Recorder::Nobody))
}

/// Does something that candle alone remembers.
pub(crate) fn paused<T>(work: impl FnOnce() -> T) -> T {
    let _exchanged = Exchanged::new(Recorder::Candle);
    work()
}

/// The operand as candle is to see it.
pub(super) fn to_candle(x: &Tensor) -> Tensor {
    if is_forgetting() { x.detach() } else { x.clone() }
}
