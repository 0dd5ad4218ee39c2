//! Opening files, and the decompressed bytes in them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use super::image_header::LONGEST_HEADER;
use super::inflate::{Checksum, Inflater, MAGIC, MAX_EXPANSION, Piece, Then};
use super::read::ReadOptions;
use crate::error::{Error, FileFault};

/// How much is read from a file, or decompressed, at a time: it stays in the cache of a core.
const CHUNK: usize = 256 << 10;

/// Decompressing and decoding run on two threads from this number of decompressed bytes on; below,
/// a thread costs more than it saves.
const TWO_THREADS_FROM: u64 = 1 << 20;

/// How many chunks may be decompressed and not yet decoded.
const CHUNKS_AHEAD: usize = 4;

/// The bytes of one file, decompressed if it is compressed.
#[derive(Debug)]
pub(super) struct Source<'a> {
    bytes: Bytes<'a>,
    /// The first decompressed bytes: the whole file when it is shorter than the longest header.
    head: Vec<u8>,
    /// The size of the file.
    file_bytes: u64,
    max_decompressed_bytes: u64,
}

enum Bytes<'a> {
    Plain(Box<dyn BufRead + Send + 'a>),
    /// `ended` holds what follows the stream once its end has been seen.
    Gzip {
        inflater: Box<Inflater<'a>>,
        checksum: Checksum,
        ended: Option<u64>,
    },
}

/// A stretch of bytes of a (decompressed) file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// What takes the bytes of a span, piece by piece.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), FileFault> + 'a;

impl Source<'static> {
    /// Opens a file and reads its first bytes.
    pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Self, Error> {
        let io = |source| Error::io(path, "read", source);
        // Asked before opening, since opening a pipe waits for its writer.
        check_regular(&fs::metadata(path).map_err(io)?).map_err(|f| Error::file(path, f))?;
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        check_regular(&metadata).map_err(|f| Error::file(path, f))?;
        let input = Box::new(BufReader::with_capacity(CHUNK, file));
        Self::new(input, metadata.len(), options).map_err(|f| Error::file(path, f))
    }
}

fn check_regular(metadata: &fs::Metadata) -> Result<(), FileFault> {
    if metadata.is_dir() {
        return Err(FileFault::IsFolder);
    }
    if metadata.is_file() { Ok(()) } else { Err(FileFault::NotRegular) }
}

impl<'a> Source<'a> {
    /// Takes the bytes of a file from memory.
    pub(super) fn from_bytes(bytes: &'a [u8], options: &ReadOptions) -> Result<Self, FileFault> {
        Self::new(Box::new(bytes), bytes.len() as u64, options)
    }

    fn new(
        mut input: Box<dyn BufRead + Send + 'a>,
        file_bytes: u64,
        options: &ReadOptions,
    ) -> Result<Self, FileFault> {
        let start = input.fill_buf().map_err(|source| FileFault::Io { doing: "read", source })?;
        if start.is_empty() {
            return Err(FileFault::Empty);
        }
        let max_decompressed_bytes = options.max_decompressed_bytes;
        let bytes = if start.starts_with(&MAGIC) {
            let inflater = Box::new(Inflater::new(input, max_decompressed_bytes));
            Bytes::Gzip { inflater, checksum: Checksum::default(), ended: None }
        } else {
            Bytes::Plain(input)
        };
        let mut source = Self { bytes, head: Vec::new(), file_bytes, max_decompressed_bytes };
        source.read_head()?;
        Ok(source)
    }

    /// The first bytes: enough for any header, fewer only when the file has no more.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    fn read_head(&mut self) -> Result<(), FileFault> {
        let mut head = [0; LONGEST_HEADER];
        let mut len = 0;
        while len < head.len() {
            let n = match &mut self.bytes {
                Bytes::Plain(input) => {
                    let n = input
                        .read(&mut head[len..])
                        .map_err(|source| FileFault::Io { doing: "read", source })?;
                    if n == 0 {
                        break;
                    }
                    n
                }
                Bytes::Gzip { inflater, checksum, ended } => {
                    let piece = inflater.next(&mut head[len..])?;
                    checksum.follow(&head[len..][..piece.len], piece.then)?;
                    if let Then::End { trailing } = piece.then {
                        *ended = Some(trailing);
                        break;
                    }
                    piece.len
                }
            };
            len += n;
        }
        self.head = head[..len].to_vec();
        Ok(())
    }

    /// Refuses a span that the file cannot hold, before anybody makes room for it.
    pub(super) fn check_holds(&self, span: Span) -> Result<(), FileFault> {
        let end = span.offset.saturating_add(span.length);
        let limit = match self.bytes {
            Bytes::Plain(_) if end <= self.file_bytes => return Ok(()),
            Bytes::Plain(_) => return Err(truncated(end, self.file_bytes)),
            Bytes::Gzip { .. } => self.file_bytes.saturating_mul(MAX_EXPANSION),
        };
        let limits = [
            (limit, "1032 times the size of the compressed file: deflate expands no further"),
            (self.max_decompressed_bytes, "ReadOptions::max_decompressed_bytes"),
        ];
        match limits.into_iter().find(|(limit, _)| end > *limit) {
            Some((limit, why)) => {
                Err(FileFault::TooLarge { field: "the image", found: end, limit, why })
            }
            None => Ok(()),
        }
    }

    /// Hands the bytes of `span` to `sink` and returns how many follow it in the file.
    pub(super) fn deliver(self, span: Span, sink: &mut Sink<'_>) -> Result<u64, FileFault> {
        let end = span.offset.saturating_add(span.length);
        let mut window = Window { skip: span.offset, need: span.length, trailing: 0, sink };
        window.accept(&self.head)?;
        let trailing = match self.bytes {
            Bytes::Plain(input) => {
                deliver_plain(input, &mut window)?;
                self.file_bytes.saturating_sub(end)
            }
            Bytes::Gzip { ended: Some(after), .. } => window.trailing + after,
            Bytes::Gzip { inflater, checksum, ended: None } => {
                let after = deliver_gzip(inflater, checksum, &mut window)?;
                window.trailing + after
            }
        };
        match window.skip + window.need {
            0 => Ok(trailing),
            missing => Err(truncated(end, end - missing)),
        }
    }
}

