//! Orientation codes: which way each voxel axis points in the head.
//!
//! `RAS` means that the first voxel index grows to the right, the second to the front
//! (anterior), the third to the top (superior). The code names where an axis points *to*, as in
//! nibabel's `aff2axcodes`; ITK tools name where it comes *from*, so their `RAI` is our `LPS`.
//!
//! # Source
//! The rule for oblique scans is nibabel's `io_orientation`: the orthogonal matrix nearest to the
//! direction matrix is matched axis by axis, the voxel axis that is nearest to a world axis first
//! (nibabel 5.4; earlier versions went by index, which differs only for scans near 45°).

use std::fmt;
use std::str::FromStr;

use nalgebra::Matrix3;
use serde::{Deserialize, Serialize};

use crate::affine::Affine;
use crate::error::{Error, Result};

/// One of the six directions of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the person's right: +x in world coordinates.
    Right,
    /// To the person's left: −x.
    Left,
    /// To the front: +y.
    Anterior,
    /// To the back: −y.
    Posterior,
    /// To the top of the head: +z.
    Superior,
    /// To the feet: −z.
    Inferior,
}

impl Direction {
    /// The direction along world axis `axis` (0, 1, 2), in its positive or negative sense.
    pub(crate) fn along(axis: usize, positive: bool) -> Self {
        match (axis, positive) {
            (0, true) => Self::Right,
            (0, false) => Self::Left,
            (1, true) => Self::Anterior,
            (1, false) => Self::Posterior,
            (_, true) => Self::Superior,
            (_, false) => Self::Inferior,
        }
    }

    /// The world axis: 0 for left–right, 1 for posterior–anterior, 2 for inferior–superior.
    #[must_use]
    pub fn world_axis(self) -> usize {
        match self {
            Self::Right | Self::Left => 0,
            Self::Anterior | Self::Posterior => 1,
            Self::Superior | Self::Inferior => 2,
        }
    }

    /// True for right, anterior and superior: the positive world axes.
    #[must_use]
    pub fn is_positive(self) -> bool {
        matches!(self, Self::Right | Self::Anterior | Self::Superior)
    }

    /// The direction opposite to this one.
    #[must_use]
    pub fn opposite(self) -> Self {
        Self::along(self.world_axis(), !self.is_positive())
    }

    /// The letter: R, L, A, P, S or I.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Right => 'R',
            Self::Left => 'L',
            Self::Anterior => 'A',
            Self::Posterior => 'P',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }

    fn from_letter(letter: char) -> Option<Self> {
        let all = [0, 1, 2].into_iter().flat_map(|a| [Self::along(a, true), Self::along(a, false)]);
        all.into_iter().find(|d| d.letter() == letter.to_ascii_uppercase())
    }
}

/// The directions of the three voxel axes, such as `RAS` or `LPS`: each world axis exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Orientation([Direction; 3]);

impl Orientation {
    /// Right, anterior, superior: the axes of world space.
    pub const RAS: Self = Self([Direction::Right, Direction::Anterior, Direction::Superior]);
    /// Left, posterior, superior: the axes of DICOM and ITK.
    pub const LPS: Self = Self([Direction::Left, Direction::Posterior, Direction::Superior]);

