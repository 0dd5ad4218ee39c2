//! Smooth, invertible deformations of space, and images and labels carried along by them.
//!
//! # Source
//! Arsigny, Commowick, Pennec and Ayache, "A log-Euclidean framework for statistics on
//! diffeomorphisms", MICCAI 2006: the exponential of a stationary velocity field by scaling and
//! squaring (their algorithm 2). We scale until the longest step is an eighth of a voxel where they
//! take a half, and refuse a result that folds, which theirs cannot know.

mod exponential;
mod random_velocity;
mod vector_grid;
mod warp;

use std::fmt;

use keyed_random::Key;

use crate::affine::Affine;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::volume::{LabelMap, Volume};

use exponential::{exponential, has_fold, jacobian_determinant};
use vector_grid::{VectorGrid, linear_map};
use warp::Warp;

/// A diffeomorphism φ = exp(v) of space: everything at `x` moves to `φ(x)`, at unit time along the
/// stationary velocity field `v`, in RAS+ millimetres.
///
/// The field has a grid of its own, which may be much coarser than the images it is applied to; it
/// is interpolated linearly, and continued beyond its border by its outer vectors. Since positions
/// are world millimetres, one deformation fits all images of a head, whatever their grids.
///
/// Everything here gives the same bits for any number of threads.
///
/// # Examples
/// ```
/// use keyed_random::Key;
/// use mrisynth_volume::{Affine, Deformation, Geometry, Volume};
/// let geometry = Geometry::new([32, 32, 32], Affine::identity())?;
/// let deformation = Deformation::random(&geometry, &Key::new(1).with("shape"), 2.0, 8.0)?;
/// let scan = Volume::from_fn(geometry, |[x, ..]| x as f32);
/// let moved = deformation.apply(&scan);
/// let back = deformation.inverse().apply(&moved);
/// assert!((back.array()[[16, 16, 16]] - 16.0).abs() < 0.1);
/// # Ok::<(), mrisynth_volume::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Deformation {
    /// v, in millimetres.
    velocity: VectorGrid,
    /// φ(x) − x, in millimetres.
    forward: VectorGrid,
    /// φ⁻¹(x) − x, in millimetres.
    backward: VectorGrid,
}

impl Deformation {
    /// The exponential of a velocity field in millimetres, by scaling and squaring.
    ///
    /// # Errors
    /// [`Error::Argument`] when a velocity is not finite or longer than the diagonal of the grid, or
    /// when the field is so steep for its grid that the deformation, or its inverse, folds.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Deformation, Geometry, Volume};
    /// let grid = Geometry::new([8, 8, 8], Affine::from_spacing_mm([2.0; 3], [0.0; 3])?)?;
    /// let shift = Deformation::from_velocity(&Volume::from_fn(grid, |_| [3.0_f32, 0.0, -1.0]))?;
    /// assert_eq!(shift.apply_to_point([5.0, 5.0, 5.0]), [8.0, 5.0, 4.0]);
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    pub fn from_velocity(velocity_mm: &Volume<[f32; 3]>) -> Result<Self> {
        let geometry = *velocity_mm.geometry();
        check_velocity(velocity_mm)?;
        let to_voxels = linear_map(&geometry.world_to_voxel());
        let to_mm = linear_map(geometry.voxel_to_world());
        let velocity = VectorGrid::new(geometry, velocity_mm.voxels().to_vec());
        let integrated = |sign: f32| {
            let in_voxels = velocity.map(|v| to_voxels(v.map(|c| c * sign)));
            let displacement = exponential(in_voxels);
            if let Some(voxel) = has_fold(&displacement) {
                return Err(Error::Argument {
                    field: "velocity_mm",
                    found: format!("a field whose deformation folds at its voxel {voxel:?}"),
                    expected: "velocities that change more slowly from voxel to voxel".into(),
                });
            }
            Ok(displacement.map(&to_mm))
        };
        Ok(Self { forward: integrated(1.0)?, backward: integrated(-1.0)?, velocity })
    }

