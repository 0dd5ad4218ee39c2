//! One block of tiles, from input voxels to output voxels.
#![expect(unsafe_code, reason = "blocks write interleaved voxels of one output")]

use std::marker::PhantomData;
use std::ops::Range;
use std::ptr;

use super::packing::taps_to_points;
use super::plan::Plan;
use super::planes::{N, Voxels, points_to_tile, tile_to_points};
use super::points::{input_transform, output_transform};
use super::{Points, WinogradWeights};
use crate::conv_shape::ConvShape;
use crate::kernels::aligned::LINE;
use crate::kernels::conv_element::Element;
use crate::kernels::gemm::{Init, Order, Rows, multiply, packed_index};
use crate::kernels::vector::{Task, Vector};

/// Rows of the largest matrix kernel: sums of that many tiles wait for their transform along x.
const MAX_ROWS: usize = 12;
/// Columns of the products that wait for their transform over y and z.
const COLUMNS: usize = 128;
/// An output that many blocks write at once.
#[derive(Clone, Copy)]
pub(super) struct Output<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: blocks of one output write disjoint numbers, and none reads.
unsafe impl<T: Element> Send for Output<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Element> Sync for Output<'_, T> {}

impl<'a, T: Element> Output<'a, T> {
    pub(super) fn new(y: &'a mut [T]) -> Self {
        Self { start: y.as_mut_ptr(), len: y.len(), slice: PhantomData }
    }

    /// What begins `offset` numbers further.
    pub(super) fn part(self, offset: usize) -> Self {
        assert!(offset <= self.len, "a part beyond the output");
        // SAFETY: within the slice, as asserted.
        Self { start: unsafe { self.start.add(offset) }, len: self.len - offset, ..self }
    }

    /// Where `len` numbers from `offset` on begin.
    fn place(self, offset: usize, len: usize) -> *mut T {
        assert!(offset + len <= self.len, "a place beyond the output");
        // SAFETY: within the slice, as asserted.
        unsafe { self.start.add(offset) }
    }
}

/// One item of a batch.
#[derive(Clone, Copy)]
pub(super) struct Item<'a, T> {
    pub(super) weights: &'a WinogradWeights,
    pub(super) shape: &'a ConvShape,
    pub(super) x: &'a [T],
    pub(super) bias: &'a [f32],
    pub(super) residual: Option<&'a [T]>,
    pub(super) y: Output<'a, T>,
}

/// Some tiles and columns of one item.
pub(super) struct Block<'a, T> {
    item: Item<'a, T>,
    /// Tiles along y and along z.
    plane: [usize; 2],
    x_tiles: Range<usize>,
    plane_tiles: Range<usize>,
    columns: Range<usize>,
}

impl<'a, T: Element> Block<'a, T> {
    /// Block `index` of `plan.n_blocks() · plan.column_ranges()`.
    pub(super) fn new(item: Item<'a, T>, plan: &Plan, index: usize) -> Self {
        let cut =
            |index: usize, step: usize, end: usize| index * step..(index * step + step).min(end);
        let [nx, ny, nz] = plan.tiles;
        let (index, range) = (index / plan.column_ranges(), index % plan.column_ranges());
        let plane_cuts = (ny * nz).div_ceil(plan.plane_tiles);
        Self {
            item,
            plane: [ny, nz],
            x_tiles: cut(index / plane_cuts, plan.x_tiles, nx),
            plane_tiles: cut(index % plane_cuts, plan.plane_tiles, ny * nz),
            columns: cut(range, plan.columns, plan.c_out),
        }
    }
}

/// The products of one group of rows with one panel at all points along x.
#[repr(align(64))]
struct Products([f32; N * MAX_ROWS * 2 * LINE]);

/// What is multiplied: packed rows, and room for a panel of weights at all points along x.
struct Factors<'a> {
    packed: &'a [f32],
    panel: &'a mut [f32],
}

