//! Image files: what is read from them and written to them.
//!
//! Reading: [`source`] yields the decompressed bytes of a file, [`nifti_header`] and [`mgh`] parse
//! what they begin with into an [`ImageHeader`](image_header::ImageHeader), [`decode`] turns the
//! voxels that follow into numbers while they are being decompressed, and [`read`] joins the three.

mod decode;
mod image_header;
mod inflate;
mod mgh;
mod nifti_affine;
mod nifti_fields;
mod nifti_header;
mod pair;
mod read;
mod source;

#[cfg(test)]
mod tests;

pub use read::ReadOptions;
