//! What holds across modules: files there and back, places kept along a chain of steps.

mod place_kept;
mod round_trip;
