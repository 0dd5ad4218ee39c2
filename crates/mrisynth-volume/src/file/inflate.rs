//! Gzip streams of any number of members, decompressed piece by piece.
//!
//! Inflating and checking are apart, so that they can run on two threads: an [`Inflater`] yields
//! [`Piece`]s, a [`Checksum`] follows them.

use std::io::BufRead;

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::FileFault;

/// Deflate spends at least two bits on 258 bytes, so nothing expands more than this.
pub(super) const MAX_EXPANSION: u64 = 1032;

/// What every member begins with: two bytes of magic and the only method there is, deflate. Two
/// alone could well be the first voxel of an `.img`.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Decompressed bytes, and what ends with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// How many bytes were written.
    pub(super) len: usize,
    /// What follows them.
    pub(super) then: Then,
}

/// What follows a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More of the same member.
    More,
    /// The end of a member, which says what its bytes come to.
    MemberEnd(Trailer),
    /// The end of the last member.
    End {
        /// Bytes of the file after it that are neither a member nor zeros.
        trailing: u64,
    },
}

/// The last eight bytes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    crc32: u32,
    /// The length modulo 2³².
    length: u32,
}

/// Decompresses members one after another, without checking their contents.
pub(super) struct Inflater<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    decompress: Decompress,
    in_member: bool,
    /// Bytes decompressed so far.
    n_inflated: u64,
    /// How many there may be.
    limit: u64,
}

impl<'a> Inflater<'a> {
    /// Decompresses `input`, which begins with [`MAGIC`], to at most `limit` bytes.
    pub(super) fn new(input: Box<dyn BufRead + Send + 'a>, limit: u64) -> Self {
        // The deflate stream is raw, since the checksum is computed elsewhere.
        let decompress = Decompress::new(false);
        Self { input, decompress, in_member: false, n_inflated: 0, limit }
    }

    /// Fills `out` as far as the current member reaches.
    pub(super) fn next(&mut self, out: &mut [u8]) -> Result<Piece, FileFault> {
        if !self.in_member {
            if let Some(trailing) = self.begin_member()? {
                return Ok(Piece { len: 0, then: Then::End { trailing } });
            }
            self.in_member = true;
        }
        let mut len = 0;
        loop {
            let compressed = fill(&mut *self.input)?;
            let (in_before, out_before) = (self.decompress.total_in(), self.decompress.total_out());
            let is_over = compressed.is_empty();
            let status = self
                .decompress
                .decompress(compressed, &mut out[len..], FlushDecompress::None)
                .map_err(|error| damaged(error.message().unwrap_or("not a deflate stream")))?;
            let n_in = (self.decompress.total_in() - in_before) as usize;
            let n_out = (self.decompress.total_out() - out_before) as usize;
            self.input.consume(n_in);
            len += n_out;
            self.count(n_out)?;
            if status == Status::StreamEnd {
                return Ok(Piece { len, then: Then::MemberEnd(self.end_member()?) });
            }
            if len == out.len() {
                return Ok(Piece { len, then: Then::More });
            }
            if n_in == 0 && n_out == 0 {
                return Err(if is_over { self.ends_early() } else { damaged("it stalls") });
            }
        }
    }

    fn count(&mut self, n_out: usize) -> Result<(), FileFault> {
        self.n_inflated += n_out as u64;
        if self.n_inflated <= self.limit {
            return Ok(());
        }
        Err(FileFault::TooLarge {
            field: "the gzip stream",
            found: self.n_inflated,
            limit: self.limit,
            why: "ReadOptions::max_decompressed_bytes",
        })
    }

    /// Reads the header of the next member. At the end of the file, the number of bytes that follow
    /// the last member, zeros as padding aside.
    fn begin_member(&mut self) -> Result<Option<u64>, FileFault> {
        let is_first = self.n_inflated == 0 && self.decompress.total_in() == 0;
        if !is_first {
            self.decompress.reset(false);
            self.skip_zeros()?;
        }
        for (position, expected) in MAGIC.into_iter().enumerate() {
            match self.peek()? {
                None if position == 0 => return Ok(Some(0)),
                Some(byte) if byte == expected => self.input.consume(1),
                _ => return Ok(Some(position as u64 + self.count_rest()?)),
            }
        }
        let flags = self.byte()?;
        self.skip(6)?; // time, level, operating system
        if flags & 4 != 0 {
            let extra = [self.byte()?, self.byte()?];
            self.skip(u16::from_le_bytes(extra).into())?;
        }
        for text in [8, 16] {
            while flags & text != 0 && self.byte()? != 0 {} // file name, comment
        }
        if flags & 2 != 0 {
            self.skip(2)?; // checksum of this header
        }
        Ok(None)
    }

    fn end_member(&mut self) -> Result<Trailer, FileFault> {
        self.in_member = false;
        let mut bytes = [0; 8];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        let [crc32, length] = [0, 4]
            .map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        Ok(Trailer { crc32, length })
    }

    fn skip_zeros(&mut self) -> Result<(), FileFault> {
        loop {
            let bytes = fill(&mut *self.input)?;
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            let all = zeros == bytes.len();
            self.input.consume(zeros);
            if zeros == 0 || !all {
                return Ok(());
            }
        }
    }

    fn count_rest(&mut self) -> Result<u64, FileFault> {
        let mut count = 0;
        loop {
            let n = fill(&mut *self.input)?.len();
            if n == 0 {
                return Ok(count);
            }
            self.input.consume(n);
            count += n as u64;
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, FileFault> {
        Ok(fill(&mut *self.input)?.first().copied())
    }

    fn byte(&mut self) -> Result<u8, FileFault> {
        let byte = self.peek()?.ok_or_else(|| self.ends_early())?;
        self.input.consume(1);
        Ok(byte)
    }

    fn skip(&mut self, n: usize) -> Result<(), FileFault> {
        for _ in 0..n {
            self.byte()?;
        }
        Ok(())
    }

    fn ends_early(&self) -> FileFault {
        damaged(&format!("the file ends within it, after {} decompressed bytes", self.n_inflated))
    }
}

impl std::fmt::Debug for Inflater<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("n_inflated", &self.n_inflated).finish_non_exhaustive()
    }
}

/// Follows the contents of each member and compares them with its trailer.
#[derive(Debug, Default)]
pub(super) struct Checksum {
    crc32: crc32fast::Hasher,
    length: u32,
}

impl Checksum {
    /// Takes the bytes of a piece; at the end of a member, says whether they are what was packed.
    pub(super) fn follow(&mut self, bytes: &[u8], then: Then) -> Result<(), FileFault> {
        self.crc32.update(bytes);
        self.length = self.length.wrapping_add(bytes.len() as u32);
        let Then::MemberEnd(trailer) = then else { return Ok(()) };
        let Self { crc32, length } = std::mem::take(self);
        let found = crc32.finalize();
        if found != trailer.crc32 {
            let expected = trailer.crc32;
            return Err(damaged(&format!("its checksum is {found:08x}, not {expected:08x}")));
        }
        if length != trailer.length {
            let expected = trailer.length;
            return Err(damaged(&format!("it holds {length} bytes modulo 2^32, not {expected}")));
        }
        Ok(())
    }
}

/// The next bytes of the input; none at its end.
fn fill(input: &mut (dyn BufRead + Send)) -> Result<&[u8], FileFault> {
    input.fill_buf().map_err(|source| FileFault::Io { doing: "read", source })
}

fn damaged(found: &str) -> FileFault {
    FileFault::Gzip { found: found.to_owned() }
}
