//! The convolutions of the network, by how they begin.

use candle_core::Result;
use candle_nn::{Init, VarBuilder};
use candle_nn3d::{Conv3d, Conv3dConfig, conv3d};

/// Of every group norm.
pub(super) const EPS: f64 = 1e-5;

/// A convolution of width 3 that keeps the size.
pub(super) fn conv3(c_in: usize, c_out: usize, vb: VarBuilder<'_>) -> Result<Conv3d> {
    conv3d(c_in, c_out, [3; 3], Conv3dConfig::same(3), vb)
}

/// [`conv3`] whose new parameters are zeros, so that the block around it begins as the identity.
pub(super) fn conv3_of_zeros(c_in: usize, c_out: usize, vb: VarBuilder<'_>) -> Result<Conv3d> {
    let zeros = Init::Const(0.0);
    let weight = vb.get_with_hints((c_out, c_in, 3, 3, 3), "weight", zeros)?;
    let bias = vb.get_with_hints(c_out, "bias", zeros)?;
    Ok(Conv3d::new(weight, Some(bias), Conv3dConfig::same(3)))
}

/// A convolution of width 3 that halves the size.
pub(super) fn conv3_down(channels: usize, vb: VarBuilder<'_>) -> Result<Conv3d> {
    let halving = Conv3dConfig { stride: [2; 3], ..Conv3dConfig::same(3) };
    conv3d(channels, channels, [3; 3], halving, vb)
}
