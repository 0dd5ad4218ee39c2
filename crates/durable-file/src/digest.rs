//! SHA-256 digests of bytes and files.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::error::{Error, Operation, Result};

/// A SHA-256 digest; its text form is 64 lower-case hexadecimal digits.
///
/// # Source
/// FIPS 180-4.
///
/// # Examples
/// ```
/// let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// let digest: durable_file::Sha256Digest = text.parse()?;
/// assert_eq!(digest, durable_file::sha256_of_bytes(b"abc"));
/// assert_eq!(digest.to_string(), text);
/// # Ok::<(), durable_file::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest as its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Sha256Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

impl FromStr for Sha256Digest {
    type Err = Error;

    /// Reads 64 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self> {
        digits(text).map(Self).ok_or_else(|| Error::Digest { found: text.to_owned() })
    }
}

fn digits(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A digest that grows with what is written.
#[derive(Debug, Default)]
pub(crate) struct RunningDigest(Sha256);

impl RunningDigest {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

/// The SHA-256 digest of some bytes.
pub fn sha256_of_bytes(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

/// The SHA-256 digest of a file's content, read in pieces.
///
/// # Errors
/// [`Error::Io`] with [`Operation::Read`] if the file cannot be opened or read.
pub fn sha256_of_file(path: impl AsRef<Path>) -> Result<Sha256Digest> {
    let path = path.as_ref();
    digest_of_file(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        operation: Operation::Read,
        source,
    })
}

fn digest_of_file(path: &Path) -> io::Result<Sha256Digest> {
    let mut file = File::open(path)?;
    let mut digest = RunningDigest::default();
    let mut piece = vec![0; 128 * 1024];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(digest.finish()),
            Ok(count) => digest.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-4 examples (NIST CSRC, "SHA256.pdf"), and the digest of no bytes.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const TWO_BLOCKS: &str = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(sha256_of_bytes(b"").to_string(), EMPTY);
        let text = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(sha256_of_bytes(text).to_string(), TWO_BLOCKS);
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pieces");
        let bytes: Vec<u8> = (0..300_001_u32).map(|i| i.wrapping_mul(i).to_be_bytes()[1]).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(sha256_of_file(&path).unwrap(), sha256_of_bytes(&bytes));
    }

    #[test]
    fn a_folder_or_a_missing_file_has_no_digest_and_the_error_names_it() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = sha256_of_file(&path).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{}: read: ", path.display())));
        }
    }

    #[test]
    fn text_and_digest_are_inverse_and_case_does_not_matter() {
        let digest: Sha256Digest = TWO_BLOCKS.to_uppercase().parse().unwrap();
        assert_eq!(digest.to_string(), TWO_BLOCKS);
        assert_eq!(Sha256Digest::from(*digest.as_bytes()), digest);
    }

    #[test]
    fn what_is_not_64_hexadecimal_digits_is_refused_and_quoted() {
        let with_sign = format!("+{}", &EMPTY[1..]);
        let with_wide_letter = format!("é{}", &EMPTY[2..]);
        for text in ["", &EMPTY[1..], &format!("{EMPTY}0"), &with_sign, &with_wide_letter] {
            let error = text.parse::<Sha256Digest>().unwrap_err();
            assert!(matches!(error, Error::Digest { found } if found == text));
        }
    }
}
