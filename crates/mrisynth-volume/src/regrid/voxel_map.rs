//! The map from target voxels to source voxels, and its simple cases.

use crate::affine::Affine;
use crate::geometry::Geometry;

/// Two maps that nowhere on the grid differ by more than this, in source voxels, are the same.
///
/// An affine stored in `f32` (NIfTI) is off by up to about 5e-5 voxels at the far corner of a scan.
/// This is above that, and far below what any registration resolves.
pub(super) const GRID_TOLERANCE: f64 = 1e-4;

/// How far rounding can take a coordinate across a boundary, in voxels, with ample room: composing
/// two affines in `f64` is off by about 1e-13.
pub(super) const ROUNDING: f64 = 1e-7;

/// Where a target voxel lies in the source, in continuous voxel indices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum VoxelMap {
    /// Every target axis runs along a source axis.
    Aligned(AlignedMap),
    /// The axes are at an angle: rows of the matrix, one for each source axis.
    Oblique([[f64; 4]; 3]),
}

/// Along each target axis `t`: `source[axis[t]] = scale[t] · target[t] + offset[t]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AlignedMap {
    pub(super) axis: [usize; 3],
    pub(super) scale: [f64; 3],
    pub(super) offset: [f64; 3],
}

/// The affine from target voxels to source voxels.
pub(super) fn target_to_source(source: &Geometry, target: &Geometry) -> Affine {
    source.world_to_voxel().compose(target.voxel_to_world())
}

impl VoxelMap {
    pub(super) fn between(source: &Geometry, target: &Geometry) -> Self {
        let rows = target_to_source(source, target).rows();
        let oblique = [rows[0], rows[1], rows[2]];
        match AlignedMap::of(&oblique, target.shape()) {
            Some(aligned) => Self::Aligned(aligned),
            None => Self::Oblique(oblique),
        }
    }

    /// The rows of the matrix, one for each source axis.
    pub(super) fn rows(&self) -> [[f64; 4]; 3] {
        match self {
            Self::Oblique(rows) => *rows,
            Self::Aligned(map) => {
                let mut rows = [[0.0; 4]; 3];
                for t in 0..3 {
                    rows[map.axis[t]][t] = map.scale[t];
                    rows[map.axis[t]][3] = map.offset[t];
                }
                rows
            }
        }
    }

    /// True when every target voxel falls on a source voxel: moving them is a copy.
    pub(super) fn is_lattice(&self) -> bool {
        matches!(self, Self::Aligned(map) if (0..3).all(|t| map.is_whole(t)))
    }
}

impl AlignedMap {
    /// The axis permutation alone: target axis `t` is source axis `axis[t]`, unflipped.
    pub(super) fn permutation(axis: [usize; 3]) -> Self {
        Self { axis, scale: [1.0; 3], offset: [0.0; 3] }
    }

    fn of(rows: &[[f64; 4]; 3], target_shape: [usize; 3]) -> Option<Self> {
        let last = target_shape.map(|n| (n - 1) as f64);
        let nearest = |t: usize| {
            (0..3).max_by(|&a, &b| rows[a][t].abs().total_cmp(&rows[b][t].abs())).unwrap_or(t)
        };
        let axis = [0, 1, 2].map(nearest);
        let mut map = Self::permutation(axis);
        for s in 0..3 {
            let t = axis.iter().position(|&of_target| of_target == s)?;
            // How far this source index strays over the grid along the other two target axes.
            let drift: f64 =
                (0..3).filter(|&other| other != t).map(|o| rows[s][o].abs() * last[o]).sum();
            if drift > GRID_TOLERANCE || drift.is_nan() {
                return None;
            }
            (map.scale[t], map.offset[t]) = snapped(rows[s][t], rows[s][3], last[t]);
        }
        Some(map)
    }

    /// True when target axis `t` steps from source voxel to source voxel.
    fn is_whole(&self, t: usize) -> bool {
        self.scale[t].abs() == 1.0 && self.offset[t].fract() == 0.0
    }

    /// The continuous source index, along source axis `axis[t]`, of an index along target axis `t`.
    pub(super) fn coordinate(&self, t: usize, index: usize) -> f64 {
        self.scale[t] * index as f64 + self.offset[t]
    }

    /// The map between the target and a source whose axes were brought into the target's order.
    pub(super) fn with_source_permuted(self) -> Self {
        Self { axis: [0, 1, 2], ..self }
    }