/// Sizes of the buffers of a block, in numbers.
pub(super) struct Sizes {
    /// Channels of the input, padded to whole vectors.
    c_in: usize,
    /// From point to point of the transformed input: `[point][plane of x][tile][channel]`.
    point: usize,
    /// From x point to x point of the packed rows: `[x point]`, then the rows, packed.
    packed: usize,
    /// Rows: tiles along x times tiles of the plane.
    rows: usize,
    /// Columns that are done at once, padded.
    columns: usize,
    /// From point to point of the sums: `[point][plane of x][tile][column]`.
    sums: usize,
    /// Buffers of points, packed rows, a panel of weights and sums.
    lengths: [usize; 4],
}

impl Sizes {
    pub(super) fn new<T: Element>(block: &Block<'_, T>, lanes: usize) -> Self {
        let (n_x, n_plane) = (block.x_tiles.len(), block.plane_tiles.len());
        let Points { yz, x: x_points } = block.item.weights.points;
        let (c_in, rows) = (block.item.shape.c_in.next_multiple_of(lanes), n_x * n_plane);
        let columns = block.columns.len().next_multiple_of(lanes).min(COLUMNS);
        // A line more from point to point, lest all points share one set of a cache.
        let point = (n_x * (x_points - 2) + 2) * n_plane * c_in + LINE;
        let sums = n_x * (x_points - 2) * n_plane * columns + LINE;
        let packed = rows.next_multiple_of(MAX_ROWS) * c_in;
        let panel = x_points * block.item.shape.c_in * 2 * lanes;
        let lengths = [yz * yz * point, x_points * packed, panel, yz * yz * sums];
        let lengths = lengths.map(|length| length.next_multiple_of(LINE));
        Self { c_in, point, packed, rows, columns, sums, lengths }
    }

    pub(super) fn scratch(&self) -> usize {
        self.lengths.iter().sum()
    }
}

/// A block and the memory that it needs.
pub(super) struct Stages<'a, T> {
    pub(super) block: Block<'a, T>,
    pub(super) sizes: Sizes,
    pub(super) scratch: &'a mut [f32],
}

impl<T: Element> Task for Stages<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            match self.block.item.weights.points {
                Points { yz: 4, .. } => self.forward::<V, 6, 4, 2>(),
                Points { x: 4, .. } => self.forward::<V, 4, 6, 4>(),
                _ => self.forward::<V, 6, 6, 4>(),
            }
        }
    }
}

impl<T: Element> Stages<'_, T> {
    /// Passes the block through all stages.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    #[inline(always)]
    unsafe fn forward<V: Vector, const X: usize, const P: usize, const Q: usize>(self) {
        let Self { block, sizes, scratch } = self;
        let (points, rest) = scratch.split_at_mut(sizes.lengths[0]);
        let (packed, rest) = rest.split_at_mut(sizes.lengths[1]);
        let (panel, rest) = rest.split_at_mut(sizes.lengths[2]);
        let sums = &mut rest[..sizes.lengths[3]];
        let zeros = vec![T::default(); sizes.c_in];
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            block.transform_input::<V, X, P>(&sizes, &zeros, points);
            for first in block.columns.clone().step_by(COLUMNS) {
                let columns = first..(first + COLUMNS).min(block.columns.end);
                for point in 0..P * P {
                    let points = &points[point * sizes.point..][..sizes.point];
                    pack::<V, X>(&sizes, block.plane_tiles.len(), points, packed);
                    let sums = &mut sums[point * sizes.sums..][..sizes.sums];
                    let columns = columns.clone();
                    let factors = Factors { packed, panel };
                    block.multiply::<V, X, P>(&sizes, point, factors, columns, sums);
                }
                block.transform_sums::<V, X, P, Q>(&sizes, columns, sums);
            }
        }
    }
}

