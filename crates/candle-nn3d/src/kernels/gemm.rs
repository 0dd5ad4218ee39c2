//! The matrix product at the heart of every convolution: a few rows times one panel of columns.
//!
//! A panel holds one or two vectors of columns, `[k][columns]`, contiguous; rows are anywhere, a
//! stride apart. Sums run over `k` in ascending order, one accumulator per element, so that an
//! element's bits depend on its row and its column alone, not on how rows are cut into blocks.
#![expect(unsafe_code, reason = "accumulators in registers, which slices cannot promise")]

use super::vector::Vector;

/// `c[i] = init[i] + Σₖ a[i][k] · b[k]` for a fixed number of rows and vectors of columns.
pub(crate) struct Block {
    pub(crate) a: *const f32,
    pub(crate) a_stride: usize,
    pub(crate) b: *const f32,
    pub(crate) k: usize,
    pub(crate) init: *const f32,
    pub(crate) init_stride: usize,
    pub(crate) c: *mut f32,
    pub(crate) c_stride: usize,
}

impl Block {
    /// Computes `R` rows of `N` vectors.
    ///
    /// # Safety
    /// The processor has the instructions of `V`; `a` is valid for `k` numbers at each of `R`
    /// strides, `b` for `k · N` vectors, `init` and `c` for `N` vectors at each of `R` strides.
    /// `init` may be `c`; nothing else overlaps `c`.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector, const R: usize, const N: usize>(&self) {
        // SAFETY: every offset below is within what the caller promised: rows i < R, columns
        // j < N, and k < self.k.
        unsafe {
            let mut acc = [[V::splat(0.0); N]; R];
            let mut rows = [self.a; R];
            for i in 0..R {
                rows[i] = self.a.add(i * self.a_stride);
                for j in 0..N {
                    acc[i][j] = V::load(self.init.add(i * self.init_stride + j * V::LANES));
                }
            }
            let mut b = self.b;
            for k in 0..self.k {
                let mut panel = [V::splat(0.0); N];
                for j in 0..N {
                    panel[j] = V::load(b.add(j * V::LANES));
                }
                for i in 0..R {
                    let a = V::splat(*rows[i].add(k));
                    for j in 0..N {
                        acc[i][j] = a.mul_add(panel[j], acc[i][j]);
                    }
                }
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

/// Rows of `k` numbers, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    pub(crate) k: usize,
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
    assert!(last * a.stride + a.k <= a.data.len(), "rows beyond the matrix");
    assert!(a.k * width <= panel.len(), "a panel that is too short");
    assert!(last * c_stride + width <= c.len(), "a destination that is too short");
    let (init, init_stride) = match init {
        Init::Row(row) => {
            assert!(width <= row.len(), "an initial row that is too short");
            (row.as_ptr(), 0)
        }
        Init::Destination => (c.as_ptr(), c_stride),
    };
    let blocks = V::BLOCKS[vectors - 1];
    let mut first = 0;
    while first < a.rows {
        let rows = blocks.len().min(a.rows - first);
        // SAFETY: rows `first..first + rows` lie within the extents asserted above; the borrow of
        // `c` is exclusive, and `init` is a shared slice or `c` itself.
        unsafe {
            blocks[rows - 1](&Block {
                a: a.data.as_ptr().add(first * a.stride),
                a_stride: a.stride,
                b: panel.as_ptr(),
                k: a.k,
                init: init.add(first * init_stride),
                init_stride,
                c: c.as_mut_ptr().add(first * c_stride),
                c_stride,
            });
        }
        first += rows;
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
