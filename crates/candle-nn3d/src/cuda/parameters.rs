//! Passes over parameters where they lie: optimisers, averages, norms of gradients.

use candle_core::Result;

use super::launch::{Launch, THREADS};
use super::machine::{Machine, Number, Slice};
use super::source::PARAMETERS;
use crate::in_place::CHUNK;

/// Chunks that a block of threads sums: one for each warp.
const CHUNKS_PER_BLOCK: usize = THREADS as usize / 32;

/// The numbers of one step of Adam, under the names of `optimiser/adam.rs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) keep: f64,
    pub(crate) weight_decay: f64,
    pub(crate) beta1: f64,
    pub(crate) towards: f64,
    pub(crate) beta2: f64,
    pub(crate) share: f64,
    pub(crate) correction: f64,
    pub(crate) epsilon: f64,
    pub(crate) factor: f64,
}

/// The numbers of one step of descent, under the names of `optimiser/sgd.rs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SgdStep {
    pub(crate) rate: f64,
    pub(crate) weight_decay: f64,
    pub(crate) momentum: f64,
    pub(crate) share: f64,
    pub(crate) nesterov: bool,
    pub(crate) first: bool,
}

pub(crate) fn adam<M: Machine, T: Number>(
    machine: &M,
    step: &AdamStep,
    p: &mut M::Array<T>,
    g: Slice<'_, M, T>,
    [m, v]: [&mut M::Array<T>; 2],
) -> Result<()> {
    let n = g.len();
    let launch = Launch::of::<T>(machine, &PARAMETERS, "adam").write(p, n).read(g, n);
    let launch = launch.write(m, n).write(v, n).size(n).real::<T>(step.keep);
    let launch = launch.real::<T>(step.weight_decay).real::<T>(step.beta1);
    let launch = launch.real::<T>(step.towards).real::<T>(step.beta2).real::<T>(step.share);
    launch.real::<T>(step.correction).real::<T>(step.epsilon).real::<T>(step.factor).over(n)
}

/// Descent, with momentum where there is a buffer for it.
pub(crate) fn sgd<M: Machine, T: Number>(
    machine: &M,
    step: &SgdStep,
    p: &mut M::Array<T>,
    g: Slice<'_, M, T>,
    buffer: Option<&mut M::Array<T>>,
) -> Result<()> {
    let n = g.len();
    let Some(buffer) = buffer else {
        let launch = Launch::of::<T>(machine, &PARAMETERS, "sgd").write(p, n).read(g, n).size(n);
        return launch.real::<T>(step.rate).real::<T>(step.weight_decay).over(n);
    };
    let launch = Launch::of::<T>(machine, &PARAMETERS, "momentum").write(p, n).read(g, n);
    let launch = launch.write(buffer, n).size(n).real::<T>(step.rate);
    let launch = launch.real::<T>(step.weight_decay).real::<T>(step.momentum);
    let launch = launch.real::<T>(step.share).word(step.nesterov.into());
    launch.word(step.first.into()).over(n)
}

/// `average ← keep · average + take · value`; a copy where `keep` is 0.
pub(crate) fn average<M: Machine, T: Number>(
    machine: &M,
    [keep, take]: [f64; 2],
    average: &mut M::Array<T>,
    value: Slice<'_, M, T>,
) -> Result<()> {
    let n = value.len();
    let launch = Launch::of::<T>(machine, &PARAMETERS, "average").write(average, n);
    launch.read(value, n).size(n).real::<T>(keep).real::<T>(take).over(n)
}

/// Exchanges the first `n` numbers of two arrays, which are all of them.
pub(crate) fn exchange<M: Machine, T: Number>(
    machine: &M,
    n: usize,
    a: &mut M::Array<T>,
    b: &mut M::Array<T>,
) -> Result<()> {
    Launch::of::<T>(machine, &PARAMETERS, "exchange").write(a, n).write(b, n).size(n).over(n)
}

/// `sum ← sum + more`
pub(crate) fn accumulate<M: Machine, T: Number>(
    machine: &M,
    sum: &mut M::Array<T>,
    more: Slice<'_, M, T>,
) -> Result<()> {
    let n = more.len();
    let launch = Launch::of::<T>(machine, &PARAMETERS, "accumulate").write(sum, n);
    launch.read(more, n).size(n).over(n)
}

/// `x ← factor · x`
pub(crate) fn multiply<M: Machine, T: Number>(
    machine: &M,
    n: usize,
    factor: f64,
    x: &mut M::Array<T>,
) -> Result<()> {
    let launch = Launch::of::<T>(machine, &PARAMETERS, "multiply").write(x, n).size(n);
    launch.real::<T>(factor).over(n)
}

/// Sums of squares of several arrays, in f64, in the order of the CPU's.
pub(crate) struct Squares<M: Machine> {
    /// Of the chunks of every array.
    chunks: M::Array<f64>,
    /// Chunks of every array, and those before it.
    places: Vec<(usize, usize)>,
}

impl<M: Machine> Squares<M> {
    /// For arrays of so many numbers.
    pub(crate) fn new(machine: &M, lengths: impl Iterator<Item = usize>) -> Result<Self> {
        let mut before = 0;
        let places = lengths.map(|n| {
            let (count, first) = (n.div_ceil(CHUNK), before);
            before += count;
            (count, first)
        });
        let places = places.collect();
        Ok(Self { chunks: machine.unwritten(before)?, places })
    }

    /// Sums up the array at a place.
    pub(crate) fn add<T: Number>(
        &mut self,
        machine: &M,
        place: usize,
        x: Slice<'_, M, T>,
    ) -> Result<()> {
        let ((count, first), n) = (self.places[place], x.len());
        let all = self.all();
        let launch = Launch::of::<T>(machine, &PARAMETERS, "squares").read(x, n);
        let launch = launch.write(&mut self.chunks, all).size(n).size(CHUNK).size(count);
        launch.size(first).blocks(count.div_ceil(CHUNKS_PER_BLOCK), 1)
    }

    /// The sum of each array.
    pub(crate) fn totals(&self, machine: &M) -> Result<M::Array<f64>> {
        let all = self.all();
        let mut totals = machine.unwritten(self.places.len())?;
        for (place, &(count, first)) in self.places.iter().enumerate() {
            let launch = Launch::named(machine, &PARAMETERS, "total".to_owned());
            let launch = launch.read(Slice::whole(&self.chunks), all);
            let launch = launch.write(&mut totals, self.places.len());
            launch.size(first).size(count).size(place).over(1)?;
        }
        Ok(totals)
    }

    fn all(&self) -> usize {
        self.places.last().map_or(0, |(count, first)| count + first)
    }
}

#[cfg(test)]
mod tests;
