//! Image files: NIfTI and MGH, in and out.
//!
//! Reading: [`source`] yields the decompressed bytes of a file, [`nifti_header`] and [`mgh`] parse
//! what they begin with into an [`ImageHeader`](image_header::ImageHeader), [`decode`] turns the
//! voxels that follow into numbers while they are being decompressed, and [`read`] joins the three.
//!
//! Writing: [`storage`] chooses how numbers are stored, [`nifti_encode`] and [`mgh_encode`] make
//! headers, [`voxel_bytes`] and [`gzip_blocks`] turn voxels into bytes block by block, and [`write`]
//! joins them into a durable file.

mod byte_order;

mod read;

mod image_header;
mod mgh;
mod nifti_affine;
mod nifti_fields;
mod nifti_header;

mod decode;
mod inflate;
mod pair;
mod source;

mod write;

mod mgh_encode;
mod nifti_encode;
mod quaternion;

mod gzip_blocks;
mod storage;
mod voxel_bytes;

#[cfg(test)]
mod tests;

pub use read::ReadOptions;
pub use write::{FileFormat, WriteOptions};
