//! The header of FreeSurfer's MGH, and of MGZ, which is MGH compressed.

use super::byte_order::ByteOrder;
use super::image_header::{ImageHeader, VoxelsIn, count_voxel_bytes};
use crate::affine::Affine;
use crate::datatype::Datatype;
use crate::error::FileFault;
use crate::geometry::Geometry;
use crate::image::{HeaderNotes, Scaling, Warning};

/// Where the voxels begin; the header proper has 90 bytes, the rest is unused.
const VOXEL_OFFSET: usize = 284;

/// True when a file begins with version 1, the only one there is.
pub(super) fn sniff(head: &[u8]) -> bool {
    head.starts_with(&1_i32.to_be_bytes())
}

/// Parses and checks an MGH header. All numbers are big-endian.
///
/// # Source
/// FreeSurfer's description of the format and nibabel's `MGHHeader`.
pub(super) fn parse(head: &[u8]) -> Result<ImageHeader, FileFault> {
    if head.len() < VOXEL_OFFSET {
        let (expected, found) = (VOXEL_OFFSET as u64, head.len() as u64);
        return Err(FileFault::Truncated { field: "header", expected, found });
    }
    let shape = shape(head)?;
    let datatype = datatype(i32_at(head, 20))?;
    let voxel_bytes = count_voxel_bytes("width, height, depth, nframes", shape, datatype)?;
    let mut warnings = Vec::new();
    let voxel_to_world = voxel_to_world(head, shape, &mut warnings)?;
    let [nx, ny, nz, n_frames] = shape.map(|n| n as usize);
    let geometry = Geometry::new([nx, ny, nz], voxel_to_world).map_err(|_| FileFault::Field {
        field: "width, height, depth",
        found: format!("{shape:?}"),
        expected: "fewer than 2^63 voxels".into(),
    })?;
    Ok(ImageHeader {
        geometry,
        n_frames,
        frames_field: "nframes",
        datatype,
        order: ByteOrder::Big,
        scaling: Scaling::IDENTITY,
        notes: HeaderNotes::default(),
        warnings,
        voxel_offset: VOXEL_OFFSET as u64,
        voxel_bytes,
        voxels_in: VoxelsIn::SameFile,
        has_footer: true,
    })
}

fn shape(head: &[u8]) -> Result<[u64; 4], FileFault> {
    const FIELDS: [&str; 4] = ["width", "height", "depth", "nframes"];
    let mut shape = [1; 4];
    for axis in 0..4 {
        let n = i32_at(head, 4 + 4 * axis);
        shape[axis] = u64::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| FileFault::Field {
            field: FIELDS[axis],
            found: n.to_string(),
            expected: "at least 1".into(),
        })?;
    }
    Ok(shape)
}

fn datatype(code: i32) -> Result<Datatype, FileFault> {
    let name = match code {
        0 => return Ok(Datatype::U8),
        1 => return Ok(Datatype::I32),
        3 => return Ok(Datatype::F32),
        4 => return Ok(Datatype::I16),
        10 => return Ok(Datatype::U16),
        2 => "MRI_LONG",
        5 => "MRI_BITMAP",
        6 => "MRI_TENSOR",
        7 => "MRI_FLOAT_COMPLEX",
        8 => "MRI_DOUBLE_COMPLEX",
        9 => "MRI_RGB",
        _ => "unknown",
    };
    Err(FileFault::UnsupportedDatatype { code: code.into(), name: name.into() })
}

/// From voxel sizes, the directions of the three axes and the position of voxel `shape / 2`.
///
/// # Source
/// nibabel's `MGHHeader.get_affine`, whose rounding we repeat: the product of direction and size,
/// and the position of voxel (0, 0, 0), are `f32`. Without `goodRASFlag` the axes are those of a coronal scan as FreeSurfer reads it, left, inferior,
/// anterior; nibabel has them left, superior, posterior.
fn voxel_to_world(
    head: &[u8],
    shape: [u64; 4],
    warnings: &mut Vec<Warning>,
) -> Result<Affine, FileFault> {
    let is_given = i16::from_be_bytes([head[28], head[29]]) != 0;
    let (mut columns, mut centre) =
        ([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], [0.0; 3]);
    if is_given {
        let size = spacing(head)?;
        let cosine = |axis: usize, row: usize| f32_at(head, 42 + 12 * axis + 4 * row);
        columns = [0, 1, 2].map(|a| [0, 1, 2].map(|r| f64::from(cosine(a, r) * size[a])));
        centre = [0, 1, 2].map(|r| f64::from(f32_at(head, 78 + 4 * r)));
    } else {
        warnings.push(Warning::Substituted {
            field: "goodRASFlag",
            found: "0".into(),
            taken: "a coronal scan of 1 mm around the origin".into(),
        });
    }
    let half = [0, 1, 2].map(|a| shape[a] as f64 / 2.0);
    let corner = [0, 1, 2].map(|r| {
        let to_centre: f64 = (0..3).map(|a| columns[a][r] * half[a]).sum();
        f64::from((centre[r] - to_centre) as f32)
    });
    Affine::from_columns(columns, corner).map_err(|fault| FileFault::Affine { field: "Mdc", fault })
}

fn spacing(head: &[u8]) -> Result<[f32; 3], FileFault> {
    let size = [0, 1, 2].map(|a| f32_at(head, 30 + 4 * a));
    if size.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Ok(size);
    }
    let expected = "three positive, finite voxel sizes".into();
    Err(FileFault::Field { field: "delta", found: format!("{size:?}"), expected })
}

/// Four bytes of the header, whose length was checked.
fn bytes_at(head: &[u8], offset: usize) -> [u8; 4] {
    std::array::from_fn(|i| head[offset + i])
}

fn i32_at(head: &[u8], offset: usize) -> i32 {
    i32::from_be_bytes(bytes_at(head, offset))
}

fn f32_at(head: &[u8], offset: usize) -> f32 {
    f32::from_be_bytes(bytes_at(head, offset))
}
