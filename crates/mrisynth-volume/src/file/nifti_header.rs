//! The headers of NIfTI-1 and NIfTI-2, checked field by field.

use nifti::NiftiType;

use super::image_header::{ImageHeader, VoxelsIn, count_voxel_bytes};
use super::nifti_fields::{NiftiFields, VoxOffset};
use crate::datatype::Datatype;
use crate::error::FileFault;
use crate::geometry::Geometry;
use crate::image::{HeaderNotes, Scaling, Warning};

/// Which of the two versions of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

const DIM: [&str; 8] =
    ["dim[0]", "dim[1]", "dim[2]", "dim[3]", "dim[4]", "dim[5]", "dim[6]", "dim[7]"];

impl Version {
    /// The version whose magic stands in the first bytes of a file.
    pub(super) fn sniff(head: &[u8]) -> Option<Self> {
        let at = |offset: usize| head.get(offset..offset + 4);
        let is = |found: Option<&[u8]>, version: u8| {
            found == Some(&[b'n', b'+', version, 0]) || found == Some(&[b'n', b'i', version, 0])
        };
        // Version 2 first: its magic stands where version 1 has the file's size, 348.
        let sizes = [540_i32.to_le_bytes(), 540_i32.to_be_bytes()];
        if is(at(4), b'2') && sizes.iter().any(|size| head.starts_with(size)) {
            return Some(Self::Two);
        }
        is(at(344), b'1').then_some(Self::One)
    }

    fn header_bytes(self) -> i32 {
        match self {
            Self::One => 348,
            Self::Two => 540,
        }
    }

    /// Where the voxels of a single file begin at the earliest: after the header and the four bytes
    /// that say whether extensions follow.
    fn first_voxel_offset(self) -> u64 {
        match self {
            Self::One => 352,
            Self::Two => 544,
        }
    }

    /// How far rounding may carry the norm of a quaternion from 1: nibabel's thresholds.
    pub(super) fn quaternion_tolerance(self) -> f64 {
        match self {
            Self::One => 3.0 * f64::from(f32::EPSILON),
            Self::Two => 3.0 * f64::EPSILON,
        }
    }
}

/// Parses and checks a header of this version.
pub(super) fn parse(head: &[u8], version: Version) -> Result<ImageHeader, FileFault> {
    let mut fields = match version {
        Version::One => NiftiFields::version_1(head)?,
        Version::Two => NiftiFields::version_2(head)?,
    };
    let mut warnings = Vec::new();
    fields.check_size_of_header(&mut warnings);
    fields.check_dim()?;
    let datatype = fields.datatype()?;
    let voxel_bytes = count_voxel_bytes("dim", fields.shape, datatype)?;
    let (voxels_in, voxel_offset) = fields.voxel_place(&mut warnings)?;
    let scaling = fields.scaling()?;
    let voxel_to_world = fields.voxel_to_world(&mut warnings)?;
    warnings.extend(fields.foreign_unit().map(|unit| Warning::Units { unit }));

    let [nx, ny, nz, n_frames] = fields.shape.map(|n| n as usize);
    let geometry = Geometry::new([nx, ny, nz], voxel_to_world).map_err(|_| FileFault::Field {
        field: "dim",
        found: format!("{:?}", fields.dim),
        expected: "fewer than 2^63 voxels".into(),
    })?;
    Ok(ImageHeader {
        geometry,
        n_frames,
        frames_field: DIM[4],
        datatype,
        order: fields.order,
        scaling,
        notes: fields.notes(),
        warnings,
        voxel_offset,
        voxel_bytes,
        voxels_in,
        has_footer: false,
    })
}

impl NiftiFields {
    fn check_size_of_header(&self, warnings: &mut Vec<Warning>) {
        let expected = self.version.header_bytes();
        if self.sizeof_hdr != expected {
            let (found, taken) = (self.sizeof_hdr.to_string(), expected.to_string());
            warnings.push(Warning::Substituted { field: "sizeof_hdr", found, taken });
        }
    }

    /// Sets `shape` and `n_axes` from `dim`, whose entries beyond `dim[0]` mean nothing.
    fn check_dim(&mut self) -> Result<(), FileFault> {
        let n_dims = self.dim[0];
        if !(1..=7).contains(&n_dims) {
            let expected = "a number of axes from 1 to 7".into();
            return Err(FileFault::Field { field: DIM[0], found: n_dims.to_string(), expected });
        }
        let n_dims = n_dims as usize;
        for axis in 1..=n_dims {
            let n = self.dim[axis];
            let expected = match axis {
                ..=4 if n < 1 => "at least 1",
                5.. if n != 1 => "1: an image has at most three axes of space and one of frames",
                _ => continue,
            };
            let (found, expected) = (n.to_string(), expected.into());
            return Err(FileFault::Field { field: DIM[axis], found, expected });
        }
        self.n_axes = n_dims.min(3);
        self.shape =
            std::array::from_fn(|a| if a < n_dims { self.dim[a + 1].cast_unsigned() } else { 1 });
        Ok(())
    }

