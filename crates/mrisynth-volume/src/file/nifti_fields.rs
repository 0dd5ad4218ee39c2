//! The fields of NIfTI-1 and NIfTI-2 headers, as numbers: nothing is checked yet.

use nifti::NiftiHeader;

use super::byte_order::ByteOrder;
use super::nifti_header::Version;
use crate::error::FileFault;

/// The fields that both versions share, widened to those of NIfTI-2.
#[derive(Clone, Debug)]
pub(super) struct NiftiFields {
    pub(super) version: Version,
    pub(super) order: ByteOrder,
    pub(super) magic: [u8; 4],
    pub(super) sizeof_hdr: i32,
    pub(super) datatype: i16,
    pub(super) bitpix: i16,
    pub(super) dim: [i64; 8],
    pub(super) pixdim: [f64; 8],
    pub(super) vox_offset: VoxOffset,
    pub(super) scl_slope: f64,
    pub(super) scl_inter: f64,
    pub(super) descrip: Vec<u8>,
    pub(super) qform_code: i32,
    pub(super) sform_code: i32,
    pub(super) quatern: [f64; 3],
    pub(super) qoffset: [f64; 3],
    pub(super) srow: [[f64; 4]; 3],
    pub(super) xyzt_units: i32,
    pub(super) intent_code: i32,
    /// x, y, z and frames, 1 where the image has no such axis; set when `dim` is checked.
    pub(super) shape: [u64; 4],
    /// How many axes of space the image has.
    pub(super) n_axes: usize,
}

/// A float in version 1, an integer in version 2.
#[derive(Clone, Copy, Debug)]
pub(super) enum VoxOffset {
    Float(f32),
    Integer(i64),
}

impl NiftiFields {
    /// The fields of version 1, as the crate `nifti` parses them.
    ///
    /// That crate tells the byte order by `dim[0]`, so we do too, but ours must be from 1 to 7 in
    /// one order: it takes whatever is not in one order to be in the other.
    pub(super) fn version_1(head: &[u8]) -> Result<Self, FileFault> {
        let header = NiftiHeader::from_reader(head).map_err(|_| FileFault::Truncated {
            field: "header",
            expected: 348,
            found: head.len() as u64,
        })?;
        let order = match header.endianness {
            nifti::Endianness::Little => ByteOrder::Little,
            nifti::Endianness::Big => ByteOrder::Big,
        };
        let h = &header;
        let wide = |row: [f32; 4]| row.map(f64::from);
        Ok(Self {
            version: Version::One,
            order,
            magic: h.magic,
            sizeof_hdr: h.sizeof_hdr,
            datatype: h.datatype,
            bitpix: h.bitpix,
            // Signed in the specification.
            dim: h.dim.map(|n| i64::from(n.cast_signed())),
            pixdim: h.pixdim.map(f64::from),
            vox_offset: VoxOffset::Float(h.vox_offset),
            scl_slope: h.scl_slope.into(),
            scl_inter: h.scl_inter.into(),
            qform_code: h.qform_code.into(),
            sform_code: h.sform_code.into(),
            quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
            qoffset: [h.quatern_x, h.quatern_y, h.quatern_z].map(f64::from),
            srow: [wide(h.srow_x), wide(h.srow_y), wide(h.srow_z)],
            xyzt_units: h.xyzt_units.into(),
            intent_code: h.intent_code.into(),
            descrip: header.descrip,
            shape: [1; 4],
            n_axes: 0,
        })
    }

    pub(super) fn version_2(head: &[u8]) -> Result<Self, FileFault> {
        let order = if head.starts_with(&540_i32.to_le_bytes()) {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        };
        let bytes = head.first_chunk().ok_or(FileFault::Truncated {
            field: "header",
            expected: 540,
            found: head.len() as u64,
        })?;
        let raw = Raw { bytes, order };
        let end_of_line = raw.take::<4>(8);
        if end_of_line != *b"\r\n\x1a\n" && end_of_line != [0; 4] {
            return Err(FileFault::Field {
                field: "magic",
                found: raw.take::<8>(4).escape_ascii().to_string(),
                expected: r"n+2\0 or ni2\0, then \r\n\x1a\n; a transfer as text changes that"
                    .into(),
            });
        }
        let row = |offset| std::array::from_fn(|i| raw.f64(offset + 8 * i));
        Ok(Self {
            version: Version::Two,
            order,
            magic: raw.take(4),
            sizeof_hdr: raw.i32(0),
            datatype: raw.i16(12),
            bitpix: raw.i16(14),
            dim: std::array::from_fn(|i| raw.i64(16 + 8 * i)),
            pixdim: std::array::from_fn(|i| raw.f64(104 + 8 * i)),
            vox_offset: VoxOffset::Integer(raw.i64(168)),
            scl_slope: raw.f64(176),
            scl_inter: raw.f64(184),
            descrip: raw.take::<80>(240).to_vec(),
            qform_code: raw.i32(344),
            sform_code: raw.i32(348),
            quatern: std::array::from_fn(|i| raw.f64(352 + 8 * i)),
            qoffset: std::array::from_fn(|i| raw.f64(376 + 8 * i)),
            srow: [row(400), row(432), row(464)],
            xyzt_units: raw.i32(500),
            intent_code: raw.i32(504),
            shape: [1; 4],
            n_axes: 0,
        })
    }
}

/// Numbers at byte offsets of a NIfTI-2 header, all of them constants within it.
struct Raw<'a> {
    bytes: &'a [u8; 540],
    order: ByteOrder,
}

impl Raw<'_> {
    fn take<const N: usize>(&self, offset: usize) -> [u8; N] {
        std::array::from_fn(|i| self.bytes[offset + i])
    }

    /// The bytes of a number, the lowest first.
    fn number<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = self.take(offset);
        if self.order == ByteOrder::Big {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, offset: usize) -> i16 {
        i16::from_le_bytes(self.number(offset))
    }

    fn i32(&self, offset: usize) -> i32 {
        i32::from_le_bytes(self.number(offset))
    }

    fn i64(&self, offset: usize) -> i64 {
        i64::from_le_bytes(self.number(offset))
    }

    fn f64(&self, offset: usize) -> f64 {
        f64::from_le_bytes(self.number(offset))
    }
}