    /// The orientation of a voxel-to-world map: the nearest of the 48.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Orientation};
    /// let las = Affine::from_spacing_mm([-1.0, 1.0, 1.2], [90.0, -126.0, -72.0])?;
    /// assert_eq!(Orientation::of(&las).to_string(), "LAS");
    /// # Ok::<(), mrisynth_volume::AffineFault>(())
    /// ```
    #[must_use]
    pub fn of(voxel_to_world: &Affine) -> Self {
        let spacing_mm = voxel_to_world.spacing_mm();
        let m = voxel_to_world.linear();
        let directions = Matrix3::from_fn(|r, c| m[(r, c)] / spacing_mm[c]);
        let mut nearest = nearest_orthogonal(&directions);
        let strength = [0, 1, 2].map(|c| nearest.column(c).amax());
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| strength[b].total_cmp(&strength[a])); // stable, as nibabel's
        let mut axes = [Direction::Right; 3];
        for voxel_axis in order {
            let world_axis = nearest.column(voxel_axis).iamax();
            let positive = nearest[(world_axis, voxel_axis)] > 0.0;
            axes[voxel_axis] = Direction::along(world_axis, positive);
            nearest.row_mut(world_axis).fill(0.0);
        }
        Self(axes)
    }

    /// The directions of the first, second and third voxel axis.
    #[must_use]
    pub fn axes(self) -> [Direction; 3] {
        self.0
    }

    /// The voxel axis that runs along world axis `world_axis` (0 left–right, 1 posterior–anterior,
    /// 2 inferior–superior), and whether it runs in the positive sense.
    ///
    /// # Panics
    /// When `world_axis` is not 0, 1 or 2.
    #[must_use]
    pub fn voxel_axis_along(self, world_axis: usize) -> (usize, bool) {
        assert!(world_axis < 3, "world axis {world_axis} of 3");
        let found = self.0.iter().position(|d| d.world_axis() == world_axis);
        let axis = found.unwrap_or_default();
        (axis, self.0[axis].is_positive())
    }
}

/// The rotation or reflection nearest to `m` in the least-squares sense: the orthogonal factor of
/// its polar decomposition.
pub(crate) fn nearest_orthogonal(m: &Matrix3<f64>) -> Matrix3<f64> {
    let svd = m.svd(true, true);
    match (svd.u, svd.v_t) {
        (Some(u), Some(v_t)) => u * v_t,
        _ => *m,
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|d| write!(f, "{}", d.letter()))
    }
}

impl FromStr for Orientation {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        let refused = || Error::Argument {
            field: "orientation",
            found: format!("{code:?}"),
            expected: "three letters, one each of R/L, A/P and S/I, such as RAS or LPS".into(),
        };
        let axes: Option<Vec<Direction>> = code.chars().map(Direction::from_letter).collect();
        let axes: [Direction; 3] =
            axes.ok_or_else(refused)?.try_into().map_err(|_too_many_or_few| refused())?;
        let mut seen = [false; 3];
        axes.iter().for_each(|d| seen[d.world_axis()] = true);
        if seen == [true; 3] { Ok(Self(axes)) } else { Err(refused()) }
    }
}

impl TryFrom<String> for Orientation {
    type Error = Error;

    fn try_from(code: String) -> Result<Self> {
        code.parse()
    }
}

impl From<Orientation> for String {
    fn from(orientation: Orientation) -> Self {
        orientation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_48_codes_parse_and_print() {
        let mut n = 0;
        for a in "RLAPSI".chars() {
            for b in "RLAPSI".chars() {
                for c in "RLAPSI".chars() {
                    let code = format!("{a}{b}{c}");
                    if let Ok(orientation) = code.parse::<Orientation>() {
                        assert_eq!(orientation.to_string(), code);
                        n += 1;
                    }
                }
            }
        }
        assert_eq!(n, 48);
    }

    #[test]
    fn refused_codes_name_what_was_found() {
        for bad in ["", "RA", "RASX", "RRS", "RLS", "XYZ", "R A", "RÄS"] {
            let message = bad.parse::<Orientation>().unwrap_err().to_string();
            assert!(message.contains(&format!("{bad:?}")), "{message}");
        }
    }

    #[test]
    fn every_world_axis_is_taken_once_near_45_degrees() {
        // The second voxel axis is nearer to x than the first is, so it is matched first.
        let affine = Affine::from_columns(
            [[0.70, -0.71, 0.05], [0.72, 0.69, 0.0], [0.0, 0.05, -1.0]],
            [0.0; 3],
        );
        assert_eq!(Orientation::of(&affine.unwrap()).to_string(), "PRI");
    }
}
