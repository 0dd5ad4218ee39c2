//! Matrices packed into panels, the form that the tile product reads from front to back.

use std::ops::Range;

use super::real::{Element, Real};

/// Some columns of a row-major matrix: all of it, or one head of an activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, S> {
    values: &'a [S],
    /// Elements from one row to the next.
    step: usize,
    /// The first column.
    first: usize,
    /// Number of columns.
    width: usize,
}

impl<'a, S: Element> Rows<'a, S> {
    /// All columns.
    pub(crate) fn new(values: &'a [S], width: usize) -> Self {
        Self { values, step: width, first: 0, width }
    }

    /// `width` columns from `first` on.
    pub(crate) fn columns(self, first: usize, width: usize) -> Self {
        Self { first: self.first + first, width, ..self }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn row(&self, index: usize) -> &'a [S] {
        &self.values[index * self.step + self.first..][..self.width]
    }

    /// Packs rows so that a panel holds `W` of them side by side: `out[panel][column][row]`, times
    /// `factor`. Rows that are missing in the last panel, and panels beyond it, are zero.
    pub(crate) fn pack_across<const W: usize>(
        &self,
        rows: Range<usize>,
        factor: S::Real,
        out: &mut [S::Real],
    ) {
        for (panel, out) in out.chunks_exact_mut(self.width * W).enumerate() {
            for i in 0..W {
                let column = out[i..].iter_mut().step_by(W);
                let index = rows.start + panel * W + i;
                if index < rows.end {
                    column.zip(self.row(index)).for_each(|(out, x)| *out = x.load() * factor);
                } else {
                    column.for_each(|out| *out = S::Real::ZERO);
                }
            }
        }
    }

    /// Packs rows so that a panel holds `W` columns of all of them: `out[panel][row][column]`,
    /// times `factor`. Columns that are missing in the last panel are zero; a panel has as many
    /// rows as `out` leaves it, and those that are missing stay as they are.
    pub(crate) fn pack_along<const W: usize>(
        &self,
        rows: Range<usize>,
        factor: S::Real,
        out: &mut [S::Real],
    ) {
        let height = out.len() / self.width.next_multiple_of(W);
        for (panel, out) in out.chunks_exact_mut(height * W).enumerate() {
            let columns = panel * W..((panel + 1) * W).min(self.width);
            for (out, index) in out.chunks_exact_mut(W).zip(rows.clone()) {
                let row = &self.row(index)[columns.clone()];
                let (out, missing) = out.split_at_mut(row.len());
                out.iter_mut().zip(row).for_each(|(out, x)| *out = x.load() * factor);
                missing.fill(S::Real::ZERO);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_hold_rows_side_by_side_or_columns_below_each_other() {
        // Rows 1 to 3 of columns 1 to 3 of a matrix whose element (i, j) is 10 i + j.
        let values: Vec<f32> = (0..20).map(|at| (10 * (at / 5) + at % 5) as f32).collect();
        let rows = Rows::new(&values, 5).columns(1, 3);
        let mut across = [f32::NAN; 12];
        rows.pack_across::<2>(1..4, 1.0, &mut across);
        assert_eq!(across, [11., 21., 12., 22., 13., 23., 31., 0., 32., 0., 33., 0.]);
        let mut along = [7.0; 16];
        rows.pack_along::<2>(1..4, 2.0, &mut along);
        let want = [22., 24., 42., 44., 62., 64., 7., 7., 26., 0., 46., 0., 66., 0., 7., 7.];
        assert_eq!(along, want);
    }
}
