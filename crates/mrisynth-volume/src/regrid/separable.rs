//! Interpolation where the axes are aligned: one axis after the other, z, y, x.
//!
//! For a block of target rows the source planes are blended along z, then their rows along y, both
//! with the inner loop along contiguous memory; only the last step, along x, picks voxels one by
//! one. Three short sums of `K` replace one of `K³`.

use std::ops::Range;

use rayon::prelude::*;

use super::Shape;
use super::taps::{AxisTaps, Taps, mirrored, weigh};
use super::voxel_map::AlignedMap;

/// Target rows made from one set of blended source rows, which stays in the second-level cache.
const BLOCK_ROWS: usize = 32;

/// Interpolates with `K` taps along each axis; the map must not permute axes. `outside` goes where
/// the field of view of the source does not reach.
pub(super) fn interpolate<const K: usize>(
    (source, source_shape): (&[f32], Shape),
    map: &AlignedMap,
    taps_at: fn(f64, usize) -> Taps<K>,
    outside: f32,
    (target, target_shape): (&mut [f32], Shape),
) {
    debug_assert_eq!(map.axis, [0, 1, 2]);
    let [x, y, z] =
        [0, 1, 2].map(|t| AxisTaps::new(map, t, target_shape[t], source_shape[t], taps_at));
    if [&x, &y, &z].iter().any(|axis| axis.inside.is_empty()) {
        target.par_chunks_mut(1 << 16).for_each(|part| part.fill(outside));
        return;
    }
    let row_taps = RowTaps::new(&x, source_shape[0]);
    let [nx, ny, _] = target_shape;
    target.par_chunks_mut(nx * ny).enumerate().for_each(|(index, plane)| {
        let Some(z_taps) = z.at(index) else {
            plane.fill(outside);
            return;
        };
        let planes = Planes::new(source, source_shape, z_taps);
        let blocks = plane.par_chunks_mut(nx * BLOCK_ROWS).enumerate();
        blocks.for_each_init(Scratch::default, |scratch, (block, rows)| {
            let first_row = block * BLOCK_ROWS;
            let last_row = (first_row + BLOCK_ROWS).min(ny);
            let (from, to) = (y.inside.start.max(first_row), y.inside.end.min(last_row));
            if from < to {
                let needed = needed_indices(&y, from..to, source_shape[1]);
                scratch.blend_planes(&planes, &needed, &row_taps);
                scratch.first = needed.start;
            }
            for (row, out) in (first_row..).zip(rows.chunks_mut(nx)) {
                match y.at(row) {
                    Some(y_taps) => {
                        scratch.blend_rows(y_taps, source_shape[1], &row_taps);
                        out[..x.inside.start].fill(outside);
                        row_taps.interpolate(&scratch.row, &mut out[x.inside.clone()]);
                        out[x.inside.end..].fill(outside);
                    }
                    None => out.fill(outside),
                }
            }
        });
    });
}

/// The source indices, from the lowest to the highest, that some target indices draw on.
fn needed_indices<const K: usize>(
    axis: &AxisTaps<K>,
    targets: Range<usize>,
    n: usize,
) -> Range<usize> {
    let taps = &axis.taps[targets.start - axis.inside.start..targets.end - axis.inside.start];
    let indices = || taps.iter().flat_map(|taps| (0..K).map(move |k| taps.index(k, n)));
    indices().min().unwrap_or(0)..indices().max().map_or(0, |last| last + 1)
}

/// The `K` source planes that a target plane draws on.
struct Planes<'a, const K: usize> {
    planes: [&'a [f32]; K],
    weights: [f32; K],
    row_len: usize,
}

impl<'a, const K: usize> Planes<'a, K> {
    fn new(source: &'a [f32], [nx, ny, nz]: Shape, taps: &Taps<K>) -> Self {
        let planes = std::array::from_fn(|k| &source[taps.index(k, nz) * nx * ny..][..nx * ny]);
        Self { planes, weights: taps.weights, row_len: nx }
    }
}

/// The taps of a row along x, into a buffer where they are contiguous also beyond the ends.
struct RowTaps<const K: usize> {
    /// The source voxels of a row that are needed.
    needed: Range<usize>,
    /// Where in the buffer they begin.
    lead: usize,
    /// The length of the buffer.
    len: usize,
    /// Copies within the buffer, (to, from), that continue it beyond the ends of the axis.
    mirrors: Vec<(usize, usize)>,
    /// For each target voxel inside, where in the buffer its taps begin, and their weights.
    taps: Vec<(usize, [f32; K])>,
}

impl<const K: usize> RowTaps<K> {
    fn new(x: &AxisTaps<K>, n: usize) -> Self {
        let firsts = || x.taps.iter().map(|taps| taps.first);
        let end = n as i64;
        let (mut low, mut high) =
            (firsts().min().unwrap_or(0), firsts().max().unwrap_or(0) + K as i64);
        let beyond: Vec<(i64, i64)> =
            (low..0).chain(end..high).map(|index| (index, mirrored(index, n) as i64)).collect();
        for &(_, mirror) in &beyond {
            (low, high) = (low.min(mirror), high.max(mirror + 1));
        }
        let position = |index: i64| (index - low) as usize;
        let needed = low.max(0)..high.min(end);
        Self {
            lead: position(needed.start),
            needed: needed.start as usize..needed.end as usize,
            len: position(high),
            mirrors: beyond.iter().map(|&(to, from)| (position(to), position(from))).collect(),
            taps: x.taps.iter().map(|taps| (position(taps.first), taps.weights)).collect(),
        }
    }

    fn interpolate(&self, row: &[f32], target: &mut [f32]) {
        for (out, (first, weights)) in target.iter_mut().zip(&self.taps) {
            if let Some(values) = row[*first..].first_chunk::<K>() {
                *out = weigh(*values, *weights);
            }
        }
    }
}

/// The buffers of one thread.
#[derive(Default)]
struct Scratch {
    /// Source rows blended along z: from row `first`, only the voxels needed along x.
    rows: Vec<f32>,
    first: usize,
    /// One row blended along y, continued beyond its ends.
    row: Vec<f32>,
}

impl Scratch {
    fn blend_planes<const K: usize>(
        &mut self,
        planes: &Planes<'_, K>,
        needed: &Range<usize>,
        row_taps: &RowTaps<K>,
    ) {
        let width = row_taps.needed.len();
        self.rows.resize(needed.len() * width, 0.0);
        for (index, out) in needed.clone().zip(self.rows.chunks_exact_mut(width)) {
            let start = index * planes.row_len + row_taps.needed.start;
            blend(planes.planes.map(|plane| &plane[start..start + width]), planes.weights, out);
        }
    }

    fn blend_rows<const K: usize>(&mut self, taps: &Taps<K>, n: usize, row_taps: &RowTaps<K>) {
        let width = row_taps.needed.len();
        self.row.resize(row_taps.len, 0.0);
        let rows: [&[f32]; K] =
            std::array::from_fn(|k| &self.rows[(taps.index(k, n) - self.first) * width..][..width]);
        blend(rows, taps.weights, &mut self.row[row_taps.lead..row_taps.lead + width]);
        for &(to, from) in &row_taps.mirrors {
            self.row[to] = self.row[from];
        }
    }
}

/// The weighted sum of `K` rows.
fn blend<const K: usize>(rows: [&[f32]; K], weights: [f32; K], out: &mut [f32]) {
    let rows = rows.map(|row| &row[..out.len()]);
    for i in 0..out.len() {
        out[i] = weigh(rows.map(|row| row[i]), weights);
    }
}
