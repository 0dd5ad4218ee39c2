//! Chunks of tiles, and the transform of their planes over y and z.
#![expect(unsafe_code, reason = "vector instructions on pointers to single voxels")]

use std::ops::Range;

use super::super::planes::{N, POINTS, TILE, Voxels, tile_to_points};
use crate::conv_shape::ConvShape;
use crate::kernels::aligned::LINE;
use crate::kernels::conv_element::Element;
use crate::kernels::vector::{Task, Vector};

/// Tiles of a chunk, about, and those along x: the points of a chunk should stay in a shared cache,
/// and every chunk costs one pass over all sums.
const TILES: usize = 128;
const X_TILES: usize = 4;

/// Some tiles of every item.
pub(super) struct Chunk {
    pub(super) x_points: usize,
    /// Tiles along z.
    tiles_z: usize,
    pub(super) x_tiles: Range<usize>,
    /// Tiles over y and z, in their joint order.
    pub(super) plane_tiles: Range<usize>,
}

impl Chunk {
    /// All chunks of an item, of nearly equal size.
    pub(super) fn all(shape: &ConvShape, x_points: usize) -> Vec<Self> {
        let [x, y, z] = shape.output;
        let (tiles_x, tiles_z) = (x.div_ceil(x_points - 2), z.div_ceil(TILE));
        let plane = y.div_ceil(TILE) * tiles_z;
        let nearest = |n: usize, step: usize| ((n + step / 2) / step).max(1);
        let x_cuts = nearest(tiles_x, X_TILES);
        let plane_cuts = nearest(plane, (TILES * x_cuts / tiles_x).max(1));
        let cut = |n: usize, i: usize, cuts: usize| n * i / cuts..n * (i + 1) / cuts;
        let index = (0..plane_cuts).flat_map(|p| (0..x_cuts).map(move |x| (x, p)));
        index
            .map(|(x, p)| Self {
                x_points,
                tiles_z,
                x_tiles: cut(tiles_x, x, x_cuts),
                plane_tiles: cut(plane, p, plane_cuts),
            })
            .collect()
    }

    pub(super) fn tiles(&self) -> usize {
        self.x_tiles.len() * self.plane_tiles.len()
    }
}

/// Where the points of one factor of a chunk lie: `[plane of x][point][tile][channel]`.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) planes: usize,
    /// From plane to plane, and from point to point.
    pub(super) plane: usize,
    pub(super) point: usize,
    /// Channels, padded to whole vectors.
    pub(super) channels: usize,
    /// Planes under one tile.
    pub(super) depth: usize,
}

impl Layout {
    /// Of the input (`factor` 0) or the output's gradient (1).
    pub(super) fn new(chunk: &Chunk, factor: usize, channels: usize) -> Self {
        let outputs = chunk.x_points - 2;
        let depth = if factor == 0 { outputs + 2 } else { outputs };
        // A line more from point to point, lest all points share one set of a cache.
        let point = chunk.plane_tiles.len() * channels.next_multiple_of(LINE) + LINE;
        let planes = chunk.x_tiles.len() * outputs + depth - outputs;
        Self { planes, plane: POINTS * point, point, channels, depth }
    }

    pub(super) fn length(self) -> usize {
        self.planes * self.plane
    }
}

/// Voxels of one item, `[x, y, z, channels]`, and the zeros around them.
pub(super) struct Volume<'a, T> {
    values: &'a [T],
    size: [usize; 3],
    channels: usize,
    /// Zeros before each axis.
    padding: [usize; 3],
    zeros: &'a [T],
}

impl<'a, T: Element> Volume<'a, T> {
    pub(super) fn new(
        values: &'a [T],
        size: [usize; 3],
        channels: usize,
        padding: [usize; 3],
        zeros: &'a [T],
    ) -> Self {
        assert!(channels <= zeros.len(), "fewer zeros than channels");
        Self { values, size, channels, padding, zeros }
    }

    /// A padded index along an axis, if there is a voxel.
    fn index(&self, axis: usize, padded: usize) -> Option<usize> {
        padded.checked_sub(self.padding[axis]).filter(|&index| index < self.size[axis])
    }

    /// Where the voxels from `[y, z]` (padded) of the plane `x` begin.
    #[inline(always)]
    fn voxels<const S: usize>(&self, x: usize, [y, z]: [usize; 2]) -> Voxels<T, S> {
        let mut voxels = [[self.zeros.as_ptr(); S]; S];
        for (i, voxels) in voxels.iter_mut().enumerate() {
            let Some(y) = self.index(1, y + i) else { continue };
            let row = (x * self.size[1] + y) * self.size[2];
            for (j, voxel) in voxels.iter_mut().enumerate() {
                let Some(z) = self.index(2, z + j) else { continue };
                *voxel = self.values[(row + z) * self.channels..][..self.channels].as_ptr();
            }
        }
        voxels
    }
}

/// One plane of x of one factor of a chunk, to its points.
pub(super) struct Plane<'a, T> {
    pub(super) volume: &'a Volume<'a, T>,
    pub(super) chunk: &'a Chunk,
    pub(super) layout: Layout,
    /// Counted from the chunk's first.
    pub(super) plane: usize,
    pub(super) points: &'a mut [f32],
}

impl<T: Element> Task for Plane<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            if self.layout.depth == self.chunk.x_points {
                self.transform::<V, N>();
            } else {
                self.transform::<V, TILE>();
            }
        }
    }
}

impl<T: Element> Plane<'_, T> {
    /// # Safety
    /// The processor has the instructions of `V`.
    #[inline(always)]
    unsafe fn transform<V: Vector, const S: usize>(self) {
        let Self { volume, chunk, layout, plane, points } = self;
        let Some(x) = volume.index(0, chunk.x_tiles.start * (chunk.x_points - 2) + plane) else {
            points.fill(0.0);
            return;
        };
        let corner = |tile: usize| [tile / chunk.tiles_z * TILE, tile % chunk.tiles_z * TILE];
        let mut voxels = volume.voxels::<S>(x, corner(chunk.plane_tiles.start));
        for (index, tile) in chunk.plane_tiles.clone().enumerate() {
            let next = volume.voxels::<S>(x, corner(tile + 1));
            let to = &mut points[index * layout.channels..];
            // SAFETY: each pointer is that of a slice of the volume's channels, or of as many zeros.
            unsafe {
                tile_to_points::<V, T, S, N>(&voxels, &next, volume.channels, to, layout.point);
            }
            voxels = next;
        }
    }
}
