//! Means and variances over channels-last rows.

use rayon::prelude::*;

use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// Rows whose sums are held in the precision of the kernel, before they go on in f64.
pub(crate) const BLOCK: usize = 64;

/// `[items, rows, channels]`, normalised over the rows and the channels of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NormShape {
    pub(crate) items: usize,
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    pub(crate) groups: usize,
}

impl NormShape {
    /// Elements of an item.
    pub(crate) fn item(&self) -> usize {
        self.rows * self.channels
    }

    /// The group of a column; columns beyond the channels start over.
    pub(crate) fn group(&self, column: usize) -> usize {
        column % self.channels / (self.channels / self.groups)
    }

    /// Columns that kernels work on: the channels, or those of several voxels side by side where
    /// that fills the vectors. Their table must fit the first-level cache.
    pub(crate) fn columns(&self) -> usize {
        let c = self.channels;
        let common = |n: usize| c / gcd(c, n) * n;
        [128, 64, 32].map(common).into_iter().find(|&width| width <= 1024).unwrap_or(c)
    }

    /// Elements of one task, whole blocks. It depends on nothing but the channels, so neither the
    /// threads nor the batch change how sums are grouped.
    pub(crate) fn chunk(&self) -> usize {
        let block = BLOCK * self.columns();
        block * ((1 << 17) / block).max(1)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How many numbers, their mean, and the sum of their squared deviations from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) count: f64,
    pub(crate) mean: f64,
    pub(crate) squares: f64,
}

impl Moments {
    /// Joins those of other numbers.
    ///
    /// # Source
    /// T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for
    /// computing sample variances" (1979).
    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        self.mean += distance * (other.count / count);
        self.squares += other.squares + distance * distance * (self.count * other.count / count);
        self.count = count;
    }

    /// The variance of the numbers themselves, divided by their count.
    pub(crate) fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

/// The moments of every item and group, groups fastest.
pub(crate) fn moments<T: Element>(tier: Tier, shape: &NormShape, x: &[T]) -> Vec<Moments> {
    let of_item = |item: &[T]| {
        let chunks = item.par_chunks(shape.chunk());
        let parts: Vec<_> = chunks.map(|chunk| chunk_moments(tier, shape, chunk)).collect();
        let mut groups = vec![Moments::default(); shape.groups];
        for part in parts {
            groups.iter_mut().zip(part).for_each(|(group, part)| group.merge(part));
        }
        groups
    };
    x.par_chunks(shape.item()).map(of_item).collect::<Vec<_>>().concat()
}

fn chunk_moments<T: Element>(tier: Tier, shape: &NormShape, chunk: &[T]) -> Vec<Moments> {
    let width = shape.columns();
    let rows = chunk.len() / width;
    let (whole, rest) = chunk.split_at(rows * width);
    let mut groups = vec![Moments::default(); shape.groups];
    if rows > 0 {
        let (mut mean, mut squares) = (vec![0.0; width], vec![0.0; width]);
        let (mean_out, squares_out) = (&mut mean, &mut squares);
        tier.run(Columns { x: whole, width, mean: mean_out, squares: squares_out });
        for (column, (mean, squares)) in mean.into_iter().zip(squares).enumerate() {
            groups[shape.group(column)].merge(Moments { count: rows as f64, mean, squares });
        }
    }
    for (column, x) in rest.iter().enumerate() {
        let mean = x.load().to_f64();
        groups[shape.group(column)].merge(Moments { count: 1.0, mean, squares: 0.0 });
    }
    groups
}

/// The moments of every column of whole rows. Each block is read twice, the second time from the
/// cache: for the mean, and for deviations from it, whose squares do not cancel.
struct Columns<'a, T> {
    x: &'a [T],
    width: usize,
    mean: &'a mut [f64],
    squares: &'a mut [f64],
}

impl<T: Element> Kernel for Columns<'_, T> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { x, width, mean, squares } = self;
        let zeros = || vec![T::Real::ZERO; width];
        let (mut centre, mut sum, mut sum_of_squares) = (zeros(), zeros(), zeros());
        for (index, block) in x.chunks(BLOCK * width).enumerate() {
            let rows = (block.len() / width) as f64;
            centre.fill(T::Real::ZERO);
            add_rows(block, &mut centre);
            let share = T::Real::from_f64(1.0 / rows);
            centre.iter_mut().for_each(|centre| *centre = *centre * share);
            sum.fill(T::Real::ZERO);
            sum_of_squares.fill(T::Real::ZERO);
            add_deviations(block, &centre, &mut sum, &mut sum_of_squares);
            // Chan, Golub and LeVeque again, for all columns at once.
            let before = (index * BLOCK) as f64;
            let (new, both) = (rows / (before + rows), rows * before / (before + rows));
            let block = centre.iter().zip(&sum).zip(&sum_of_squares);
            for ((mean, squares), ((c, s), q)) in mean.iter_mut().zip(&mut *squares).zip(block) {
                // The sum of deviations is what rounding the centre has left.
                let left = s.to_f64() / rows;
                let distance = c.to_f64() + left - *mean;
                *mean += distance * new;
                *squares += q.to_f64() - left * left * rows + distance * distance * both;
            }
        }
    }
}

