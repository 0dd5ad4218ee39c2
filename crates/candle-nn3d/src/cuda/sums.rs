//! Sums over the rows of channels-last activations: partial sums by the kernels of a family, and
//! what is made of them here.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::SUMS;

/// Rows whose sums one thread makes in the precision of its kernel.
const ROWS: usize = 32;
/// Partial sums that one thread adds up.
const SUMS_AT_A_TIME: usize = 64;
/// Columns that there are at least: as many threads read numbers that lie side by side.
const COLUMNS: usize = 64;

/// How an item of `[rows, channels]` is shared out to threads: as rows of `width` columns, the
/// channels of one voxel or of several, of which every thread has one column of [`ROWS`] rows.
///
/// It depends on nothing but the item's size, and so do the bits of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    /// Numbers of an item.
    pub(crate) per_item: usize,
    pub(crate) width: usize,
    /// Threads that share a column.
    pub(crate) parts: usize,
}

impl Columns {
    pub(crate) fn new(rows: usize, channels: usize) -> Self {
        let (per_item, width) = (rows * channels, channels * COLUMNS.div_ceil(channels.max(1)));
        Self { per_item, width, parts: per_item.div_ceil((width * ROWS).max(1)) }
    }

    pub(crate) fn threads(&self, items: usize) -> usize {
        items * self.parts * self.width
    }

    /// `u64 width, u64 parts, u64 rows, u64 per_item`
    pub(crate) fn sizes<'a, M: Machine>(&self, launch: Launch<'a, M>) -> Launch<'a, M> {
        launch.size(self.width).size(self.parts).size(ROWS).size(self.per_item)
    }

    /// Rows of a part.
    pub(crate) fn rows(&self) -> usize {
        ROWS
    }
}

/// The sum of every `[rows, width]` of `x` `[batch, rows, width]`.
pub(crate) fn over_rows<M: Machine>(
    machine: &M,
    [batch, mut rows, width]: [usize; 3],
    mut x: M::Array<f64>,
) -> Result<M::Array<f64>> {
    while rows > 1 {
        let parts = rows.div_ceil(SUMS_AT_A_TIME);
        let n = batch * parts * width;
        let mut sums = machine.unwritten::<f64>(n)?;
        let launch = Launch::named(machine, &SUMS, "sum_rows".to_owned());
        let launch = launch.read(Slice::whole(&x), batch * rows * width).write(&mut sums, n);
        launch.size(n).size(width).size(rows).size(SUMS_AT_A_TIME).over(n)?;
        (x, rows) = (sums, parts);
    }
    Ok(x)
}

/// The sums of `c` channels from those of columns that hold them several times.
pub(crate) fn fold<M: Machine, T: Number>(
    machine: &M,
    c: usize,
    x: Slice<'_, M, f64>,
) -> Result<M::Array<T>> {
    let (width, mut y) = (x.len(), machine.unwritten(c)?);
    let launch = Launch::of::<T>(machine, &SUMS, "fold").read(x, width).write(&mut y, c);
    launch.size(c).size(width).over(c)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};

    #[test]
    fn sums_over_rows_are_exact_for_whole_numbers() {
        for [batch, rows, width] in [[1, 1, 3], [2, 64, 5], [3, 65, 2], [1, 4200, 1]] {
            let x: Vec<f64> = (0..batch * rows * width).map(|i| (i * i % 1009) as f64).collect();
            let sums = |m: &Emulation| over_rows(m, [batch, rows, width], Guarded::new(&x));
            let got = Emulation::both_orders(sums);
            let item = |item: usize, column: usize| -> f64 {
                x[item * rows * width..][..rows * width].iter().skip(column).step_by(width).sum()
            };
            let want = (0..batch * width).map(|i| item(i / width, i % width));
            assert_eq!(got, want.collect::<Vec<f64>>());
        }
        let sums = Guarded::new(&[1.0, 2.0, 10.0, 20.0, 100.0, 200.0]);
        let got = Emulation::both_orders(|m| fold::<_, f32>(m, 2, sums.slice()));
        assert_eq!(got, [111.0, 222.0]);
    }

    #[test]
    fn columns_cover_every_number_whatever_the_channels() {
        for (rows, channels) in [(1, 1), (1, 3), (70, 3), (33, 64), (1000, 65), (7, 500)] {
            let columns = Columns::new(rows, channels);
            assert!(columns.width.is_multiple_of(channels) && columns.width >= COLUMNS);
            let covered = columns.width * columns.parts * columns.rows();
            assert!(covered >= rows * channels && columns.parts > 0, "{columns:?}");
        }
    }
}
