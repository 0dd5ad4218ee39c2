//! The weight gradient by the adjoint of the fast forward convolution.
//!
//! Forward, `y = Aᵀ [(G g) ⊙ (Bᵀ x)]` on each axis, summed over input channels. The gradient of the
//! weights is thus `Gᵀ Σ_tiles (Bᵀ x) (A dy)ᵀ`: for each point a sum of outer products over tiles,
//! with as few products as forward. A chunk of tiles passes through two stages, threads meeting
//! after each: planes of x and of `dy` are transformed over y and z; for each of the 36 points
//! chunks of tiles are transformed along x as they are packed, multiplied, and the sum's gradient
//! is taken back to taps along x before it is added to what earlier chunks gave.
//!
//! The sums of a chunk are added chunk after chunk, so nothing depends on the threads, and
//! the rounding of a long sum grows with the number of chunks, not of voxels.
//!
//! # Source
//! As the forward algorithm: the adjoint of a bilinear algorithm is one for the transposed problem.

mod chunk;
mod product;
mod taps;

use rayon::prelude::*;

use super::planes::POINTS;
use crate::conv_shape::ConvShape;
use crate::kernels::aligned::{give_back, take_kept};
use crate::kernels::conv_element::Element;
use crate::kernels::gemm::Panels;
use crate::kernels::tier::Tier;
use crate::kernels::vector::{dispatch, lanes};
use chunk::{Chunk, Layout, Plane, Volume};
use product::Point;
use taps::Taps;

/// Whether the fast algorithm pays for a shape, and with how many points along x.
///
/// The rule counts multiplications that a vector unit could do meanwhile: those of the products;
/// `MOVE` for every number that a transform writes and the next stage reads; and `KEEP` for every
/// sum that a chunk of tiles is added to. It sees the shape alone, so that a layer's bits do not
/// depend on the machine.
pub(in crate::kernels) fn x_points(shape: &ConvShape) -> Option<usize> {
    const MOVE: f64 = 20.0;
    const KEEP: f64 = 24.0;
    let ConvShape { kernel, stride, dilation, groups, .. } = *shape;
    if kernel != [3; 3] || stride != [1; 3] || dilation != [1; 3] || groups != 1 {
        return None;
    }
    // Vectors are filled with output channels.
    let (c_in, c_out) = (shape.c_in as f64, shape.c_out.next_multiple_of(16) as f64);
    let direct = (shape.batch * shape.n_out()) as f64 * 27.0 * c_in * c_out;
    let fast = |x_points: usize| {
        let chunks = Chunk::all(shape, x_points);
        let tiles: usize = chunks.iter().map(Chunk::tiles).sum();
        let moved = POINTS as f64 * (2 * x_points - 2) as f64 * (c_in + c_out);
        let products = (POINTS * x_points) as f64 * c_in * c_out;
        let kept = (chunks.len() * shape.batch + 1) as f64 * (POINTS * 3) as f64 * c_in * c_out;
        (shape.batch * tiles) as f64 * (products + MOVE * moved) + KEEP * kept
    };
    let (two, four) = (fast(4), fast(6));
    if direct <= two.min(four) {
        return None;
    }
    Some(if four < two { 6 } else { 4 })
}

/// `dw` `[c_out, c_in, 3, 3, 3]` from `x` and `dy`, channels last.
pub(in crate::kernels) fn weight_gradient<T: Element>(
    tier: Tier,
    shape: &ConvShape,
    x_points: usize,
    x: &[T],
    dy: &[T],
    dw: &mut [f32],
) {
    assert_eq!(x.len(), shape.batch * shape.n_in() * shape.c_in, "x has not the shape's size");
    assert_eq!(dy.len(), shape.batch * shape.n_out() * shape.c_out, "dy has not the shape's size");
    assert_eq!(dw.len(), shape.c_out * shape.c_in * 27, "dw has not the shape's size");
    let (lanes, chunks) = (lanes(tier), Chunk::all(shape, x_points));
    let panels = Panels::new(lanes, shape.c_out);
    let channels = [shape.c_in.next_multiple_of(lanes), panels.padded];
    let lengths = [0, 1].map(|factor| {
        let length = |chunk| Layout::new(chunk, factor, channels[factor]).length();
        chunks.iter().map(length).max().unwrap_or(0)
    });
    let per_point = 3 * shape.c_in * panels.padded;
    let zeros = vec![T::default(); channels[0].max(channels[1])];
    let mut buffer = take_kept(lengths[0] + lengths[1] + POINTS * per_point);
    let (points, sums) = buffer.as_mut_slice().split_at_mut(lengths[0] + lengths[1]);
    let sums = &mut sums[..POINTS * per_point];
    let mut first = true;
    let items = x.chunks_exact(shape.n_in() * shape.c_in);
    for (x, dy) in items.zip(dy.chunks_exact(shape.n_out() * shape.c_out)) {
        let x = Volume::new(x, shape.input, shape.c_in, shape.padding, &zeros);
        let dy = Volume::new(dy, shape.output, shape.c_out, [0; 3], &zeros);
        for chunk in &chunks {
            let layouts = [0, 1].map(|f| Layout::new(chunk, f, channels[f]));
            let (of_x, of_dy) = points.split_at_mut(lengths[0]);
            rayon::join(
                || transform(tier, &x, chunk, layouts[0], of_x),
                || transform(tier, &dy, chunk, layouts[1], of_dy),
            );
            let factors = [&*of_x, &*of_dy];
            sums.par_chunks_exact_mut(per_point).enumerate().for_each(|(point, sums)| {
                let task = Point { tier, chunk, layouts, point, factors, panels, first, sums };
                product::add(task, shape.c_in);
            });
            first = false;
        }
    }
    let rows = dw.par_chunks_mut(lanes * shape.c_in * 27).enumerate();
    rows.for_each(|(index, dw)| {
        let (column, c_in) = (index * lanes, shape.c_in);
        dispatch(tier, Taps { sums, per_point, panels, c_in, column, dw });
    });
    give_back(buffer);
}

/// All planes of one chunk of tiles.
fn transform<T: Element>(
    tier: Tier,
    volume: &Volume<'_, T>,
    chunk: &Chunk,
    layout: Layout,
    points: &mut [f32],
) {
    let planes = points.par_chunks_exact_mut(layout.plane).take(layout.planes).enumerate();
    planes.for_each(|(plane, points)| {
        dispatch(tier, Plane { volume, chunk, layout, plane, points });
    });
}
