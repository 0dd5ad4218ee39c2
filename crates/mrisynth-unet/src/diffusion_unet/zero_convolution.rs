//! The convolution that ends a block, and begins training as zero.

use candle_core::Result;
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{Conv3d, Conv3dConfig};

/// A convolution of `kernel`³ voxels that keeps the size; where its parameters are new, they are zeros,
/// so that a new block is the identity.
///
/// # Source
/// MONAI 1.6.1, `zero_module`, after Dhariwal and Nichol 2021.
pub(super) fn zero_convolution(
    c_in: usize,
    c_out: usize,
    kernel: usize,
    vb: &VarBuilder<'_>,
) -> Result<Conv3d> {
    let zeros = Init::Const(0.0);
    let weight = vb.get_with_hints((c_out, c_in, kernel, kernel, kernel), "weight", zeros)?;
    let bias = vb.get_with_hints(c_out, "bias", zeros)?;
    Ok(Conv3d::new(weight, Some(bias), Conv3dConfig::same(kernel)))
}
