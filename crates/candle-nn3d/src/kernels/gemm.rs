//! The matrix product at the heart of every convolution: a few rows times one panel of columns.
//!
//! A panel holds one or two vectors of columns, `[k][columns]`, contiguous; rows are anywhere, a
//! stride apart. Sums run over `k` in ascending order, one accumulator per element, so that an
//! element's bits depend on its row and its column alone, not on how rows are cut into blocks.
#![expect(unsafe_code, reason = "accumulators in registers, which slices cannot promise")]

use super::vector::Vector;

/// `c[i] = init[i] + Σₖ a[i][k] · b[k]` for a fixed number of rows and vectors of columns.
pub(crate) struct Block {
    a: *const f32,
    /// From row to row.
    a_stride: usize,
    b: *const f32,
    k: usize,
    init: *const f32,
    init_stride: usize,
    c: *mut f32,
    c_stride: usize,
}

impl Block {
    /// Computes `R` rows of `N` vectors.
    ///
    /// If `PACKED`, `a` is not rows but groups of [`Vector::ROWS`] rows: the first vector of each,
    /// then the second of each. Then all addresses of a step are one register plus constants,
    /// while a dozen strided rows take more registers than there are.
    ///
    /// # Safety
    /// The processor has the instructions of `V`; `a` is valid for `k` numbers at each of `R`
    /// strides (`PACKED`: for `ROWS · k` numbers, `k` rounded up to whole vectors), `b` for `k · N`
    /// vectors, `init` and `c` for `N` vectors at each of `R` strides. `init` may be `c`; nothing
    /// else overlaps `c`.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector, const R: usize, const N: usize, const PACKED: bool>(&self) {
        // SAFETY: every offset below is within what the caller promised: rows i < R, columns
        // j < N, and k < self.k.
        unsafe {
            let mut acc = [[V::splat(0.0); N]; R];
            for i in 0..R {
                for j in 0..N {
                    acc[i][j] = V::load(self.init.add(i * self.init_stride + j * V::LANES));
                }
            }
            let (mut a, mut b, mut left) = (self.a, self.b, self.k);
            if PACKED {
                while left >= V::LANES {
                    for k in 0..V::LANES {
                        step::<V, R, N>(&mut acc, a.add(k), V::LANES, b);
                        b = b.add(N * V::LANES);
                    }
                    a = a.add(V::ROWS * V::LANES);
                    left -= V::LANES;
                }
            }
            let stride = if PACKED { V::LANES } else { self.a_stride };
            for _ in 0..left {
                step::<V, R, N>(&mut acc, a, stride, b);
                a = a.add(1);
                b = b.add(N * V::LANES);
            }
            for i in 0..R {
                for j in 0..N {
                    acc[i][j].store(self.c.add(i * self.c_stride + j * V::LANES));
                }
            }
        }
    }
}

/// Adds one column of `a`, its numbers `stride` apart, times one row of a panel.
///
/// # Safety
/// As for [`Block::run`], with `k` = 1.
#[inline(always)]
unsafe fn step<V: Vector, const R: usize, const N: usize>(
    acc: &mut [[V; N]; R],
    a: *const f32,
    stride: usize,
    b: *const f32,
) {
    // SAFETY: rows i < R and vectors j < N, as the caller promised.
    unsafe {
        let mut panel = [V::splat(0.0); N];
        for j in 0..N {
            panel[j] = V::load(b.add(j * V::LANES));
        }
        for i in 0..R {
            let a = V::splat(*a.add(i * stride));
            for j in 0..N {
                acc[i][j] = a.mul_add(panel[j], acc[i][j]);
            }
        }
    }
}

/// Rows of `k` numbers.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) order: Order,
    pub(crate) rows: usize,
    pub(crate) k: usize,
}

/// Where rows lie.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// This far apart, each contiguous.
    Strided(usize),
    /// In groups of [`Vector::ROWS`], as [`packed_index`] says; a last group has its full size too.
    Packed,
}

/// Where the vector that begins at column `k` of a row lies among packed rows of the length
/// `depth`, a multiple of the lanes.
#[inline(always)]
pub(crate) fn packed_index<V: Vector>(row: usize, k: usize, depth: usize) -> usize {
    row / V::ROWS * V::ROWS * depth + k * V::ROWS + row % V::ROWS * V::LANES
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Init<'a> {
    /// The same row for all rows: a bias.
    Row(&'a [f32]),
    /// What the destination holds.
    Destination,
}

/// `c = init + a · panel`, where the panel is `vectors` (1 or 2) vectors wide.
///
/// # Safety
/// The processor has the instructions of `V`.
///
/// # Panics
/// If a slice is too short for the sizes.
#[inline(always)]
pub(crate) unsafe fn multiply<V: Vector>(
    a: Rows<'_>,
    panel: &[f32],
    vectors: usize,
    init: Init<'_>,
    c: &mut [f32],
    c_stride: usize,
) {
    let width = vectors * V::LANES;
    let Some(last) = a.rows.checked_sub(1) else { return };
    // From row to row within a block, and from block to block.
    let (a_stride, block_stride, end, blocks) = match a.order {
        Order::Strided(stride) => (stride, V::ROWS * stride, last * stride + a.k, V::STRIDED),
        Order::Packed => {
            let block = V::ROWS * a.k.next_multiple_of(V::LANES);
            (V::LANES, block, a.rows.div_ceil(V::ROWS) * block, V::PACKED)
        }
    };
    assert!(end <= a.data.len(), "rows beyond the matrix");
    assert!(a.k * width <= panel.len(), "a panel that is too short");
    assert!(last * c_stride + width <= c.len(), "a destination that is too short");
    let (init, init_stride) = match init {
        Init::Row(row) => {
            assert!(width <= row.len(), "an initial row that is too short");
            (row.as_ptr(), 0)
        }
        Init::Destination => (c.as_ptr(), c_stride),
    };
    for first in (0..a.rows).step_by(V::ROWS) {
        let rows = V::ROWS.min(a.rows - first);
        // SAFETY: rows `first..first + rows` lie within the extents asserted above; the borrow of
        // `c` is exclusive, and `init` is a shared slice or `c` itself.
        unsafe {
            blocks[vectors - 1][rows - 1](&Block {
                a: a.data.as_ptr().add(first / V::ROWS * block_stride),
                a_stride,
                b: panel.as_ptr(),
                k: a.k,
                init: init.add(first * init_stride),
                init_stride,
                c: c.as_mut_ptr().add(first * c_stride),
                c_stride,
            });
        }
    }
}

/// How columns are cut into panels of two vectors, the last perhaps of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels {
    lanes: usize,
    /// Columns with the padding to whole vectors.
    pub(crate) padded: usize,
}

impl Panels {
    pub(crate) fn new(lanes: usize, columns: usize) -> Self {
        Self { lanes, padded: columns.next_multiple_of(lanes) }
    }

    /// First column and number of vectors of each panel.
    pub(crate) fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        let width = 2 * self.lanes;
        (0..self.padded)
            .step_by(width)
            .map(move |first| (first, (self.padded - first).min(width) / self.lanes))
    }

    /// Where element `(k, column)` of a matrix with `depth` rows lies among its panels.
    pub(crate) fn index(self, depth: usize, k: usize, column: usize) -> usize {
        let first = column - column % (2 * self.lanes);
        let width = (self.padded - first).min(2 * self.lanes);
        first * depth + k * width + (column - first)
    }
}
