//! Group, instance and batch norm with an activation, forward and backward.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::GROUPED_NORM;
use super::sums::{Columns, over_rows};
use crate::kernels::activation::Activation;
use crate::kernels::moments::NormShape;
use crate::kernels::real::Element;

/// Partial moments that one thread joins.
const JOINED: usize = 64;
/// Groups that a block makes: one in each of its warps.
const GROUPS_OF_A_BLOCK: usize = 8;

/// The mean, 1 / √(variance + eps) and the sum of squared deviations of every item and group, groups
/// fastest, one plane after the other.
pub(crate) fn standards<M: Machine, T: Number>(
    machine: &M,
    shape: &NormShape,
    eps: f64,
    x: Slice<'_, M, T>,
) -> Result<M::Array<f64>> {
    let NormShape { items, rows, channels, groups } = *shape;
    let columns = Columns::new(rows, channels);
    let n = columns.threads(items);
    let mut means = machine.unwritten::<f64>(2 * n)?;
    let launch = Launch::of::<T>(machine, &GROUPED_NORM, "moments").read(x, items * shape.item());
    columns.sizes(launch.write(&mut means, 2 * n).size(n)).over(n)?;
    let Columns { width, mut parts, per_item } = columns;
    let mut span = columns.rows();
    while parts > 1 {
        let (given, left) = (items * parts * width, parts.div_ceil(JOINED));
        let n = items * left * width;
        let mut joined = machine.unwritten::<f64>(2 * n)?;
        let launch = Launch::named(machine, &GROUPED_NORM, "join_moments".to_owned());
        let launch = launch.read(Slice::whole(&means), 2 * given).write(&mut joined, 2 * n);
        let launch = launch.size(items).size(width).size(parts).size(JOINED).size(span);
        launch.size(per_item).over(n)?;
        (means, parts, span) = (joined, left, span * JOINED);
    }
    let n = items * groups;
    let mut standards = machine.unwritten::<f64>(3 * n)?;
    let launch = Launch::named(machine, &GROUPED_NORM, "standards".to_owned());
    let launch = launch.read(Slice::whole(&means), 2 * items * width).write(&mut standards, 3 * n);
    let launch = launch.size(n).size(width).size(channels).size(groups).size(per_item);
    launch.real::<f64>(eps).blocks(n.div_ceil(GROUPS_OF_A_BLOCK), 1)?;
    Ok(standards)
}

/// A normalisation over `[items, rows, channels]`.
pub(crate) struct Normalisation<'a, M: Machine, T: Number, A> {
    pub(crate) machine: &'a M,
    pub(crate) shape: NormShape,
    /// Of every item and group, groups fastest.
    pub(crate) mean: Slice<'a, M, f64>,
    pub(crate) rstd: Slice<'a, M, f64>,
    pub(crate) weight: Slice<'a, M, T>,
    pub(crate) bias: Slice<'a, M, T>,
    pub(crate) activation: A,
}

/// Which gradients are asked for beside those of weight and bias, and what x takes part in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) input: bool,
    /// Whether the statistics are those of x.
    pub(crate) of_input: bool,
}

/// The gradients of weight and bias, and of x where it is wanted.
pub(crate) struct Gradients<M: Machine, T: Number> {
    pub(crate) weight: M::Array<T>,
    pub(crate) bias: M::Array<T>,
    pub(crate) input: Option<M::Array<T>>,
}

