//! The header of a NIfTI file: NIfTI-1, or NIfTI-2 where an axis is too long for NIfTI-1.
//!
//! A single little-endian file without extensions. The affine is written twice, as `sform` and as
//! `qform`, both with code 2 ("aligned"), the code nibabel gives a new image: it claims coordinates
//! in millimetres and no scanner. Where no quaternion says the same as the affine (shear), the
//! qform code is 0 and only `pixdim` is filled in.
//!
//! # Source
//! nifti1.h and nifti2.h of the NIfTI Data Format Working Group.

use nifti::NiftiType;

use super::quaternion::QForm;
use super::storage::{Capacity, SlopeField, Storage};
use crate::affine::Affine;
use crate::datatype::Datatype;
use crate::error::FileFault;
use crate::geometry::Geometry;
use crate::image::HeaderNotes;

/// The bytes of `descrip` less the closing zero.
pub(super) const DESCRIPTION_BYTES: usize = 79;

const CODE_ALIGNED: i64 = 2;
const UNIT_MILLIMETRE: u8 = 2;
const TIME_UNIT_BITS: u8 = 0b11_1000;

/// Which of the two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NiftiVersion {
    One,
    Two,
}

impl NiftiVersion {
    /// NIfTI-1 whenever its 16-bit dimensions suffice.
    pub(super) fn for_image(geometry: &Geometry, n_frames: usize) -> Self {
        let longest = geometry.shape().into_iter().chain([n_frames]).max().unwrap_or(1);
        if longest <= i16::MAX as usize { Self::One } else { Self::Two }
    }

    pub(super) fn capacity(self) -> Capacity {
        let slope_field = match self {
            Self::One => SlopeField::F32,
            Self::Two => SlopeField::F64,
        };
        Capacity { format: "NIfTI", datatypes: &Datatype::ALL, slope_field }
    }
}

/// A place in the header: offset and width in NIfTI-1, offset and width in NIfTI-2.
type Field = [(usize, usize); 2];

const SIZEOF_HDR: Field = [(0, 4), (0, 4)];
const DIM: Field = [(40, 2), (16, 8)];
const INTENT_CODE: Field = [(68, 2), (504, 4)];
const DATATYPE: Field = [(70, 2), (12, 2)];
const BITPIX: Field = [(72, 2), (14, 2)];
const PIXDIM: Field = [(76, 4), (104, 8)];
const VOX_OFFSET: Field = [(108, 4), (168, 8)]; // a float in NIfTI-1, an integer in NIfTI-2
const SCL_SLOPE: Field = [(112, 4), (176, 8)];
const SCL_INTER: Field = [(116, 4), (184, 8)];
const XYZT_UNITS: Field = [(123, 1), (500, 4)];
const DESCRIP: Field = [(148, 80), (240, 80)];
const QFORM_CODE: Field = [(252, 2), (344, 4)];
const SFORM_CODE: Field = [(254, 2), (348, 4)];
const QUATERN: Field = [(256, 4), (352, 8)];
const QOFFSET: Field = [(268, 4), (376, 8)];
const SROW: Field = [(280, 4), (400, 8)];
const MAGIC: Field = [(344, 4), (4, 8)];

struct Header {
    bytes: Vec<u8>,
    version: NiftiVersion,
}

impl Header {
    /// Where entry `i` of a field goes.
    fn place(&mut self, field: Field, i: usize) -> &mut [u8] {
        let (offset, width) = field[self.version as usize];
        &mut self.bytes[offset + i * width..][..width]
    }

    fn put_integer(&mut self, field: Field, i: usize, value: i64) {
        let place = self.place(field, i);
        place.copy_from_slice(&value.to_le_bytes()[..place.len()]);
    }

    fn put_real(&mut self, field: Field, i: usize, value: f64) {
        match self.version {
            NiftiVersion::One => {
                self.place(field, i).copy_from_slice(&(value as f32).to_le_bytes());
            }
            NiftiVersion::Two => self.place(field, i).copy_from_slice(&value.to_le_bytes()),
        }
    }

    fn put_bytes(&mut self, field: Field, bytes: &[u8]) {
        self.place(field, 0)[..bytes.len()].copy_from_slice(bytes);
    }
}

/// The header and the four bytes that say no extension follows.
pub(super) fn nifti_header(
    geometry: &Geometry,
    n_frames: usize,
    notes: &HeaderNotes,
    storage: &Storage,
) -> Result<Vec<u8>, FileFault> {
    let version = NiftiVersion::for_image(geometry, n_frames);
    let (size, magic): (usize, &[u8]) = match version {
        NiftiVersion::One => (348, b"n+1\0"),
        NiftiVersion::Two => (540, b"n+2\0\r\n\x1a\n"),
    };
    let mut header = Header { bytes: vec![0; size + 4], version };
    header.put_integer(SIZEOF_HDR, 0, size as i64);
    header.put_bytes(MAGIC, magic);
    match version {
        NiftiVersion::One => header.put_real(VOX_OFFSET, 0, (size + 4) as f64),
        NiftiVersion::Two => header.put_integer(VOX_OFFSET, 0, (size + 4) as i64),
    }
    put_shape(&mut header, geometry, n_frames, notes);
    put_storage(&mut header, storage);
    put_notes(&mut header, notes)?;
    put_affine(&mut header, geometry.voxel_to_world())?;
    Ok(header.bytes)
}

