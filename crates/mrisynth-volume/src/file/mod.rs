//! Image files: NIfTI and MGH, in and out.

mod gzip_blocks;
mod mgh_encode;
mod nifti_encode;
mod quaternion;
mod storage;
mod voxel_bytes;
mod write;

pub use write::{FileFormat, WriteOptions};
