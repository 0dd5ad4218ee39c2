//! Normalisation with given statistics per item and group, an affine map per channel and an
//! activation, in one pass; its gradients in two.

use rayon::prelude::*;

use super::activation::Activation;
use super::moments::{BLOCK, NormShape};
use super::real::{Element, Real};
use super::tier::Tier;
use super::vectorise::Kernel;

/// What an item and group are normalised with: x̂ = (x - mean) · rstd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standard {
    pub(crate) mean: f64,
    pub(crate) rstd: f64,
}

/// A normalisation over `[items, rows, channels]` that keeps nothing of its input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupedNorm<'a, T, A> {
    pub(crate) tier: Tier,
    pub(crate) shape: NormShape,
    /// Of every item and group, groups fastest.
    pub(crate) standards: &'a [Standard],
    pub(crate) weight: &'a [T],
    pub(crate) bias: &'a [T],
    pub(crate) activation: A,
}

/// Per column of a kernel: y = (x - centre) · scale + shift.
///
/// The centre is the mean as the kernel's precision has it; the rest of the mean is in the shift,
/// so that a mean far from zero costs no digits.
struct Table<R> {
    centre: Vec<R>,
    scale: Vec<R>,
    shift: Vec<R>,
}

/// Per column: dx = dy · scale + (x - centre) · slope + constant.
struct InputTable<R> {
    slope: Vec<R>,
    constant: Vec<R>,
}

/// The gradients of weight and bias.
#[derive(Clone, Debug)]
pub(crate) struct AffineGradient {
    pub(crate) weight: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

impl<T: Element, A: Activation> GroupedNorm<'_, T, A> {
    /// Normalises.
    pub(crate) fn forward(&self, x: &[T], y: &mut [T]) {
        let items = y.par_chunks_mut(self.shape.item()).zip(x.par_chunks(self.shape.item()));
        items.enumerate().for_each(|(item, (y, x))| {
            let table = &self.table(item);
            let chunk = self.shape.chunk();
            let chunks = y.par_chunks_mut(chunk).zip(x.par_chunks(chunk));
            let activation = self.activation;
            chunks.for_each(|(y, x)| self.tier.run(Forward { activation, table, x, y }));
        });
    }

    /// The gradients of weight and bias, of each item by itself.
    pub(crate) fn affine_gradients(&self, x: &[T], dy: &[T]) -> Vec<AffineGradient> {
        let items = x.par_chunks(self.shape.item()).zip(dy.par_chunks(self.shape.item()));
        items.enumerate().map(|(item, (x, dy))| self.affine_gradient(item, x, dy)).collect()
    }

    /// The gradient of x, given what [`Self::affine_gradients`] has returned, or nothing when the
    /// statistics do not depend on x.
    pub(crate) fn input_gradient(
        &self,
        affine: Option<&[AffineGradient]>,
        x: &[T],
        dy: &[T],
        dx: &mut [T],
    ) {
        let size = self.shape.item();
        let items = dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(dy.par_chunks(size));
        items.enumerate().for_each(|(item, ((dx, x), dy))| {
            let (table, chunk) = (&self.table(item), self.shape.chunk());
            let input = &self.input_table(item, affine.map(|all| &all[item]));
            let x = x.par_chunks(chunk).zip(dy.par_chunks(chunk));
            let activation = self.activation;
            dx.par_chunks_mut(chunk).zip(x).for_each(|(dx, (x, dy))| {
                self.tier.run(InputGradient { activation, table, input, x, dy, dx });
            });
        });
    }

    fn standard(&self, item: usize, column: usize) -> Standard {
        self.standards[item * self.shape.groups + self.shape.group(column)]
    }

    fn table(&self, item: usize) -> Table<T::Real> {
        let width = self.shape.columns();
        let (mut centre, mut scale, mut shift) = (Vec::new(), Vec::new(), Vec::new());
        for column in 0..width {
            let Standard { mean, rstd } = self.standard(item, column);
            let channel = column % self.shape.channels;
            let factor = self.weight[channel].load().to_f64() * rstd;
            let rounded = T::Real::from_f64(mean);
            let offset = self.bias[channel].load().to_f64() - (mean - rounded.to_f64()) * factor;
            centre.push(rounded);
            scale.push(T::Real::from_f64(factor));
            shift.push(T::Real::from_f64(offset));
        }
        Table { centre, scale, shift }
    }

    fn affine_gradient(&self, item: usize, x: &[T], dy: &[T]) -> AffineGradient {
        let (table, width, chunk) = (&self.table(item), self.shape.columns(), self.shape.chunk());
        let chunks = x.par_chunks(chunk).zip(dy.par_chunks(chunk));
        let sums = chunks.map(|(x, dy)| {
            let (mut plain, mut centred) = (vec![0.0; width], vec![0.0; width]);
            let (activation, sums) = (self.activation, [&mut plain[..], &mut centred[..]]);
            self.tier.run(Sums { activation, table, x, dy, sums });
            (plain, centred)
        });
        let channels = self.shape.channels;
        let (mut weight, mut bias) = (vec![0.0; channels], vec![0.0; channels]);
        for (plain, centred) in sums.collect::<Vec<_>>() {
            for (column, (plain, centred)) in plain.into_iter().zip(centred).enumerate() {
                bias[column % channels] += plain;
                weight[column % channels] += centred;
            }
        }
        for channel in 0..channels {
            let Standard { mean, rstd } = self.standard(item, channel);
            let rest = mean - table.centre[channel].to_f64();
            weight[channel] = rstd * (weight[channel] - rest * bias[channel]);
        }
        AffineGradient { weight, bias }
    }