fn put_shape(header: &mut Header, geometry: &Geometry, n_frames: usize, notes: &HeaderNotes) {
    let [x, y, z] = geometry.shape();
    let n_axes = if n_frames > 1 { 4 } else { 3 };
    for (i, n) in [n_axes, x, y, z, n_frames, 1, 1, 1].into_iter().enumerate() {
        header.put_integer(DIM, i, n as i64);
    }
    // A step of 0 between frames is an error to some readers; 1 is what says nothing.
    let step = notes.frame_step;
    let step_is_real = step > 0.0 && (step as f32).is_finite() && step as f32 > 0.0;
    header.put_real(PIXDIM, 4, if step_is_real { step } else { (n_frames > 1).into() });
}

fn put_storage(header: &mut Header, storage: &Storage) {
    header.put_integer(DATATYPE, 0, datatype_code(storage.datatype));
    header.put_integer(BITPIX, 0, 8 * storage.datatype.size() as i64);
    header.put_real(SCL_SLOPE, 0, storage.scaling.slope);
    header.put_real(SCL_INTER, 0, storage.scaling.inter);
}

fn put_notes(header: &mut Header, notes: &HeaderNotes) -> Result<(), FileFault> {
    let intent = notes.intent_code;
    if header.version == NiftiVersion::One && i16::try_from(intent).is_err() {
        return Err(FileFault::Field {
            field: "intent_code",
            found: intent.to_string(),
            expected: "-32768 to 32767 in NIfTI-1".into(),
        });
    }
    header.put_integer(INTENT_CODE, 0, intent.into());
    let units = (notes.units & TIME_UNIT_BITS) | UNIT_MILLIMETRE;
    header.put_integer(XYZT_UNITS, 0, units.into());
    let description = &notes.description;
    let end = description.floor_char_boundary(DESCRIPTION_BYTES);
    header.put_bytes(DESCRIP, &description.as_bytes()[..end]);
    Ok(())
}

fn put_affine(header: &mut Header, voxel_to_world: &Affine) -> Result<(), FileFault> {
    let single = header.version == NiftiVersion::One;
    let rows = voxel_to_world.rows();
    if single {
        in_single_precision(voxel_to_world, "sform")?;
    }
    header.put_integer(SFORM_CODE, 0, CODE_ALIGNED);
    for (i, &value) in rows[..3].iter().flatten().enumerate() {
        header.put_real(SROW, i, value);
    }
    let qform = QForm::of(voxel_to_world, single);
    header.put_integer(QFORM_CODE, 0, if qform.is_some() { CODE_ALIGNED } else { 0 });
    let QForm { bcd, qfac } = qform.unwrap_or(QForm { bcd: [0.0; 3], qfac: 1.0 });
    header.put_real(PIXDIM, 0, qfac);
    let (spacing_mm, origin_mm) = (voxel_to_world.spacing_mm(), voxel_to_world.translation());
    for i in 0..3 {
        header.put_real(PIXDIM, 1 + i, spacing_mm[i]);
        header.put_real(QUATERN, i, bcd[i]);
        header.put_real(QOFFSET, i, origin_mm[i]);
    }
    Ok(())
}

/// The affine as `f32` fields hold it, or what rounding does to it.
pub(super) fn in_single_precision(
    affine: &Affine,
    field: &'static str,
) -> Result<Affine, FileFault> {
    let rows = affine.rows().map(|row| row.map(|value| f64::from(value as f32)));
    Affine::from_rows(rows).map_err(|fault| FileFault::Affine { field, fault })
}

fn datatype_code(datatype: Datatype) -> i64 {
    let code = match datatype {
        Datatype::U8 => NiftiType::Uint8,
        Datatype::I8 => NiftiType::Int8,
        Datatype::U16 => NiftiType::Uint16,
        Datatype::I16 => NiftiType::Int16,
        Datatype::U32 => NiftiType::Uint32,
        Datatype::I32 => NiftiType::Int32,
        Datatype::U64 => NiftiType::Uint64,
        Datatype::I64 => NiftiType::Int64,
        Datatype::F32 => NiftiType::Float32,
        Datatype::F64 => NiftiType::Float64,
    };
    code as i64
}

#[cfg(test)]
mod tests;
