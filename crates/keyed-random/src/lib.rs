//! Random numbers addressed by a key: the same bits on every machine, thread, shard and order.
//!
//! A [`Key`] says what the numbers are for: a seed, then labels and indices. Element `i` of a key
//! is a pure function of the key and `i`, so a buffer can be filled whole, in shards, backwards or
//! from many threads. A [`Stream`] draws the elements in turn and is saved as two numbers.
//!
//! ```
//! use keyed_random::Key;
//!
//! let key = Key::new(42).with("training noise").with("sub-01").with_index(1200);
//! let mut whole = [0.0_f32; 1000];
//! key.fill_normal(&mut whole);
//! let mut shard = [0.0_f32; 10];
//! key.fill_normal_at(700, &mut shard); // the same bits, without the 700 before them
//! assert_eq!(shard, whole[700..710]);
//! ```
//!
//! # The mapping, fixed for good
//! - Blocks of 128 bits come from [Philox4x32-10](Key::block), under 64 bits of key and 64 bits of
//!   counter that SHA-256 makes of the path (see [`Key`]).
//! - Element `i` of the words is half `i % 2` of block `i / 2`. A uniform number is the leading 53
//!   (`f64`) or 24 (`f32`) bits of that word.
//! - Element `i` of the normals is half `i % 2` of the Box-Muller pair of block `2⁶³ + i / 2`, so
//!   normals share no block with words. The `f32` is the `f64`, rounded.
//! - Indices count modulo 2⁶⁴.
//!
//! The arithmetic is integers and IEEE +, −, ×, ÷, √ in a fixed order, never contracted to fused
//! multiply-adds. Vector widths, devices and other languages can therefore repeat every bit;
//! `tests/golden.py` does, in Python.
//!
//! # Why not `rand`
//! Its distributions and shuffles may change their bits between releases, and its normals read
//! `ln` and `exp` from the platform's libm. Hence no `rand_core` traits either: they would invite
//! those distributions in.

mod key;
mod philox;
mod stream;

mod choice;
mod fill;
mod law;
mod normal;

#[cfg(test)]
mod golden;

pub use fill::Tier;
pub use key::{Key, ParseKeyError};
pub use law::Real;
pub use stream::Stream;
