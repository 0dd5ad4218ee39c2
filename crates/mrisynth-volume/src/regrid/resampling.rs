//! How values between voxels are found.

use serde::{Deserialize, Serialize};

/// How an intensity between voxels is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest voxel. Half-way positions take the higher index, as in SciPy and ITK.
    Nearest,
    /// Between the eight voxels around; between an outer voxel centre and the edge of the field of
    /// view, the outer voxel.
    #[default]
    Linear,
    /// The cubic B-spline through all voxels, with its prefilter, continued by reflection about the
    /// outer voxel centres: `order=3, mode='mirror'` in SciPy, `sitkBSpline` in SimpleITK. It may
    /// overshoot next to edges, and a NaN spoils every line through it.
    CubicBSpline,
}

/// How intensities are resampled.
///
/// # Examples
/// ```
/// use mrisynth_volume::{Interpolation, Resampling};
/// let cubic = Resampling { interpolation: Interpolation::CubicBSpline, ..Resampling::default() };
/// assert_eq!(cubic.outside, 0.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resampling {
    /// How values between voxels are found; linear by default.
    pub interpolation: Interpolation,
    /// Whether to blur before shrinking, so that detail finer than the new grid does not turn into
    /// patterns that are not there; off by default. Along an axis of which a new voxel spans `f` > 1
    /// old ones: a Gaussian of σ = √((f² − 1) / (8 ln 2)) old voxels (Cardoso et al., MICCAI 2015;
    /// the rule of TorchIO), cut off at 4σ.
    pub antialias: bool,
    /// The value outside the field of view of the source; 0 by default.
    pub outside: f32,
}

impl From<Interpolation> for Resampling {
    fn from(interpolation: Interpolation) -> Self {
        Self { interpolation, ..Self::default() }
    }
}

/// How a label between voxels is found: always one of those around, never a mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelInterpolation {
    /// The nearest voxel.
    Nearest,
    /// The label with the most trilinear weight among the eight voxels around; of equals the
    /// smallest. It is the argmax of linearly interpolated one-hot channels, without the channels.
    /// Borders come out smoother than with `Nearest`; structures thinner than a voxel may vanish.
    #[default]
    Vote,
}

/// How labels are resampled. A bare [`LabelInterpolation`] serves wherever one is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelResampling {
    /// How labels between voxels are found; by vote by default.
    pub interpolation: LabelInterpolation,
    /// The label outside the field of view of the source; 0 by default.
    pub outside: i32,
}

impl From<LabelInterpolation> for LabelResampling {
    fn from(interpolation: LabelInterpolation) -> Self {
        Self { interpolation, ..Self::default() }
    }
}
