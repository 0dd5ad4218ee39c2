//! The products of one point: sums of outer products over the tiles of a chunk.
#![expect(unsafe_code, reason = "vector loads and stores through pointers")]

use super::super::planes::to_points;
use super::super::points::tap_adjoint;
use super::chunk::{Chunk, Layout};
use crate::kernels::aligned::{LINE, with_scratch};
use crate::kernels::gemm::Panels;
use crate::kernels::outer_products::{Factors, Run, add_outer_products};
use crate::kernels::tier::Tier;
use crate::kernels::vector::{Task, Vector, dispatch, lanes};

/// Input channels whose products wait for their transform along x, at most.
const ROWS: usize = 56;

/// One of the 36 points of a chunk.
pub(super) struct Point<'a> {
    pub(super) tier: Tier,
    pub(super) chunk: &'a Chunk,
    /// Of the input and of the output's gradient, as are the factors.
    pub(super) layouts: [Layout; 2],
    pub(super) point: usize,
    pub(super) factors: [&'a [f32]; 2],
    pub(super) panels: Panels,
    /// Whether the sums are undefined so far.
    pub(super) first: bool,
    /// `[panel of c_out][c_in][tap along x][column]`.
    pub(super) sums: &'a mut [f32],
}

/// Sizes of the buffers of a point, in numbers, each from x point to x point.
struct Sizes {
    /// Of the packed input, `[tile][channel]`, and from tile to tile.
    input: usize,
    input_step: usize,
    /// Of the packed gradient, `[panel][tile][column]`.
    gradient: usize,
    products: usize,
}

struct Add<'a> {
    point: Point<'a>,
    c_in: usize,
    sizes: Sizes,
    scratch: &'a mut [f32],
}

/// Adds the products of one point to its sums.
pub(super) fn add(point: Point<'_>, c_in: usize) {
    let tiles = point.chunk.tiles();
    // A line more from tile to tile, for the sake of the cache.
    let input_step = point.layouts[0].channels.next_multiple_of(LINE) + LINE;
    let sizes = Sizes {
        input: tiles * input_step,
        input_step,
        gradient: (tiles * point.panels.padded).next_multiple_of(LINE),
        products: ROWS * 2 * lanes(point.tier),
    };
    let length = point.chunk.x_points * (sizes.input + sizes.gradient + sizes.products);
    let tier = point.tier;
    with_scratch(length, |scratch| dispatch(tier, Add { point, c_in, sizes, scratch }));
}

impl Task for Add<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            match self.point.chunk.x_points {
                4 => self.add::<V, 2, 4>(),
                _ => self.add::<V, 4, 6>(),
            }
        }
    }
}

impl Add<'_> {
    /// With `X` points for `S` outputs along x.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    #[inline(always)]
    unsafe fn add<V: Vector, const S: usize, const X: usize>(self) {
        let Self { point: at, c_in, sizes, scratch } = self;
        let (input, rest) = scratch.split_at_mut(X * sizes.input);
        let (gradient, rest) = rest.split_at_mut(X * sizes.gradient);
        let products = &mut rest[..X * sizes.products];
        let (tiles, panels) = (at.chunk.tiles(), at.panels);
        // SAFETY: the caller vouches for the instructions.
        unsafe {
            let place = |tile, c| tile * sizes.input_step + c;
            pack::<V, X, X>(&at, 0, sizes.input, place, input);
            let place = |tile, c| panels.index(tiles, tile, c);
            pack::<V, S, X>(&at, 1, sizes.gradient, place, gradient);
        }
        let blocks = c_in.div_ceil(ROWS);
        for (column, vectors) in panels.iter() {
            let width = vectors * V::LANES;
            for block in 0..blocks {
                let rows = block * c_in / blocks..(block + 1) * c_in / blocks;
                let length = rows.len() * width;
                for s in 0..X {
                    let products = &mut products[s * sizes.products..][..length];
                    products.fill(0.0);
                    let factors = Factors {
                        a: &input[s * sizes.input..][..sizes.input],
                        b: &gradient[s * sizes.gradient + column * tiles..][..tiles * width],
                        steps: [sizes.input_step, width],
                        runs: &[Run { a: rows.start, b: 0, len: tiles }],
                    };
                    add_outer_products(at.tier, &factors, [rows.len(), width], products);
                }
                let to = (column * c_in + rows.start * width) * 3;
                let to = &mut at.sums[to..][..3 * length];
                // SAFETY: the caller vouches for the instructions.
                unsafe { fold::<V, X>(products, sizes.products, width, at.first, to) };
            }
        }
    }
}

/// Transforms one factor along x, into the order in which the products read it.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn pack<V: Vector, const S: usize, const X: usize>(
    at: &Point<'_>,
    factor: usize,
    stride: usize,
    place: impl Fn(usize, usize) -> usize,
    packed: &mut [f32],
) {
    let (layout, n_plane) = (at.layouts[factor], at.chunk.plane_tiles.len());
    for x in 0..at.chunk.x_tiles.len() {
        let from = &at.factors[factor][x * (at.chunk.x_points - 2) * layout.plane..];
        let from = &from[at.point * layout.point..];
        let end = (S - 1) * layout.plane + n_plane * layout.channels;
        assert!(end <= from.len(), "planes beyond the buffer");
        for tile in 0..n_plane {
            for c in (0..layout.channels).step_by(V::LANES) {
                let to = place(x * n_plane + tile, c);
                assert!((X - 1) * stride + to + V::LANES <= packed.len(), "beyond the buffer");
                // SAFETY: reads end at `end`, and writes where asserted.
                unsafe {
                    let mut d = [V::splat(0.0); S];
                    for s in 0..S {
                        let at = s * layout.plane + tile * layout.channels + c;
                        d[s] = V::load(from.as_ptr().add(at));
                    }
                    let out: [V; X] = to_points(d);
                    for s in 0..X {
                        out[s].store(packed.as_mut_ptr().add(s * stride + to));
                    }
                }
            }
        }
    }
}

/// Takes the products at the points along x to taps, and adds them to sums.
///
/// # Safety
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn fold<V: Vector, const X: usize>(
    products: &[f32],
    stride: usize,
    width: usize,
    first: bool,
    sums: &mut [f32],
) {
    assert!((X - 1) * stride + sums.len() / 3 <= products.len(), "products beyond the buffer");
    for (row, sums) in sums.chunks_exact_mut(3 * width).enumerate() {
        for c in (0..width).step_by(V::LANES) {
            // SAFETY: `sums` holds three times `width` numbers; products end where asserted.
            unsafe {
                let mut m = [V::splat(0.0); X];
                for s in 0..X {
                    m[s] = V::load(products.as_ptr().add(s * stride + row * width + c));
                }
                let taps = tap_adjoint(m);
                for (tap, mut sum) in taps.into_iter().enumerate() {
                    let to = sums.as_mut_ptr().add(tap * width + c);
                    if !first {
                        sum = V::load(to).add(sum);
                    }
                    sum.store(to);
                }
            }
        }
    }
}
