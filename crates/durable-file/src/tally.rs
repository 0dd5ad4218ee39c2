//! What has gone into the temporary file: how much, its digest, and whether all of it arrived.

use std::io::{self, Write};

use crate::digest::RunningDigest;
use crate::durable_file::Receipt;

/// A writer that counts, hashes if asked to, and never forgets a failed write.
#[derive(Debug)]
pub(crate) struct Tally<W> {
    inner: W,
    bytes: u64,
    digest: Option<RunningDigest>,
    failure: Option<io::ErrorKind>,
}

impl<W: Write> Tally<W> {
    pub(crate) fn new(inner: W, digest: Option<RunningDigest>) -> Self {
        Self { inner, bytes: 0, digest, failure: None }
    }

    /// Whether any write has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The writer and the account of what went in, unless a write failed, however long ago.
    ///
    /// Encoders that finish in `drop` swallow errors; without this a full disk would pass for
    /// success.
    pub(crate) fn finish(self) -> io::Result<(W, Receipt)> {
        match self.failure {
            Some(kind) => Err(io::Error::new(kind, format!("an earlier write failed: {kind}"))),
            None => {
                let sha256 = self.digest.map(RunningDigest::finish);
                Ok((self.inner, Receipt { bytes: self.bytes, sha256 }))
            }
        }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failure = Some(error.kind());
        }
        result
    }
}

impl<W: Write> Write for Tally<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match self.inner.write(bytes) {
            // `write_all` turns this into the same error, but not every caller uses it.
            Ok(0) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            result => result,
        };
        let count = self.note(result)?;
        self.bytes += count as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256_of_bytes;

    /// Takes three bytes at a time, up to a limit, and is interrupted at every other call.
    #[derive(Default)]
    struct Sluggish {
        taken: Vec<u8>,
        limit: usize,
        calls: usize,
    }

    impl Write for Sluggish {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = bytes.len().min(3).min(self.limit - self.taken.len());
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tally(limit: usize) -> Tally<Sluggish> {
        Tally::new(Sluggish { limit, ..Sluggish::default() }, Some(RunningDigest::default()))
    }

    #[test]
    fn what_is_taken_is_counted_and_hashed_once_and_interruptions_are_no_failures() {
        let text = b"in pieces of three";
        let mut tally = tally(text.len());
        tally.write_all(text).unwrap();
        let (writer, receipt) = tally.finish().unwrap();
        assert_eq!(writer.taken, text);
        assert_eq!((receipt.bytes, receipt.sha256), (18, Some(sha256_of_bytes(text))));
    }

    #[test]
    fn a_writer_that_takes_nothing_has_failed_for_good() {
        let mut tally = tally(4);
        tally.write_all(b"in pieces").unwrap_err();
        assert!(tally.has_failed());
        tally.write_all(b"").unwrap();
        assert_eq!(tally.finish().err().unwrap().kind(), io::ErrorKind::WriteZero);
    }
}