    /// A random deformation of a field of view: the exponential of a stationary Gaussian velocity
    /// field, white noise smoothed by a Gaussian.
    ///
    /// It depends on the field of view, not on how many voxels divide it (while these are no larger
    /// than a quarter of the smoothness) nor on how they are stored. An amplitude that comes near
    /// the smoothness makes a field that may fold, and is refused then.
    ///
    /// # Units
    /// `amplitude_mm` is the standard deviation of the velocity along each axis, so a point moves by
    /// √3 times as much (root mean square, while amplitudes are small beside the smoothness).
    /// `smoothness_mm` is the standard deviation of the smoothing Gaussian: velocities `d` apart have
    /// the correlation exp(−d² / (4 · smoothness²)).
    ///
    /// # Errors
    /// [`Error::Argument`] for an amplitude that is negative or not finite, a smoothness below the
    /// smallest voxel size, and as [`from_velocity`](Self::from_velocity).
    pub fn random(
        geometry: &Geometry,
        key: &Key,
        amplitude_mm: f64,
        smoothness_mm: f64,
    ) -> Result<Self> {
        Self::from_velocity(&random_velocity::random_velocity(
            geometry,
            key,
            amplitude_mm,
            smoothness_mm,
        )?)
    }

    /// The velocity field and its grid.
    #[must_use]
    pub fn velocity_mm(&self) -> Volume<[f32; 3]> {
        self.velocity.to_volume()
    }

    /// exp(`factor` · v): the same movement, carried further or less far.
    ///
    /// # Errors
    /// As [`from_velocity`](Self::from_velocity).
    pub fn scaled(&self, factor: f32) -> Result<Self> {
        Self::from_velocity(&self.velocity.map(|v| v.map(|c| c * factor)).to_volume())
    }

    /// The deformation that undoes this one, exp(−v). Interpolation leaves the two together away from
    /// the identity by a few per cent of the movement where that is strong, less where it is gentle.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            velocity: self.velocity.map(|v| v.map(|c| 0.0 - c)),
            forward: self.backward.clone(),
            backward: self.forward.clone(),
        }
    }

    /// φ(x): where what is at a point moves to, in millimetres.
    #[must_use]
    pub fn apply_to_point(&self, point_mm: [f64; 3]) -> [f64; 3] {
        let displacement = self.forward.at_world(point_mm);
        std::array::from_fn(|a| point_mm[a] + f64::from(displacement[a]))
    }

    /// The volume deformed, on its own grid: `out(x) = volume(φ⁻¹(x))`, interpolated linearly.
    /// What would come from outside the field of view is taken from its nearest voxel.
    #[must_use]
    pub fn apply(&self, volume: &Volume) -> Volume {
        Warp::new(&self.backward, volume.geometry()).linear(volume)
    }

    /// The labels deformed, on their own grid: each voxel takes the label of the voxel nearest to
    /// where it came from.
    #[must_use]
    pub fn apply_to_labels(&self, labels: &LabelMap) -> LabelMap {
        Warp::new(&self.backward, labels.geometry()).nearest(labels)
    }

    /// det Dφ at the voxels of the field's own grid, by central differences: how many times larger
    /// what lies there becomes. Positive everywhere.
    #[must_use]
    pub fn jacobian_determinant(&self) -> Volume {
        let to_voxels = linear_map(&self.forward.geometry().world_to_voxel());
        jacobian_determinant(&self.forward.map(to_voxels))
    }
}

impl fmt::Debug for Deformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deformation")
            .field("grid", self.velocity.geometry())
            .finish_non_exhaustive()
    }
}

fn check_velocity(velocity_mm: &Volume<[f32; 3]>) -> Result<()> {
    let geometry = velocity_mm.geometry();
    let voxel_to_world: &Affine = geometry.voxel_to_world();
    let last = geometry.shape().map(|n| n as f64);
    let (a, b) = (voxel_to_world.apply([0.0; 3]), voxel_to_world.apply(last));
    let diagonal = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
    let length = |v: &[f32; 3]| v.iter().map(|&c| f64::from(c).powi(2)).sum::<f64>().sqrt();
    // Written so that NaN is refused too.
    let wrong = velocity_mm.voxels().iter().position(|v| !matches!(length(v), l if l <= diagonal));
    let Some(index) = wrong else { return Ok(()) };
    let [nx, ny, _] = geometry.shape();
    Err(Error::Argument {
        field: "velocity_mm",
        found: format!(
            "{:?} at voxel {:?}",
            velocity_mm.voxels()[index],
            [index % nx, index / nx % ny, index / nx / ny]
        ),
        expected: format!("finite velocities no longer than the grid's diagonal, {diagonal:.1} mm"),
    })
}

#[cfg(test)]
mod tests;
