//! The header of a FreeSurfer MGH file, big endian, 284 bytes, no footer.
//!
//! MGH has no scaling, description, intent or unit; those of an image are dropped.
//!
//! # Source
//! FreeSurfer's `mri.h` and `mghWrite`. `c_ras` is the world position of voxel `shape / 2`, which
//! is half a voxel beyond the middle of the field of view; that is FreeSurfer's definition.

use super::nifti_encode::in_single_precision;
use super::storage::{Capacity, SlopeField, Storage};
use crate::datatype::Datatype;
use crate::error::FileFault;
use crate::geometry::Geometry;

pub(super) const MGH_CAPACITY: Capacity = Capacity {
    format: "MGH",
    datatypes: &[Datatype::U8, Datatype::I16, Datatype::I32, Datatype::F32],
    slope_field: SlopeField::None,
};

const HEADER_BYTES: usize = 284;
const VERSION: i32 = 1;

pub(super) fn mgh_header(
    geometry: &Geometry,
    n_frames: usize,
    storage: &Storage,
) -> Result<Vec<u8>, FileFault> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(VERSION.to_be_bytes());
    let [x, y, z] = geometry.shape();
    for (field, n) in [("width", x), ("height", y), ("depth", z), ("nframes", n_frames)] {
        let n = i32::try_from(n).map_err(|_| FileFault::Field {
            field,
            found: n.to_string(),
            expected: format!("at most {} in MGH", i32::MAX),
        })?;
        header.extend(n.to_be_bytes());
    }
    header.extend(type_code(storage.datatype).to_be_bytes());
    header.extend(0_i32.to_be_bytes()); // dof
    header.extend(1_i16.to_be_bytes()); // goodRASFlag
    header.extend(geometry_fields(geometry)?.iter().flat_map(|value| value.to_be_bytes()));
    header.resize(HEADER_BYTES, 0);
    Ok(header)
}

/// Voxel sizes, the directions of the three voxel axes, `c_ras`.
fn geometry_fields(geometry: &Geometry) -> Result<[f32; 15], FileFault> {
    let affine = geometry.voxel_to_world();
    in_single_precision(affine, "Mdc")?;
    let delta = affine.spacing_mm().map(|d| d as f32);
    let mut fields = [0.0; 15];
    fields[..3].copy_from_slice(&delta);
    // From the rounded directions, so that what a reader computes back from the centre, the origin,
    // is right and rounding grows with the distance from it.
    let mut centre = affine.translation();
    for axis in 0..3 {
        let half = geometry.shape()[axis] as f64 / 2.0;
        let column = affine.column(axis);
        let length = affine.spacing_mm()[axis];
        for r in 0..3 {
            let cosine = (column[r] / length) as f32;
            fields[3 + 3 * axis + r] = cosine;
            centre[r] += f64::from(cosine) * f64::from(delta[axis]) * half;
        }
    }
    for r in 0..3 {
        fields[12 + r] = centre[r] as f32;
        if !fields[12 + r].is_finite() {
            return Err(FileFault::Field {
                field: "c_ras",
                found: format!("{} mm", centre[r]),
                expected: "a number within the range of f32".into(),
            });
        }
    }
    Ok(fields)
}

fn type_code(datatype: Datatype) -> i32 {
    match datatype {
        Datatype::U8 => 0,
        Datatype::I32 => 1,
        Datatype::I16 => 4,
        // `MGH_CAPACITY` leaves only f32.
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
