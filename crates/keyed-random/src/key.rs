//! The address of a family of random numbers.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::Stream;
use crate::philox::philox;

/// Names the derivation below; another derivation takes another name, and so other bits.
const SCHEME: &[u8] = b"keyed-random/1";

/// What a step of the path is: no label can be taken for an index, nor either for a seed.
#[derive(Clone, Copy)]
enum Step {
    Seed = 0,
    Label = 1,
    Index = 2,
}

/// What random numbers are for: a seed, then a path of labels and indices.
///
/// Order and boundaries count: `("ab", "c")`, `("a", "bc")` and `("c", "ab")` are three keys, and
/// the label `"1"` is not the index `1`. A key may both give numbers and have keys below it.
/// It prints and parses as 32 hexadecimal digits, so that a run can record it.
///
/// # Source
/// Ours. A key is the first 128 bits of SHA-256(`"keyed-random/1"` ‖ kind of step (1 byte: 0 seed,
/// 1 label, 2 index) ‖ parent key (16 bytes, zeros for a seed) ‖ length of the value (8 bytes) ‖
/// value), integers little-endian. As four little-endian words these are the two words of the
/// Philox key and the upper two of its counter.
///
/// # Examples
/// ```
/// use keyed_random::Key;
///
/// let key = Key::new(7).with("dropout").with_index(3);
/// assert_eq!(key.to_string(), "ee5c659eb75beedef42f936d6d91953e");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    philox_key: [u32; 2],
    counter_high: [u32; 2],
}

impl Key {
    /// The root of all keys of one seed.
    pub fn new(seed: u64) -> Self {
        Self::derive(Step::Seed, [0; 16], &seed.to_le_bytes())
    }

    /// The key below this one for a purpose or a subject.
    #[must_use]
    pub fn with(self, label: &str) -> Self {
        Self::derive(Step::Label, self.to_bytes(), label.as_bytes())
    }

    /// The key below this one for a step, an item or a layer.
    #[must_use]
    pub fn with_index(self, index: u64) -> Self {
        Self::derive(Step::Index, self.to_bytes(), &index.to_le_bytes())
    }

    /// The elements of this key in turn, from the first.
    pub fn stream(self) -> Stream {
        self.stream_at(0)
    }

    /// The elements of this key in turn, from `position`: a stream as it was saved.
    pub fn stream_at(self, position: u64) -> Stream {
        Stream::new(self, position)
    }

    /// 128 random bits: Philox4x32-10 of `position` (lower half of the counter) under this key.
    ///
    /// Everything else here is made of these. Words read the positions below 2⁶³, normals those
    /// from there on.
    pub fn block(&self, position: u64) -> [u32; 4] {
        self.lanes(position).map(|word| word as u32)
    }

    /// The key as Philox takes it: the two words of its key, then the upper two of its counter.
    ///
    /// For a device that makes the same numbers by itself.
    pub fn words(&self) -> [u32; 4] {
        let ([k0, k1], [c2, c3]) = (self.philox_key, self.counter_high);
        [k0, k1, c2, c3]
    }

    /// [`Key::block`] with each word in a 64-bit lane.
    #[inline(always)]
    pub(crate) fn lanes(&self, position: u64) -> [u64; 4] {
        let [c2, c3] = self.counter_high.map(u64::from);
        philox([position & 0xFFFF_FFFF, position >> 32, c2, c3], self.philox_key)
    }

    fn derive(step: Step, parent: [u8; 16], value: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(SCHEME)
            .chain_update([step as u8])
            .chain_update(parent)
            .chain_update((value.len() as u64).to_le_bytes())
            .chain_update(value)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self::from_bytes(bytes)
    }

    fn from_bytes(bytes: [u8; 16]) -> Self {
        let word =
            |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        Self { philox_key: [word(0), word(4)], counter_high: [word(8), word(12)] }
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (place, word) in bytes.chunks_exact_mut(4).zip(self.words()) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A text is not a key: 32 hexadecimal digits are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 hexadecimal digits, found {found:?}")]
#[non_exhaustive]
pub struct ParseKeyError {
    /// The text that was given.
    pub found: String,
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let refused = || ParseKeyError { found: text.to_owned() };
        // `from_str_radix` alone would also take a sign.
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| refused())?;
        Ok(Self::from_bytes(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Key, ParseKeyError};

    #[test]
    fn paths_that_differ_anywhere_are_different_keys() {
        let root = Key::new(1);
        let keys = [
            root,
            Key::new(2),
            root.with(""),
            root.with("").with(""),
            root.with("1"),
            root.with_index(1),
            root.with("ab").with("c"),
            root.with("a").with("bc"),
            root.with("c").with("ab"),
            root.with("abc"),
            root.with_index(1).with_index(2),
            root.with_index(2).with_index(1),
            // The eight bytes of an index, spelt as a label.
            root.with("\u{1}\0\0\0\0\0\0\0"),
        ];
        assert_eq!(HashSet::from(keys).len(), keys.len());
        let firsts: HashSet<_> = keys.iter().map(|key| key.block(0)).collect();
        assert_eq!(firsts.len(), keys.len());
    }

    #[test]
    fn keys_survive_printing_and_parsing() {
        for index in 0..1000 {
            let key = Key::new(3).with_index(index);
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        }
    }

    #[test]
    fn texts_that_are_no_keys_are_refused_and_quoted() {
        let digits = Key::new(0).to_string();
        let signed = format!("+{}", &digits[1..]);
        let accented = format!("é{}", &digits[2..]);
        for text in ["", "0", &digits[1..], &format!("{digits}0"), &signed, &accented] {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError { found: text.to_owned() }));
        }
        let message = "xyz".parse::<Key>().unwrap_err().to_string();
        assert_eq!(message, "a key is 32 hexadecimal digits, found \"xyz\"");
    }
}