    /// The map between the source and a target whose axes were brought into the source's order.
    pub(super) fn with_target_permuted(self) -> Self {
        let mut map = Self::permutation([0, 1, 2]);
        for t in 0..3 {
            map.scale[self.axis[t]] = self.scale[t];
            map.offset[self.axis[t]] = self.offset[t];
        }
        map
    }
}

/// A step and offset along an axis, made whole when they are so within the tolerance.
fn snapped(scale: f64, offset: f64, last: f64) -> (f64, f64) {
    let (whole_scale, whole_offset) = (1_f64.copysign(scale), offset.round());
    if (scale - whole_scale).abs() * last + (offset - whole_offset).abs() <= GRID_TOLERANCE {
        return (whole_scale, whole_offset);
    }
    (scale, offset)
}

/// True when a continuous index lies in the field of view of an axis of `n` voxels, whose outer
/// voxels reach half a voxel beyond their centres. NaN lies outside.
#[inline]
pub(super) fn is_inside(coordinate: f64, n: usize) -> bool {
    coordinate >= -0.5 - ROUNDING && coordinate <= n as f64 - 0.5 + ROUNDING
}

/// The voxel nearest to a continuous index inside the field of view. Half-way indices go up, as in
/// SciPy and ITK, also when rounding left them a little below.
#[inline]
pub(super) fn nearest_index(coordinate: f64, n: usize) -> usize {
    // The cast truncates towards zero, and nothing inside is below −½; it saturates at 0.
    ((coordinate + (0.5 + ROUNDING)) as usize).min(n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orientation::Orientation;

    fn grid(columns: [[f64; 3]; 3], origin: [f64; 3]) -> Geometry {
        Geometry::new([20, 30, 40], Affine::from_columns(columns, origin).unwrap()).unwrap()
    }

    fn oblique() -> Geometry {
        grid([[-0.92, 0.05, 0.21], [0.11, 1.04, 0.33], [0.35, -0.62, 2.05]], [88.5, -101.0, -60.0])
    }

    #[test]
    fn reorienting_an_oblique_grid_is_a_lattice_map() {
        let turned = oblique().reoriented("SRP".parse::<Orientation>().unwrap());
        let map = VoxelMap::between(&oblique(), &turned);
        assert!(map.is_lattice());
        let VoxelMap::Aligned(map) = map else { panic!("{map:?}") };
        assert_eq!((map.axis, map.scale), ([2, 0, 1], [1.0, -1.0, -1.0]));
        assert_eq!(map.offset, [0.0, 19.0, 29.0]);
    }

    #[test]
    fn an_affine_rounded_to_f32_is_the_same_grid() {
        let rows = oblique().voxel_to_world().rows().map(|row| row.map(|v| f64::from(v as f32)));
        let rounded = Geometry::new(oblique().shape(), Affine::from_rows(rows).unwrap()).unwrap();
        assert!(VoxelMap::between(&oblique(), &rounded).is_lattice());
    }

    #[test]
    fn a_shift_of_a_thousandth_of_a_voxel_is_no_lattice_map() {
        let shifted = oblique().voxel_to_world().with_origin_at_voxel([0.0, 1e-3, 0.0]);
        let shifted = Geometry::new(oblique().shape(), shifted).unwrap();
        assert!(!VoxelMap::between(&oblique(), &shifted).is_lattice());
    }

    #[test]
    fn a_new_spacing_is_aligned_and_a_rotation_is_not() {
        let coarse = oblique().with_spacing_mm([1.5; 3]).unwrap();
        assert!(matches!(VoxelMap::between(&oblique(), &coarse), VoxelMap::Aligned(_)));
        let straight = grid([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
        assert!(matches!(VoxelMap::between(&oblique(), &straight), VoxelMap::Oblique(_)));
    }

    #[test]
    fn half_way_indices_go_up_even_when_rounding_left_them_below() {
        for (index, expected) in [(-0.5, 0), (0.5, 1), (0.5 - 1e-12, 1), (1.4999, 1), (3.5, 3)] {
            assert_eq!(nearest_index(index, 4), expected, "{index}");
        }
        assert!(is_inside(-0.5 - 1e-9, 4) && is_inside(3.5 + 1e-9, 4));
        assert!(!is_inside(-0.5001, 4) && !is_inside(3.5001, 4) && !is_inside(f64::NAN, 4));
    }
}
