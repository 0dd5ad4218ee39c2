//! Ways to spoil a file. The fuzz workspace includes this file too.

/// One change of some bytes, decided by three numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutation {
    /// What is done.
    pub(crate) kind: u8,
    /// Where.
    pub(crate) at: u32,
    /// With what.
    pub(crate) value: u64,
}

/// Numbers at the edges of their types, in both byte orders by way of [`Mutation::apply`].
const EXTREMES: [u64; 16] = [
    0,
    1,
    u64::MAX,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    1 << 63,
    0x7fc0_0000,           // f32 NaN
    0x7f80_0000,           // f32 infinity
    0x7f7f_ffff,           // largest f32
    0x7ff8_0000_0000_0000, // f64 NaN
    0x7ff0_0000_0000_0000, // f64 infinity
];

/// No header is longer.
const HEADER: usize = 544;

impl Mutation {
    /// Changes `bytes`.
    pub(crate) fn apply(self, bytes: &mut Vec<u8>) {
        let (len, value) = (bytes.len(), self.value);
        if len == 0 {
            bytes.push(value as u8);
            return;
        }
        let anywhere = self.at as usize % len;
        // Most damage that matters is done to the header.
        let in_header = self.at as usize % len.min(HEADER);
        match self.kind % 8 {
            0 => bytes[anywhere] ^= value as u8,
            1 | 2 => bytes[in_header] = value as u8,
            3 | 4 => {
                let size = [1, 2, 4, 8][(value >> 8) as usize % 4];
                let mut number = EXTREMES[value as usize % EXTREMES.len()].to_le_bytes();
                if value >> 16 & 1 == 1 {
                    number[..size].reverse();
                }
                // Fields stand at multiples of their size, except in MGH, where at even bytes.
                let start =
                    if value >> 17 & 1 == 1 { in_header & !1 } else { in_header / size * size };
                for (byte, new) in bytes[start..].iter_mut().zip(&number[..size]) {
                    *byte = *new;
                }
            }
            5 => bytes.truncate(anywhere),
            6 => bytes.insert(anywhere, value as u8),
            _ => {
                let end = len.min(anywhere + value as usize % 64);
                bytes.drain(anywhere..end);
            }
        }
    }
}
