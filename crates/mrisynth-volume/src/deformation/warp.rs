//! Images on a grid, sampled where a displacement field points.

use rayon::prelude::*;

use super::vector_grid::{VectorGrid, corner, linear_map};
use crate::geometry::Geometry;
use crate::volume::{LabelMap, Volume};

/// A displacement field seen from an image's grid: voxel `p` is taken from `p + u(p)`.
pub(super) struct Warp<'a> {
    displacement_mm: &'a VectorGrid,
    shape: [usize; 3],
    /// Image voxel to field voxel.
    image_to_field: [[f64; 4]; 4],
    world_to_image: Box<dyn Fn([f32; 3]) -> [f32; 3] + Sync>,
}

impl<'a> Warp<'a> {
    pub(super) fn new(displacement_mm: &'a VectorGrid, image: &Geometry) -> Self {
        let world_to_field = displacement_mm.geometry().world_to_voxel();
        Self {
            displacement_mm,
            shape: image.shape(),
            image_to_field: world_to_field.compose(image.voxel_to_world()).rows(),
            world_to_image: Box::new(linear_map(&image.world_to_voxel())),
        }
    }

    pub(super) fn linear(&self, volume: &Volume) -> Volume {
        let voxels = volume.voxels();
        self.sampled(volume, |position| {
            let (start, steps, t) = corner(position, self.shape);
            let blend = |a: f32, b: f32, t: f32| if t == 0.0 { a } else { a + t * (b - a) };
            let along_x = |at: usize| blend(voxels[at], voxels[at + steps[0]], t[0]);
            let along_y = |at: usize| blend(along_x(at), along_x(at + steps[1]), t[1]);
            blend(along_y(start), along_y(start + steps[2]), t[2])
        })
    }

    pub(super) fn nearest(&self, labels: &LabelMap) -> LabelMap {
        let voxels = labels.voxels();
        let [nx, ny, _] = self.shape;
        self.sampled(labels, |position| {
            let [x, y, z] = [0, 1, 2].map(|a| {
                let clamped = position[a].clamp(0.0, (self.shape[a] - 1) as f32);
                (clamped + 0.5) as usize // half-way goes up; NaN becomes 0
            });
            voxels[x.min(nx - 1) + nx * (y + ny * z)]
        })
    }

    /// The value of a function of the position each voxel is taken from, row by row in parallel.
    fn sampled<T: Copy + Default + Send + Sync>(
        &self,
        image: &Volume<T>,
        value: impl Fn([f32; 3]) -> T + Sync,
    ) -> Volume<T> {
        let [nx, ny, _] = self.shape;
        let mut out = vec![T::default(); image.voxels().len()];
        let m = &self.image_to_field;
        out.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
            let (y, z) = ((row % ny) as f64, (row / ny) as f64);
            let start = [0, 1, 2].map(|r| m[r][1] * y + m[r][2] * z + m[r][3]);
            for (x, out) in out.iter_mut().enumerate() {
                let in_field = [0, 1, 2].map(|r| (start[r] + m[r][0] * x as f64) as f32);
                let u = (self.world_to_image)(self.displacement_mm.between(in_field));
                *out = value([x as f32 + u[0], y as f32 + u[1], z as f32 + u[2]]);
            }
        });
        image.with_voxels(out)
    }
}