/// Adds every row to `sum`, four at a time, so that the sums are seldom fetched.
#[inline(always)]
fn add_rows<T: Element>(block: &[T], sum: &mut [T::Real]) {
    let width = sum.len();
    let fours = block.chunks_exact(4 * width);
    for row in fours.remainder().chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.load());
    }
    for four in fours {
        let (first, rest) = four.split_at(width);
        let (second, rest) = rest.split_at(width);
        let (third, fourth) = rest.split_at(width);
        let rows = first.iter().zip(second).zip(third).zip(fourth);
        for (sum, (((a, b), c), d)) in sum.iter_mut().zip(rows) {
            *sum += (a.load() + b.load()) + (c.load() + d.load());
        }
    }
}

/// Adds every row's deviations from `centre`, and their squares.
#[inline(always)]
fn add_deviations<T: Element>(
    block: &[T],
    centre: &[T::Real],
    sum: &mut [T::Real],
    squares: &mut [T::Real],
) {
    let width = centre.len();
    let twos = block.chunks_exact(2 * width);
    for row in twos.remainder().chunks_exact(width) {
        let columns = centre.iter().zip(&mut *sum).zip(&mut *squares);
        for (x, ((&centre, sum), square)) in row.iter().zip(columns) {
            let deviation = x.load() - centre;
            *sum += deviation;
            *square += deviation * deviation;
        }
    }
    for two in twos {
        let (first, second) = two.split_at(width);
        let columns = centre.iter().zip(&mut *sum).zip(&mut *squares);
        for ((a, b), ((&centre, sum), square)) in first.iter().zip(second).zip(columns) {
            let (a, b) = (a.load() - centre, b.load() - centre);
            *sum += a + b;
            *square += a * a + b * b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(shape: &NormShape, x: &[f64]) -> Vec<(f64, f64)> {
        let per_group = shape.channels / shape.groups;
        let mut all = Vec::new();
        for item in x.chunks(shape.item()) {
            for group in 0..shape.groups {
                let rows = item.chunks(shape.channels);
                let values: Vec<f64> = rows
                    .flat_map(|row| &row[group * per_group..(group + 1) * per_group])
                    .copied()
                    .collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
                all.push((mean, squares / values.len() as f64));
            }
        }
        all
    }

    fn noise(n: usize, mean: f32, deviation: f32) -> Vec<f32> {
        let mut x = vec![0.0; n];
        keyed_random::Key::new(7).with("moments").fill_normal(&mut x);
        x.into_iter().map(|x: f32| mean + deviation * x).collect()
    }

    #[test]
    fn far_from_zero_the_variance_keeps_its_digits() {
        for (rows, channels, groups) in
            [(5000, 1, 1), (3001, 3, 1), (700, 40, 8), (2100, 64, 32), (129, 257, 1), (1, 6, 2)]
        {
            let shape = NormShape { items: 2, rows, channels, groups };
            for mean in [0.0, 1000.0, -1e6] {
                let x = noise(2 * shape.item(), mean, 1.0);
                let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
                for tier in Tier::available() {
                    let got = moments(tier, &shape, &x);
                    for (got, (mean, variance)) in got.iter().zip(reference(&shape, &wide)) {
                        assert!((got.mean - mean).abs() < 1e-7 * (1.0 + mean.abs() * 1e-3));
                        let error = (got.variance() - variance).abs();
                        assert!(error < 3e-7 * variance, "{shape:?} {mean}: {error:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_first_voxel_that_is_an_outlier_does_no_harm() {
        let shape = NormShape { items: 1, rows: 4000, channels: 8, groups: 4 };
        let mut x = noise(shape.item(), 0.0, 1.0);
        x[..8].fill(1e6);
        let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
        for (got, (mean, variance)) in
            moments(Tier::current(), &shape, &x).iter().zip(reference(&shape, &wide))
        {
            assert!((got.mean / mean - 1.0).abs() < 1e-6);
            assert!((got.variance() / variance - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn every_tier_gives_the_same_bits() {
        let shape = NormShape { items: 1, rows: 4133, channels: 48, groups: 3 };
        let x = noise(shape.item(), 3.0, 2.0);
        let portable = moments(Tier::Portable, &shape, &x);
        assert!(Tier::available().all(|tier| moments(tier, &shape, &x) == portable));
    }
}
