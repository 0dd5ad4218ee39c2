//! The smallest box of voxels that holds a structure or the foreground.

use rayon::prelude::*;

use crate::geometry::VoxelBox;
use crate::volume::{LabelMap, Volume};

/// First and last index along each axis.
type Bounds = [(usize, usize); 3];

impl<T: Sync> Volume<T> {
    /// The smallest box that holds every voxel for which `inside` is true; `None` without any.
    ///
    /// # Examples
    /// ```
    /// use mrisynth_volume::{Affine, Geometry, Volume, VoxelBox};
    /// let geometry = Geometry::new([4, 4, 4], Affine::identity())?;
    /// let volume = Volume::from_fn(geometry, |[x, y, z]| x + y + z);
    /// let far = volume.bounding_box_where(|&sum| sum >= 8);
    /// assert_eq!(far, Some(VoxelBox { start: [2, 2, 2], shape: [2, 2, 2] }));
    /// # Ok::<(), mrisynth_volume::Error>(())
    /// ```
    #[must_use]
    pub fn bounding_box_where(&self, inside: impl Fn(&T) -> bool + Sync) -> Option<VoxelBox> {
        let [nx, ny, _] = self.geometry().shape();
        let bounds = self
            .voxels()
            .par_chunks(nx * ny)
            .enumerate()
            .filter_map(|(z, plane)| plane_bounds(plane, nx, &inside).map(|[x, y]| [x, y, (z, z)]))
            .reduce_with(union)?;
        let start = bounds.map(|(first, _)| first as i64);
        Some(VoxelBox { start, shape: bounds.map(|(first, last)| last - first + 1) })
    }
}

impl Volume {
    /// The smallest box that holds every voxel above `threshold`; `None` without any.
    #[must_use]
    pub fn foreground_box(&self, threshold: f32) -> Option<VoxelBox> {
        self.bounding_box_where(|&value| value > threshold)
    }
}

impl Volume<bool> {
    /// The smallest box that holds the mask; `None` when it is empty.
    #[must_use]
    pub fn bounding_box(&self) -> Option<VoxelBox> {
        self.bounding_box_where(|&inside| inside)
    }
}

impl LabelMap {
    /// The smallest box that holds every voxel with one of these labels; `None` without any.
    #[must_use]
    pub fn bounding_box(&self, labels: &[i32]) -> Option<VoxelBox> {
        self.bounding_box_where(|label| labels.contains(label))
    }

    /// The smallest box that holds every voxel with a label other than 0; `None` without any.
    #[must_use]
    pub fn foreground_box(&self) -> Option<VoxelBox> {
        self.bounding_box_where(|&label| label != 0)
    }
}

fn plane_bounds<T>(
    plane: &[T],
    nx: usize,
    inside: &impl Fn(&T) -> bool,
) -> Option<[(usize, usize); 2]> {
    let mut bounds: Option<[(usize, usize); 2]> = None;
    for (y, row) in plane.chunks_exact(nx).enumerate() {
        let Some(first) = row.iter().position(inside) else { continue };
        let last = row.iter().rposition(inside).unwrap_or(first);
        let [(x0, x1), (y0, _)] = bounds.unwrap_or([(first, last), (y, y)]);
        bounds = Some([(x0.min(first), x1.max(last)), (y0, y)]);
    }
    bounds
}

fn union(a: Bounds, b: Bounds) -> Bounds {
    std::array::from_fn(|axis| (a[axis].0.min(b[axis].0), a[axis].1.max(b[axis].1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Affine, Geometry};

    #[test]
    fn boxes_hold_exactly_the_marked_voxels() {
        let geometry = Geometry::new([7, 6, 5], Affine::identity()).unwrap();
        let marked = [[2, 1, 3], [5, 1, 1], [3, 4, 2]];
        let mask = Volume::from_fn(geometry, |voxel| marked.contains(&voxel));
        let expected = VoxelBox { start: [2, 1, 1], shape: [4, 4, 3] };
        assert_eq!(mask.bounding_box(), Some(expected));
        let labels = mask.map(|&m| if m { 17 } else { 0 });
        assert_eq!(labels.bounding_box(&[17, 53]), Some(expected));
        assert_eq!(labels.foreground_box(), Some(expected));
        assert_eq!(labels.bounding_box(&[53]), None);
    }

    #[test]
    fn nan_is_never_foreground() {
        let geometry = Geometry::new([3, 1, 1], Affine::identity()).unwrap();
        let volume = Volume::new(vec![f32::NAN, 0.5, f32::NEG_INFINITY], geometry).unwrap();
        let expected = VoxelBox { start: [1, 0, 0], shape: [1, 1, 1] };
        assert_eq!(volume.foreground_box(0.0), Some(expected));
        assert_eq!(volume.foreground_box(0.5), None);
    }
}
