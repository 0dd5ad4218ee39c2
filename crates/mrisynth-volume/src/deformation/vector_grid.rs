//! Vectors on a grid, and between its voxels.

use rayon::prelude::*;

use crate::affine::Affine;
use crate::geometry::Geometry;
use crate::volume::Volume;

/// Voxels that one task handles at a time.
const CHUNK: usize = 1 << 14;

/// A vector at every voxel of a grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct VectorGrid {
    geometry: Geometry,
    world_to_voxel: Affine,
    vectors: Vec<[f32; 3]>,
}

impl VectorGrid {
    /// As many vectors as the geometry has voxels.
    pub(super) fn new(geometry: Geometry, vectors: Vec<[f32; 3]>) -> Self {
        debug_assert_eq!(vectors.len(), geometry.n_voxels());
        Self { geometry, world_to_voxel: geometry.world_to_voxel(), vectors }
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(super) fn vectors(&self) -> &[[f32; 3]] {
        &self.vectors
    }

    /// Each vector replaced.
    pub(super) fn map(&self, new: impl Fn([f32; 3]) -> [f32; 3] + Sync) -> Self {
        let mut vectors = vec![[0.0; 3]; self.vectors.len()];
        let chunks = vectors.par_chunks_mut(CHUNK).zip(self.vectors.par_chunks(CHUNK));
        chunks.for_each(|(out, old)| out.iter_mut().zip(old).for_each(|(o, v)| *o = new(*v)));
        Self { vectors, ..self.clone_grid() }
    }

    /// The vectors of a function of the voxel, row by row in parallel.
    pub(super) fn map_indexed(&self, new: impl Fn([usize; 3]) -> [f32; 3] + Sync) -> Self {
        let [nx, ny, _] = self.geometry.shape();
        let mut vectors = vec![[0.0; 3]; self.vectors.len()];
        vectors.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
            let (y, z) = (row % ny, row / ny);
            out.iter_mut().enumerate().for_each(|(x, o)| *o = new([x, y, z]));
        });
        Self { vectors, ..self.clone_grid() }
    }

    fn clone_grid(&self) -> Self {
        let Self { geometry, world_to_voxel, .. } = *self;
        Self { geometry, world_to_voxel, vectors: Vec::new() }
    }

    pub(super) fn at(&self, [x, y, z]: [usize; 3]) -> [f32; 3] {
        let [nx, ny, _] = self.geometry.shape();
        self.vectors[x + nx * (y + ny * z)]
    }

    /// The vector at a world point, interpolated.
    pub(super) fn at_world(&self, point_mm: [f64; 3]) -> [f32; 3] {
        self.between(self.world_to_voxel.apply(point_mm).map(|c| c as f32))
    }

    /// The vector between voxels by trilinear interpolation; beyond the outer voxels, theirs.
    pub(super) fn between(&self, position: [f32; 3]) -> [f32; 3] {
        let (start, steps, t) = corner(position, self.geometry.shape());
        let blend = |a: [f32; 3], b: [f32; 3], t: f32| -> [f32; 3] {
            std::array::from_fn(|c| a[c] + t * (b[c] - a[c]))
        };
        let v = &self.vectors;
        let along_x = |at: usize| blend(v[at], v[at + steps[0]], t[0]);
        let along_y = |at: usize| blend(along_x(at), along_x(at + steps[1]), t[1]);
        blend(along_y(start), along_y(start + steps[2]), t[2])
    }

    pub(super) fn to_volume(&self) -> Volume<[f32; 3]> {
        let [nx, ny, _] = self.geometry.shape();
        Volume::from_fn(self.geometry, |[x, y, z]| self.vectors[x + nx * (y + ny * z)])
    }
}

/// For interpolation between eight voxels: the index of the low corner, the steps to the high
/// neighbours (0 at the border), and the fractions towards them. Positions outside are moved to the
/// nearest voxel.
pub(super) fn corner(position: [f32; 3], shape: [usize; 3]) -> (usize, [usize; 3], [f32; 3]) {
    let strides = [1, shape[0], shape[0] * shape[1]];
    let (mut start, mut steps, mut t) = (0, [0; 3], [0.0; 3]);
    for a in 0..3 {
        let clamped = position[a].clamp(0.0, (shape[a] - 1) as f32);
        let low = clamped as usize; // rounds down; NaN becomes 0
        start += low * strides[a];
        steps[a] = if low + 1 < shape[a] { strides[a] } else { 0 };
        t[a] = clamped - low as f32;
    }
    (start, steps, t)
}

/// The linear part of a map, for vectors.
pub(super) fn linear_map(affine: &Affine) -> impl Fn([f32; 3]) -> [f32; 3] + Sync + use<> {
    let rows = affine.rows();
    move |v: [f32; 3]| {
        let v = v.map(f64::from);
        [0, 1, 2].map(|r| (rows[r][0] * v[0] + rows[r][1] * v[1] + rows[r][2] * v[2]) as f32)
    }
}