/// Passes on the bytes of a span out of all bytes of a file.
struct Window<'a, 'b> {
    /// Bytes before the span that are still to come.
    skip: u64,
    /// Bytes of the span that are still to come.
    need: u64,
    /// Bytes after the span.
    trailing: u64,
    sink: &'a mut Sink<'b>,
}

impl Window<'_, '_> {
    /// Takes the next bytes of the file.
    fn accept(&mut self, bytes: &[u8]) -> Result<(), FileFault> {
        let (skipped, bytes) = bytes.split_at(at_most(self.skip, bytes.len()));
        self.skip -= skipped.len() as u64;
        let (needed, rest) = bytes.split_at(at_most(self.need, bytes.len()));
        self.need -= needed.len() as u64;
        self.trailing += rest.len() as u64;
        if needed.is_empty() { Ok(()) } else { (self.sink)(needed) }
    }
}

fn at_most(n: u64, len: usize) -> usize {
    usize::try_from(n).map_or(len, |n| n.min(len))
}

fn deliver_plain(
    mut input: Box<dyn BufRead + Send + '_>,
    window: &mut Window<'_, '_>,
) -> Result<(), FileFault> {
    while window.skip + window.need > 0 {
        let bytes = input.fill_buf().map_err(|source| FileFault::Io { doing: "read", source })?;
        let len = bytes.len();
        if len == 0 {
            break; // shorter than it was when it was opened
        }
        window.accept(bytes)?;
        input.consume(len);
    }
    Ok(())
}

/// Decompresses to the end, so that the checksum of the last member is seen too, and returns the
/// number of bytes that follow the last member.
fn deliver_gzip(
    mut inflater: Box<Inflater<'_>>,
    mut checksum: Checksum,
    window: &mut Window<'_, '_>,
) -> Result<u64, FileFault> {
    if window.need >= TWO_THREADS_FROM
        && let Some(after) = deliver_across_threads(&mut inflater, &mut checksum, window)?
    {
        return Ok(after);
    }
    // The window decides the length of the last piece but not of the last but one.
    let mut chunk = vec![0; CHUNK.min(at_most(window.need, CHUNK) + LONGEST_HEADER)];
    loop {
        let piece = inflater.next(&mut chunk)?;
        let bytes = &chunk[..piece.len];
        checksum.follow(bytes, piece.then)?;
        window.accept(bytes)?;
        if let Then::End { trailing } = piece.then {
            return Ok(trailing);
        }
    }
}

/// Decompresses on a thread of its own, while this one checks and decodes. `None` when the system
/// has no thread to give; then nothing has been done.
fn deliver_across_threads(
    inflater: &mut Inflater<'_>,
    checksum: &mut Checksum,
    window: &mut Window<'_, '_>,
) -> Result<Option<u64>, FileFault> {
    let (full, to_decode) = mpsc::sync_channel::<Result<(Vec<u8>, Piece), FileFault>>(CHUNKS_AHEAD);
    let (empty, to_fill) = mpsc::channel::<Vec<u8>>();
    // Moved, so that an early return below hangs up on the other thread before waiting for it.
    thread::scope(move |scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, move || {
            // Ends when the other side has hung up, which it does after an error of its own.
            for mut chunk in to_fill {
                let piece = inflater.next(&mut chunk);
                let is_last =
                    !matches!(piece, Ok(Piece { then: Then::More | Then::MemberEnd(_), .. }));
                if full.send(piece.map(|piece| (chunk, piece))).is_err() || is_last {
                    return;
                }
            }
        });
        if spawned.is_err() {
            return Ok(None);
        }
        for _ in 0..CHUNKS_AHEAD {
            // Fails only when the other side is done, and then the loop below ends.
            let _ = empty.send(vec![0; CHUNK]);
        }
        for message in to_decode {
            let (chunk, piece) = message?;
            let bytes = &chunk[..piece.len];
            checksum.follow(bytes, piece.then)?;
            window.accept(bytes)?;
            if let Then::End { trailing } = piece.then {
                return Ok(Some(trailing));
            }
            let _ = empty.send(chunk);
        }
        // Only a panic of the other thread leads here, and the scope passes it on.
        Ok(None)
    })
}

fn truncated(expected: u64, found: u64) -> FileFault {
    FileFault::Truncated { field: "voxels", expected, found }
}

impl std::fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain"),
            Self::Gzip { inflater, .. } => inflater.fmt(f),
        }
    }
}
