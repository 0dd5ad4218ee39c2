//! The elements of a key, one after another.

use crate::Key;
use crate::law::{Normal, Real, Uniform, Words, element};

/// The elements of a [`Key`] in turn.
///
/// A draw reads the element at `position` and moves on by one, whatever its type. The n-th normal
/// of a stream that draws nothing else is thus element n of [`Key::fill_normal`].
///
/// A key and a position are all its state: keep these two, and [`Key::stream_at`] goes on from
/// there with the same bits. Every draw computes its block afresh; many numbers come faster from
/// the `fill` methods.
///
/// # Examples
/// ```
/// use keyed_random::Key;
///
/// let mut stream = Key::new(42).with("augmentation").stream();
/// let (angle, flip) = (stream.normal_f64(), stream.bool(0.5));
/// let mut resumed = stream.key().stream_at(stream.position());
/// assert_eq!(stream.uniform_f32(), resumed.uniform_f32());
/// # let _ = (angle, flip);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    key: Key,
    position: u64,
}

impl Stream {
    pub(crate) fn new(key: Key, position: u64) -> Self {
        Self { key, position }
    }

    /// The key whose elements these are.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The index of the next element.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let position = self.advance(1);
        element::<Words, u64>(&self.key, position)
    }

    /// 32 random bits: the upper half of the next word.
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A multiple of 2⁻⁵³ in [0, 1).
    pub fn uniform_f64(&mut self) -> f64 {
        let position = self.advance(1);
        element::<Uniform, f64>(&self.key, position)
    }

    /// A multiple of 2⁻²⁴ in [0, 1).
    pub fn uniform_f32(&mut self) -> f32 {
        let position = self.advance(1);
        element::<Uniform, f32>(&self.key, position)
    }

    /// A standard normal number.
    pub fn normal_f64(&mut self) -> f64 {
        let position = self.advance(1);
        element::<Normal, f64>(&self.key, position)
    }

    /// A standard normal number: [`Stream::normal_f64`], rounded.
    pub fn normal_f32(&mut self) -> f32 {
        let position = self.advance(1);
        element::<Normal, f32>(&self.key, position)
    }

    /// True with probability `p`: never for 0 or NaN, always for 1.
    pub fn bool(&mut self, p: f64) -> bool {
        self.uniform_f64() < p
    }

    /// Fills `out` with what as many draws of a uniform number would give.
    pub fn fill_uniform<T: Real>(&mut self, out: &mut [T]) {
        let position = self.advance(out.len() as u64);
        self.key.fill_uniform_at(position, out);
    }

    /// Fills `out` with what as many draws of a normal number would give.
    pub fn fill_normal<T: Real>(&mut self, out: &mut [T]) {
        let position = self.advance(out.len() as u64);
        self.key.fill_normal_at(position, out);
    }

    /// Moves on by `count` elements, and says where they begin.
    fn advance(&mut self, count: u64) -> u64 {
        let position = self.position;
        self.position = position.wrapping_add(count);
        position
    }
}