impl<T: Element> Block<'_, T> {
    /// The points of every plane of x that the block's tiles read.
    #[inline(always)]
    unsafe fn transform_input<V: Vector, const X: usize, const P: usize>(
        &self,
        sizes: &Sizes,
        zeros: &[T],
        points: &mut [f32],
    ) {
        let shape = self.item.shape;
        let n_plane = self.plane_tiles.len();
        for plane in 0..self.x_tiles.len() * (X - 2) + 2 {
            let ix = (self.x_tiles.start * (X - 2) + plane).checked_sub(shape.padding[0]);
            let Some(ix) = ix.filter(|&ix| ix < shape.input[0]) else {
                for points in points.chunks_mut(sizes.point).take(P * P) {
                    points[plane * n_plane * sizes.c_in..][..n_plane * sizes.c_in].fill(0.0);
                }
                continue;
            };
            let mut voxels: Voxels<T, P> = self.voxels(ix, self.plane_tiles.start, zeros);
            for (index, tile) in self.plane_tiles.clone().enumerate() {
                let next = self.voxels(ix, tile + 1, zeros);
                let to = &mut points[(plane * n_plane + index) * sizes.c_in..];
                // SAFETY: each pointer is that of a slice of `c_in` numbers, or of as many zeros.
                unsafe {
                    tile_to_points::<V, T, P, P>(&voxels, &next, shape.c_in, to, sizes.point)
                };
                voxels = next;
            }
        }
    }

    /// Where the voxels under a tile of the plane `ix` begin.
    fn voxels<const P: usize>(&self, ix: usize, tile: usize, zeros: &[T]) -> Voxels<T, P> {
        let shape = self.item.shape;
        let (ty, tz) = (tile / self.plane[1] * (P - 2), tile % self.plane[1] * (P - 2));
        let mut voxels = [[zeros.as_ptr(); P]; P];
        for i in 0..P {
            let iy = (ty + i).checked_sub(shape.padding[1]).filter(|&iy| iy < shape.input[1]);
            let Some(iy) = iy else { continue };
            let row = (ix * shape.input[1] + iy) * shape.input[2];
            for j in 0..P {
                let Some(iz) = (tz + j).checked_sub(shape.padding[2]) else { continue };
                if iz < shape.input[2] {
                    voxels[i][j] = self.item.x[(row + iz) * shape.c_in..][..shape.c_in].as_ptr();
                }
            }
        }
        voxels
    }

    /// The products of one point with some columns, transformed back along x.
    #[inline(always)]
    unsafe fn multiply<V: Vector, const X: usize, const P: usize>(
        &self,
        sizes: &Sizes,
        point: usize,
        Factors { packed, panel }: Factors<'_>,
        columns: Range<usize>,
        sums: &mut [f32],
    ) {
        let (c_in, n_plane) = (self.item.shape.c_in, self.plane_tiles.len());
        let weights = self.item.weights.packed.as_slice();
        let zeros = [0.0; 2 * LINE];
        let mut products = Products([0.0; N * MAX_ROWS * 2 * LINE]);
        let step = V::ROWS;
        for (column, vectors) in self.item.weights.panels.iter() {
            if !columns.contains(&column) {
                continue;
            }
            let width = vectors * V::LANES;
            let depth = 3 * c_in;
            let taps = &weights[P * P * depth * column + point * depth * width..];
            // SAFETY: the caller vouches for the instructions.
            unsafe { taps_to_points::<V, X>(&taps[..depth * width], panel) };
            for first in (0..sizes.rows).step_by(step) {
                let rows = step.min(sizes.rows - first);
                for s in 0..X {
                    let data = &packed[s * sizes.packed + first * sizes.c_in..];
                    let a = Rows { data, order: Order::Packed, rows, k: c_in };
                    let panel = &panel[s * c_in * width..][..c_in * width];
                    let to = &mut products.0[s * MAX_ROWS * width..][..MAX_ROWS * width];
                    // SAFETY: the caller vouches for the instructions.
                    unsafe { multiply::<V>(a, panel, vectors, Init::Row(&zeros), to, width) };
                }
                for row in 0..rows {
                    let (x, tile) = ((first + row) / n_plane, (first + row) % n_plane);
                    let from = &products.0[row * width..][..((X - 1) * MAX_ROWS + 1) * width];
                    let at =
                        (x * (X - 2) * n_plane + tile) * sizes.columns + column - columns.start;
                    let stride = n_plane * sizes.columns;
                    let to = &mut sums[at..][..(X - 3) * stride + width];
                    for v in 0..vectors {
                        // SAFETY: `from` holds X rows MAX_ROWS apart, `to` X − 2 planes.
                        unsafe {
                            let mut m = [V::splat(0.0); X];
                            for s in 0..X {
                                let at = s * MAX_ROWS * width + v * V::LANES;
                                m[s] = V::load(from.as_ptr().add(at));
                            }
                            let out = output_transform(m);
                            for i in 0..X - 2 {
                                out[i].store(to.as_mut_ptr().add(i * stride + v * V::LANES));
                            }
                        }
                    }
                }
            }
        }
    }

    /// The output voxels of some columns.
    #[inline(always)]
    unsafe fn transform_sums<V: Vector, const X: usize, const P: usize, const Q: usize>(
        &self,
        sizes: &Sizes,
        columns: Range<usize>,
        sums: &[f32],
    ) {
        let shape = self.item.shape;
        let [nx, ny, nz] = shape.output;
        let n_plane = self.plane_tiles.len();
        let bias = &self.item.bias[columns.start..];
        let first = self.x_tiles.start * (X - 2);
        for plane in 0..(self.x_tiles.len() * (X - 2)).min(nx - first) {
            for (index, tile) in self.plane_tiles.clone().enumerate() {
                let (ty, tz) = (tile / self.plane[1] * Q, tile % self.plane[1] * Q);
                let mut voxels = [[ptr::null_mut(); Q]; Q];
                let mut added = [[ptr::null(); Q]; Q];
                for (i, j) in (0..Q).flat_map(|i| (0..Q).map(move |j| (i, j))) {
                    if ty + i < ny && tz + j < nz {
                        let voxel = ((first + plane) * ny + ty + i) * nz + tz + j;
                        let at = voxel * shape.c_out + columns.start;
                        voxels[i][j] = self.item.y.place(at, columns.len());
                        if let Some(residual) = self.item.residual {
                            added[i][j] = residual[at..][..columns.len()].as_ptr();
                        }
                    }
                }
                let from = &sums[(plane * n_plane + index) * sizes.columns..];
                // SAFETY: each place is null or holds the block's columns of one of its own voxels, and
                // so do those of the residual.
                unsafe {
                    points_to_tile::<V, T, P, Q>(
                        from,
                        sizes.sums,
                        bias,
                        columns.len(),
                        &voxels,
                        &added,
                    );
                }
            }
        }
    }
}