    /// With N numbers in the group, a = Σ w · d bias and b = Σ w · d weight over its channels:
    /// dx = rstd · (w · dy - a / N - x̂ · b / N).
    fn input_table(&self, item: usize, affine: Option<&AffineGradient>) -> InputTable<T::Real> {
        let shape = &self.shape;
        let mut sums = vec![[0.0; 2]; shape.groups];
        if let Some(affine) = affine {
            for (channel, weight) in self.weight.iter().enumerate() {
                let sums = &mut sums[shape.group(channel)];
                sums[0] += weight.load().to_f64() * affine.bias[channel];
                sums[1] += weight.load().to_f64() * affine.weight[channel];
            }
        }
        let count = (shape.item() / shape.groups) as f64;
        let (mut slopes, mut constants) = (Vec::new(), Vec::new());
        for column in 0..shape.columns() {
            let Standard { mean, rstd } = self.standard(item, column);
            let [a, b] = sums[shape.group(column)].map(|sum| sum / count);
            let slope = -rstd * rstd * b;
            let rest = mean - T::Real::from_f64(mean).to_f64();
            slopes.push(T::Real::from_f64(slope));
            constants.push(T::Real::from_f64(-rstd * a - rest * slope));
        }
        InputTable { slope: slopes, constant: constants }
    }
}

struct Forward<'a, T: Element, A> {
    activation: A,
    table: &'a Table<T::Real>,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element, A: Activation> Kernel for Forward<'_, T, A> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Table { centre, scale, shift } = self.table;
        let width = centre.len();
        for (y, x) in self.y.chunks_mut(width).zip(self.x.chunks(width)) {
            let table = centre.iter().zip(scale).zip(shift);
            for ((y, x), ((&centre, &scale), &shift)) in y.iter_mut().zip(x).zip(table) {
                *y = T::store(
                    self.activation
                        .value::<FUSED, _>((x.load() - centre).mul_add::<FUSED>(scale, shift)),
                );
            }
        }
    }
}

struct InputGradient<'a, T: Element, A> {
    activation: A,
    table: &'a Table<T::Real>,
    input: &'a InputTable<T::Real>,
    x: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Element, A: Activation> Kernel for InputGradient<'_, T, A> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Table { centre, scale, shift } = self.table;
        let InputTable { slope, constant } = self.input;
        let width = centre.len();
        let rows = self.x.chunks(width).zip(self.dy.chunks(width));
        for (dx, (x, dy)) in self.dx.chunks_mut(width).zip(rows) {
            let n = dx.len();
            let (x, dy, centre, scale) = (&x[..n], &dy[..n], &centre[..n], &scale[..n]);
            let (shift, slope, constant) = (&shift[..n], &slope[..n], &constant[..n]);
            for i in 0..n {
                let centred = x[i].load() - centre[i];
                let active =
                    self.activation.slope::<FUSED, _>(centred.mul_add::<FUSED>(scale[i], shift[i]));
                let dy = dy[i].load() * active;
                dx[i] = T::store(
                    dy.mul_add::<FUSED>(scale[i], centred.mul_add::<FUSED>(slope[i], constant[i])),
                );
            }
        }
    }
}

/// Adds to the sums of every column: of dy before the activation, and of that times (x - centre).
struct Sums<'a, T: Element, A> {
    activation: A,
    table: &'a Table<T::Real>,
    x: &'a [T],
    dy: &'a [T],
    sums: [&'a mut [f64]; 2],
}

impl<T: Element, A: Activation> Kernel for Sums<'_, T, A> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let width = self.table.centre.len();
        let [plain, weighted] = self.sums;
        let mut partial = [vec![T::Real::ZERO; width], vec![T::Real::ZERO; width]];
        let blocks = self.x.chunks(BLOCK * width).zip(self.dy.chunks(BLOCK * width));
        for (x, dy) in blocks {
            for (x, dy) in x.chunks(width).zip(dy.chunks(width)) {
                add_row::<FUSED, _>(self.activation, self.table, x, dy, &mut partial);
            }
            for (sums, partial) in [&mut *plain, &mut *weighted].into_iter().zip(&mut partial) {
                for (sum, partial) in sums.iter_mut().zip(partial) {
                    *sum += partial.to_f64();
                    *partial = T::Real::ZERO;
                }
            }
        }
    }
}

#[inline(always)]
fn add_row<const FUSED: bool, T: Element>(
    activation: impl Activation,
    table: &Table<T::Real>,
    x: &[T],
    dy: &[T],
    partial: &mut [Vec<T::Real>; 2],
) {
    let n = x.len();
    let [plain, weighted] = partial;
    let (dy, plain, weighted) = (&dy[..n], &mut plain[..n], &mut weighted[..n]);
    let (centre, scale, shift) = (&table.centre[..n], &table.scale[..n], &table.shift[..n]);
    for i in 0..n {
        let centred = x[i].load() - centre[i];
        let dy = dy[i].load()
            * activation.slope::<FUSED, _>(centred.mul_add::<FUSED>(scale[i], shift[i]));
        plain[i] += dy;
        weighted[i] = dy.mul_add::<FUSED>(centred, weighted[i]);
    }
}
