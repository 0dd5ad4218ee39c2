//! The order of the bytes of a number in a file.

/// Which end of a number a format stores first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Least significant byte first: NIfTI as written here, and as most others write it.
    Little,
    /// Most significant byte first: MGH, and NIfTI of old workstations.
    Big,
}