    fn datatype(&self) -> Result<Datatype, FileFault> {
        let code = self.datatype;
        let datatype = datatype_of(code).map_err(|name| FileFault::UnsupportedDatatype {
            code: code.into(),
            name: name.into(),
        })?;
        let bits = datatype.size() * 8;
        if usize::try_from(self.bitpix) == Ok(bits) {
            return Ok(datatype);
        }
        let expected = format!("{bits}, since datatype {code} is {datatype}");
        Err(FileFault::Field { field: "bitpix", found: self.bitpix.to_string(), expected })
    }

    /// Which file holds the voxels, and from which byte.
    fn voxel_place(&self, warnings: &mut Vec<Warning>) -> Result<(VoxelsIn, u64), FileFault> {
        let offset = match self.vox_offset {
            VoxOffset::Float(v) if v >= 0.0 && v.fract() == 0.0 && v < i64::MAX as f32 => v as u64,
            VoxOffset::Integer(v) if v >= 0 => v.cast_unsigned(),
            VoxOffset::Float(v) => return Err(bad_vox_offset(v.to_string(), 0)),
            VoxOffset::Integer(v) => return Err(bad_vox_offset(v.to_string(), 0)),
        };
        if self.magic[1] == b'i' {
            return Ok((VoxelsIn::OtherFile, offset));
        }
        let first = self.version.first_voxel_offset();
        match offset {
            // Never set: the reference implementation takes the voxels to follow the header.
            0 => {
                let (found, taken) = ("0".into(), first.to_string());
                warnings.push(Warning::Substituted { field: "vox_offset", found, taken });
                Ok((VoxelsIn::SameFile, first))
            }
            _ if offset < first => Err(bad_vox_offset(offset.to_string(), first)),
            _ => Ok((VoxelsIn::SameFile, offset)),
        }
    }

    /// A slope that is 0 or not finite means values as stored.
    ///
    /// # Source
    /// nibabel's `Nifti1Header.get_slope_inter`.
    fn scaling(&self) -> Result<Scaling, FileFault> {
        let (slope, inter) = (self.scl_slope, self.scl_inter);
        if slope == 0.0 || !slope.is_finite() {
            return Ok(Scaling::IDENTITY);
        }
        if inter.is_finite() {
            return Ok(Scaling { slope, inter });
        }
        let expected = format!("a finite number, since scl_slope is {slope}");
        Err(FileFault::Field { field: "scl_inter", found: inter.to_string(), expected })
    }

    /// The unit of length, when it is not millimetres.
    fn foreign_unit(&self) -> Option<&'static str> {
        match self.xyzt_units & 7 {
            0 | 2 => None, // not said, or millimetres
            1 => Some("metres"),
            3 => Some("micrometres"),
            _ => Some("a unit that NIfTI does not define"),
        }
    }

    fn notes(&self) -> HeaderNotes {
        let text = self.descrip.split(|&byte| byte == 0).next().unwrap_or_default();
        let frame_step = self.pixdim[4];
        HeaderNotes {
            description: String::from_utf8_lossy(text).trim_end().to_owned(),
            intent_code: self.intent_code,
            frame_step: if frame_step.is_finite() { frame_step } else { 0.0 },
            units: (self.xyzt_units & 0xff) as u8,
        }
    }
}

fn bad_vox_offset(found: String, at_least: u64) -> FileFault {
    let expected = format!("a whole number of bytes, at least {at_least}");
    FileFault::Field { field: "vox_offset", found, expected }
}

/// The real datatype of a code, or the name of what else it means.
fn datatype_of(code: i16) -> Result<Datatype, &'static str> {
    const REAL: [(NiftiType, Datatype); 10] = [
        (NiftiType::Uint8, Datatype::U8),
        (NiftiType::Int8, Datatype::I8),
        (NiftiType::Uint16, Datatype::U16),
        (NiftiType::Int16, Datatype::I16),
        (NiftiType::Uint32, Datatype::U32),
        (NiftiType::Int32, Datatype::I32),
        (NiftiType::Uint64, Datatype::U64),
        (NiftiType::Int64, Datatype::I64),
        (NiftiType::Float32, Datatype::F32),
        (NiftiType::Float64, Datatype::F64),
    ];
    const OTHER: [(NiftiType, &str); 6] = [
        (NiftiType::Complex64, "complex64"),
        (NiftiType::Complex128, "complex128"),
        (NiftiType::Complex256, "complex256"),
        (NiftiType::Float128, "float128"),
        (NiftiType::Rgb24, "RGB24"),
        (NiftiType::Rgba32, "RGBA32"),
    ];
    if let Some((_, datatype)) = REAL.iter().find(|(t, _)| *t as i16 == code) {
        return Ok(*datatype);
    }
    let named = OTHER.iter().find(|(t, _)| *t as i16 == code);
    Err(named.map_or(if code == 1 { "binary" } else { "unknown" }, |(_, name)| name))
}