/// Transforms the rows of one point along x, into the order in which the products read them.
#[inline(always)]
unsafe fn pack<V: Vector, const X: usize>(
    sizes: &Sizes,
    n_plane: usize,
    points: &[f32],
    packed: &mut [f32],
) {
    let plane = n_plane * sizes.c_in;
    assert!(X * sizes.packed <= packed.len(), "rows beyond the buffer");
    for row in 0..sizes.rows {
        let (x, tile) = (row / n_plane, row % n_plane);
        let from = &points[x * (X - 2) * plane + tile * sizes.c_in..];
        assert!((X - 1) * plane + sizes.c_in <= from.len(), "planes beyond the buffer");
        for c in (0..sizes.c_in).step_by(V::LANES) {
            let to = packed_index::<V>(row, c, sizes.c_in);
            // SAFETY: `from` holds this row of X planes; `to` lies below `sizes.packed`, which is
            // that of whole groups of rows, and there are X times as many.
            unsafe {
                let mut d = [V::splat(0.0); X];
                for s in 0..X {
                    d[s] = V::load(from.as_ptr().add(s * plane + c));
                }
                let out = input_transform(d);
                for s in 0..X {
                    out[s].store(packed.as_mut_ptr().add(s * sizes.packed + to));
                }
            }
        }
    }
}
