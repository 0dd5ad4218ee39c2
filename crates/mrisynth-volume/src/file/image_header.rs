//! What the header of any format comes to, and which format a header is of.

use super::byte_order::ByteOrder;
use super::inflate::MAGIC;
use super::{mgh, nifti_header};
use crate::datatype::Datatype;
use crate::error::FileFault;
use crate::geometry::Geometry;
use crate::image::{HeaderNotes, Scaling, Warning};

/// Enough bytes for the header of any format: NIfTI-2 has the longest.
pub(super) const LONGEST_HEADER: usize = 540;

/// All that is needed to read the voxels of an image and to make sense of them.
#[derive(Clone, Debug)]
pub(super) struct ImageHeader {
    pub(super) geometry: Geometry,
    pub(super) n_frames: usize,
    /// What the format calls the number of frames.
    pub(super) frames_field: &'static str,
    pub(super) datatype: Datatype,
    pub(super) order: ByteOrder,
    pub(super) scaling: Scaling,
    pub(super) notes: HeaderNotes,
    pub(super) warnings: Vec<Warning>,
    /// Where the voxels begin in their file.
    pub(super) voxel_offset: u64,
    /// How many bytes they have.
    pub(super) voxel_bytes: u64,
    /// Which file that is.
    pub(super) voxels_in: VoxelsIn,
    /// True when the format lets other things follow the voxels.
    pub(super) has_footer: bool,
}

/// Which file holds the voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VoxelsIn {
    /// The file of the header.
    SameFile,
    /// The second file of a pair, `.img`.
    OtherFile,
}

impl ImageHeader {
    /// Parses the header of whatever format `head` is the beginning of. `head` is the whole file or
    /// its first [`LONGEST_HEADER`] bytes.
    pub(super) fn parse(head: &[u8]) -> Result<Self, FileFault> {
        if let Some(version) = nifti_header::Version::sniff(head) {
            return nifti_header::parse(head, version);
        }
        if mgh::sniff(head) {
            return mgh::parse(head);
        }
        Err(not_an_image(head))
    }
}

/// The number of bytes of all voxels, or an error when it does not fit 63 bits.
pub(super) fn count_voxel_bytes(
    field: &'static str,
    shape: [u64; 4],
    datatype: Datatype,
) -> Result<u64, FileFault> {
    shape
        .iter()
        .try_fold(datatype.size() as u64, |bytes, &n| bytes.checked_mul(n))
        .filter(|&bytes| bytes <= i64::MAX as u64)
        .ok_or_else(|| FileFault::Field {
            field,
            found: format!("{shape:?} of {} bytes each", datatype.size()),
            expected: "fewer than 2^63 bytes in all".into(),
        })
}

/// Says what a file is that is none of ours.
fn not_an_image(head: &[u8]) -> FileFault {
    let begins = |signature: &[u8]| head.starts_with(signature);
    let sizes = [348_i32.to_le_bytes(), 348_i32.to_be_bytes()];
    let found = if head.get(128..132) == Some(b"DICM") {
        "a DICOM file".into()
    } else if begins(b"NRRD") {
        "an NRRD file".into()
    } else if begins(b"\x89HDF") || begins(b"CDF") {
        "an HDF5 or NetCDF file, perhaps MINC".into()
    } else if begins(b"ObjectType") {
        "a MetaImage header".into()
    } else if begins(&MAGIC) {
        "gzip inside gzip".into()
    } else if head.len() >= 348 && sizes.iter().any(|size| begins(size)) {
        "an ANALYZE 7.5 header without the NIfTI magic: it does not say which side is left".into()
    } else {
        let shown = &head[..head.len().min(8)];
        format!("{} bytes or more, beginning {:?}", head.len(), shown.escape_ascii().to_string())
    };
    FileFault::NotAnImage { found }
}
