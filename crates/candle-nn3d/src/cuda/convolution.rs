//! Convolutions by cuDNN: forward, input gradient and weight gradient.
//!
//! Activations are channels-last as they are; weights are brought to cuDNN's order and their
//! gradients back by kernels of ours. Where cuDNN has no algorithm for channels-last arrays it is
//! given channels-first copies. Padding that differs between an axis' ends goes through a window.

pub(crate) mod choice;
mod cudnn;
pub(crate) mod problem;

use candle_core::Result;

use super::channels::{Addends, add_to_channels};
use super::layout::{transpose, window};
use super::machine::{Machine, Number, Slice};
use crate::conv_shape::ConvShape;
use choice::{Choice, Order, Pass};
pub(crate) use cudnn::Cudnn;
use cudnn::CudnnNumber;
use problem::Problem;

/// What computes convolutions whose padding is symmetric: cuDNN, or in tests their definition.
pub(crate) trait Convolver<M: Machine> {
    fn choose<T: Number + CudnnNumber>(&self, pass: Pass, problem: &Problem) -> Result<Choice>;

    /// What the pass makes of its two inputs (`x` and the weight, `dy` and the weight, or `x` and
    /// `dy`), all in the order of the choice: an array of `len` numbers.
    fn run<T: Number + CudnnNumber>(
        &self,
        pass: Pass,
        problem: &Problem,
        choice: &Choice,
        inputs: [Slice<'_, M, T>; 2],
        len: usize,
    ) -> Result<M::Array<T>>;
}

/// `x` `[batch, .., c_in]` under a weight `[c_out, c_in / groups, taps]`, plus what is added.
pub(crate) fn forward<M: Machine, T: Number + CudnnNumber>(
    (machine, convolver): (&M, &impl Convolver<M>),
    shape: &ConvShape,
    x: Slice<'_, M, T>,
    weight: Slice<'_, M, T>,
    addends: Addends<'_, M, T>,
) -> Result<M::Array<T>> {
    let problem = Problem::new(shape)?;
    let choice = convolver.choose::<T>(Pass::Forward, &problem)?;
    let weight = weight_to(machine, choice.order, shape, weight)?;
    let seen = problem
        .window
        .map(|through| window(machine, through, (shape.batch, shape.input, shape.c_in), x));
    let seen = seen.transpose()?;
    let x = seen.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(machine, choice.order, problem.voxels_in(), shape.c_in, x)?;
    let x = ordered.as_ref().map_or(x, Slice::whole);
    let y = convolver.run(
        Pass::Forward,
        &problem,
        &choice,
        [x, Slice::whole(&weight)],
        problem.len_out(),
    )?;
    let mut y = activations_from(machine, choice.order, shape.n_out(), shape.c_out, y)?;
    add_to_channels(machine, (shape.batch, shape.c_out), &mut y, addends)?;
    Ok(y)
}

/// The gradient of a convolution's input, or what the transposed one makes of `dy`.
pub(crate) fn input_gradient<M: Machine, T: Number + CudnnNumber>(
    (machine, convolver): (&M, &impl Convolver<M>),
    shape: &ConvShape,
    dy: Slice<'_, M, T>,
    weight: Slice<'_, M, T>,
    addends: Addends<'_, M, T>,
) -> Result<M::Array<T>> {
    let problem = Problem::new(shape)?;
    let choice = convolver.choose::<T>(Pass::InputGradient, &problem)?;
    let weight = weight_to(machine, choice.order, shape, weight)?;
    let ordered = activations_to(machine, choice.order, shape.n_out(), shape.c_out, dy)?;
    let dy = ordered.as_ref().map_or(dy, Slice::whole);
    let dx = convolver.run(
        Pass::InputGradient,
        &problem,
        &choice,
        [dy, Slice::whole(&weight)],
        problem.len_in(),
    )?;
    let dx = activations_from(machine, choice.order, problem.voxels_in(), shape.c_in, dx)?;
    let mut dx = match problem.window {
        Some(through) => {
            let volume = (shape.batch, through.size, shape.c_in);
            window(machine, through.back(shape.input), volume, Slice::whole(&dx))?
        }
        None => dx,
    };
    add_to_channels(machine, (shape.batch, shape.c_in), &mut dx, addends)?;
    Ok(dx)
}

/// The gradient of a convolution's weight, `[c_out, c_in / groups, taps]`.
pub(crate) fn weight_gradient<M: Machine, T: Number + CudnnNumber>(
    (machine, convolver): (&M, &impl Convolver<M>),
    shape: &ConvShape,
    x: Slice<'_, M, T>,
    dy: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let problem = Problem::new(shape)?;
    let choice = convolver.choose::<T>(Pass::WeightGradient, &problem)?;
    let seen = problem
        .window
        .map(|through| window(machine, through, (shape.batch, shape.input, shape.c_in), x));
    let seen = seen.transpose()?;
    let x = seen.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(machine, choice.order, problem.voxels_in(), shape.c_in, x)?;
    let x = ordered.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(machine, choice.order, shape.n_out(), shape.c_out, dy)?;
    let dy = ordered.as_ref().map_or(dy, Slice::whole);
    let dw =
        convolver.run(Pass::WeightGradient, &problem, &choice, [x, dy], problem.len_weight())?;
    match choice.order {
        Order::ChannelsFirst => Ok(dw),
        Order::ChannelsLast => {
            transpose(machine, [shape.n_taps(), shape.c_in_per_group()], Slice::whole(&dw))
        }
    }
}

/// A weight in cuDNN's order: `[c_out, taps, c_in / groups]` beside channels-last activations.
fn weight_to<M: Machine, T: Number>(
    machine: &M,
    order: Order,
    shape: &ConvShape,
    weight: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let axes = [shape.c_in_per_group(), shape.n_taps()];
    match order {
        Order::ChannelsLast => transpose(machine, axes, weight),
        // The same order, as an array of its own.
        Order::ChannelsFirst => transpose(machine, [1, weight.len()], weight),
    }
}

/// Activations `[.., voxels, c]` in cuDNN's order, or none where that is theirs.
fn activations_to<M: Machine, T: Number>(
    machine: &M,
    order: Order,
    voxels: usize,
    c: usize,
    x: Slice<'_, M, T>,
) -> Result<Option<M::Array<T>>> {
    match order {
        Order::ChannelsLast => Ok(None),
        Order::ChannelsFirst => transpose(machine, [voxels, c], x).map(Some),
    }
}

/// Activations as cuDNN wrote them, in ours.
fn activations_from<M: Machine, T: Number>(
    machine: &M,
    order: Order,
    voxels: usize,
    c: usize,
    y: M::Array<T>,
) -> Result<M::Array<T>> {
    match order {
        Order::ChannelsLast => Ok(y),
        Order::ChannelsFirst => transpose(machine, [c, voxels], Slice::whole(&y)),
    }
}

#[cfg(test)]
mod tests;