impl<M: Machine, T: Number, A: Activation> Normalisation<'_, M, T, A>
where
    T::Real: Number + Element<Real = T::Real>,
{
    pub(crate) fn forward(&self, x: Slice<'_, M, T>) -> Result<M::Array<T>> {
        let (columns, entries) = (self.columns(), self.entries());
        let (n, threads) = (self.numbers(), columns.threads(self.shape.items));
        let table = self.table()?;
        let mut y = self.machine.unwritten(n)?;
        let launch = self.launch("normalise").read(x, n).read(Slice::whole(&table), 3 * entries);
        self.ending(launch.write(&mut y, n)).over(threads)?;
        Ok(y)
    }

    pub(crate) fn gradients(
        &self,
        wanted: Wanted,
        x: Slice<'_, M, T>,
        dy: Slice<'_, M, T>,
    ) -> Result<Gradients<M, T>> {
        let table = self.table()?;
        let affine = self.affine_gradients(&table, x, dy)?;
        let input = match wanted.input {
            true => Some(self.input_gradient(wanted.of_input, &table, &affine, x, dy)?),
            false => None,
        };
        let [weight, bias] = [0, 1].map(|plane| self.over_items(&affine, plane));
        Ok(Gradients { weight: weight?, bias: bias?, input })
    }

    /// Of every item by itself: those of the weight, then those of the bias.
    fn affine_gradients(
        &self,
        table: &M::Array<T::Real>,
        x: Slice<'_, M, T>,
        dy: Slice<'_, M, T>,
    ) -> Result<M::Array<f64>> {
        let (columns, entries) = (self.columns(), self.entries());
        let (n, threads) = (self.numbers(), columns.threads(self.shape.items));
        let mut sums = self.machine.unwritten::<f64>(2 * threads)?;
        let launch = self.launch("gradient_sums").read(x, n).read(dy, n);
        let launch = launch.read(Slice::whole(table), 3 * entries).write(&mut sums, 2 * threads);
        self.ending(launch).over(threads)?;
        let batch = 2 * self.shape.items;
        let sums = over_rows(self.machine, [batch, columns.parts, columns.width], sums)?;
        let mut gradients = self.machine.unwritten::<f64>(2 * entries)?;
        let launch = Launch::of::<T>(self.machine, &GROUPED_NORM, "affine_gradients");
        let launch = launch.read(Slice::whole(&sums), batch * columns.width);
        let launch = self.read_standards(launch).write(&mut gradients, 2 * entries).size(entries);
        let launch = launch.size(self.shape.channels).size(self.shape.groups);
        launch.size(columns.width).over(entries)?;
        Ok(gradients)
    }

    fn input_gradient(
        &self,
        of_input: bool,
        table: &M::Array<T::Real>,
        affine: &M::Array<f64>,
        x: Slice<'_, M, T>,
        dy: Slice<'_, M, T>,
    ) -> Result<M::Array<T>> {
        let (columns, entries) = (self.columns(), self.entries());
        let NormShape { items, channels, groups, .. } = self.shape;
        let mut input = self.machine.unwritten::<T::Real>(2 * entries)?;
        let launch = Launch::of::<T>(self.machine, &GROUPED_NORM, "input_table");
        let launch = self.read_standards(launch.read(Slice::whole(affine), 2 * entries));
        let launch = launch.read(self.weight, channels).write(&mut input, 2 * entries);
        let launch = launch.size(entries).size(channels).size(groups).size(columns.per_item);
        launch.word(u32::from(of_input)).over(entries)?;
        let (n, threads) = (self.numbers(), columns.threads(items));
        let mut dx = self.machine.unwritten(n)?;
        let launch = self.launch("input_gradient").read(x, n).read(dy, n);
        let launch = launch.read(Slice::whole(table), 3 * entries);
        let launch = launch.read(Slice::whole(&input), 2 * entries).write(&mut dx, n);
        self.ending(launch).over(threads)?;
        Ok(dx)
    }

    /// The sum of a plane over the items, in their order.
    fn over_items(&self, affine: &M::Array<f64>, plane: usize) -> Result<M::Array<T>> {
        let entries = self.entries();
        let of_plane = Slice::part(affine, plane * entries..(plane + 1) * entries);
        super::sums::fold(
            self.machine,
            self.shape.channels,
            of_plane.unwrap_or(Slice::whole(affine)),
        )
    }

    fn table(&self) -> Result<M::Array<T::Real>> {
        let (entries, channels) = (self.entries(), self.shape.channels);
        let mut table = self.machine.unwritten::<T::Real>(3 * entries)?;
        let launch = Launch::of::<T>(self.machine, &GROUPED_NORM, "affine_table");
        let launch = self.read_standards(launch).read(self.weight, channels);
        let launch = launch.read(self.bias, channels).write(&mut table, 3 * entries);
        launch.size(entries).size(channels).size(self.shape.groups).over(entries)?;
        Ok(table)
    }

    fn launch<'b>(&'b self, kernel: &str) -> Launch<'b, M> {
        let kernel = format!("{kernel}_{}", A::NAME);
        Launch::of::<T>(self.machine, &GROUPED_NORM, &kernel)
    }

    fn read_standards<'b>(&'b self, launch: Launch<'b, M>) -> Launch<'b, M> {
        let n = self.shape.items * self.shape.groups;
        launch.read(self.mean, n).read(self.rstd, n)
    }

    /// What the kernels with an activation take at last.
    fn ending<'b>(&self, launch: Launch<'b, M>) -> Launch<'b, M> {
        let columns = self.columns();
        let launch = columns.sizes(launch.size(columns.threads(self.shape.items)));
        let launch = launch.size(self.shape.channels).size(self.entries());
        launch.real::<T>(self.activation.parameter())
    }

    fn columns(&self) -> Columns {
        Columns::new(self.shape.rows, self.shape.channels)
    }

    fn numbers(&self) -> usize {
        self.shape.items * self.shape.item()
    }

    /// Channels of all items.
    fn entries(&self) -> usize {
        self.shape.items * self.shape.channels
    }
}

#[cfg(test)]
pub(in crate::cuda) mod tests;
