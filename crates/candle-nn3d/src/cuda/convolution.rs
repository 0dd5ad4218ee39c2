//! Convolutions by cuDNN: forward, input gradient and weight gradient.
//!
//! Activations are channels-last as they are; weights are brought to cuDNN's order and their
//! gradients back by kernels of ours. Where cuDNN has no algorithm for channels-last arrays it is
//! given channels-first copies. Padding that differs between an axis' ends goes through a window.

pub(crate) mod choice;
mod cudnn;
pub(crate) mod problem;

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::channels::{Addends, add_to_channels};
use super::gpu::Gpu;
use super::layout::{transpose, window};
use super::machine::{Number, Slice};
use crate::conv_shape::ConvShape;
use choice::{Choice, Order, Pass, choose};
use cudnn::{CudnnNumber, Handle, Prepared};
use problem::Problem;

/// `x` `[batch, .., c_in]` under a weight `[c_out, c_in / groups, taps]`, plus what is added.
pub(crate) fn forward<T: Number + CudnnNumber>(
    gpu: &Gpu,
    shape: &ConvShape,
    x: Slice<'_, Gpu, T>,
    weight: Slice<'_, Gpu, T>,
    addends: Addends<'_, Gpu, T>,
) -> Result<CudaSlice<T>> {
    let problem = Problem::new(shape)?;
    let (choice, prepared) = prepare::<T>(gpu, Pass::Forward, &problem)?;
    let weight = weight_to(gpu, choice.order, shape, weight)?;
    let seen = problem
        .window
        .map(|through| window(gpu, through, (shape.batch, shape.input, shape.c_in), x));
    let seen = seen.transpose()?;
    let x = seen.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(gpu, choice.order, problem.voxels_in(), shape.c_in, x)?;
    let x = ordered.as_ref().map_or(x, Slice::whole);
    let y = prepared.run(gpu, &choice, [x, Slice::whole(&weight)], problem.len_out())?;
    let mut y = activations_from(gpu, choice.order, shape.n_out(), shape.c_out, y)?;
    add_to_channels(gpu, (shape.batch, shape.c_out), &mut y, addends)?;
    Ok(y)
}

/// The gradient of a convolution's input, or what the transposed one makes of `dy`.
pub(crate) fn input_gradient<T: Number + CudnnNumber>(
    gpu: &Gpu,
    shape: &ConvShape,
    dy: Slice<'_, Gpu, T>,
    weight: Slice<'_, Gpu, T>,
    addends: Addends<'_, Gpu, T>,
) -> Result<CudaSlice<T>> {
    let problem = Problem::new(shape)?;
    let (choice, prepared) = prepare::<T>(gpu, Pass::InputGradient, &problem)?;
    let weight = weight_to(gpu, choice.order, shape, weight)?;
    let ordered = activations_to(gpu, choice.order, shape.n_out(), shape.c_out, dy)?;
    let dy = ordered.as_ref().map_or(dy, Slice::whole);
    let dx = prepared.run(gpu, &choice, [dy, Slice::whole(&weight)], problem.len_in())?;
    let dx = activations_from(gpu, choice.order, problem.voxels_in(), shape.c_in, dx)?;
    let mut dx = match problem.window {
        Some(through) => {
            let volume = (shape.batch, through.size, shape.c_in);
            window(gpu, through.back(shape.input), volume, Slice::whole(&dx))?
        }
        None => dx,
    };
    add_to_channels(gpu, (shape.batch, shape.c_in), &mut dx, addends)?;
    Ok(dx)
}

/// The gradient of a convolution's weight, `[c_out, c_in / groups, taps]`.
pub(crate) fn weight_gradient<T: Number + CudnnNumber>(
    gpu: &Gpu,
    shape: &ConvShape,
    x: Slice<'_, Gpu, T>,
    dy: Slice<'_, Gpu, T>,
) -> Result<CudaSlice<T>> {
    let problem = Problem::new(shape)?;
    let (choice, prepared) = prepare::<T>(gpu, Pass::WeightGradient, &problem)?;
    let seen = problem
        .window
        .map(|through| window(gpu, through, (shape.batch, shape.input, shape.c_in), x));
    let seen = seen.transpose()?;
    let x = seen.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(gpu, choice.order, problem.voxels_in(), shape.c_in, x)?;
    let x = ordered.as_ref().map_or(x, Slice::whole);
    let ordered = activations_to(gpu, choice.order, shape.n_out(), shape.c_out, dy)?;
    let dy = ordered.as_ref().map_or(dy, Slice::whole);
    let dw = prepared.run(gpu, &choice, [x, dy], problem.len_weight())?;
    match choice.order {
        Order::ChannelsFirst => Ok(dw),
        Order::ChannelsLast => {
            transpose(gpu, [shape.n_taps(), shape.c_in_per_group()], Slice::whole(&dw))
        }
    }
}

/// The algorithm for a problem, and cuDNN's descriptors in its order.
fn prepare<T: Number + CudnnNumber>(
    gpu: &Gpu,
    pass: Pass,
    problem: &Problem,
) -> Result<(Choice, Prepared)> {
    let handle = Handle::of(gpu)?;
    let choice = choose(problem.key(pass, T::SUFFIX), |settings, order| {
        Prepared::new::<T>(handle.clone(), pass, problem, order, settings)?.candidates(settings)
    })?;
    let settings = choice::Settings::current();
    let prepared = Prepared::new::<T>(handle, pass, problem, choice.order, &settings)?;
    Ok((choice, prepared))
}

/// A weight in cuDNN's order: `[c_out, taps, c_in / groups]` beside channels-last activations.
fn weight_to<T: Number>(
    gpu: &Gpu,
    order: Order,
    shape: &ConvShape,
    weight: Slice<'_, Gpu, T>,
) -> Result<CudaSlice<T>> {
    let axes = [shape.c_in_per_group(), shape.n_taps()];
    match order {
        Order::ChannelsLast => transpose(gpu, axes, weight),
        // The same order, as an array of its own.
        Order::ChannelsFirst => transpose(gpu, [1, weight.len()], weight),
    }
}

/// Activations `[.., voxels, c]` in cuDNN's order, or none where that is theirs.
fn activations_to<T: Number>(
    gpu: &Gpu,
    order: Order,
    voxels: usize,
    c: usize,
    x: Slice<'_, Gpu, T>,
) -> Result<Option<CudaSlice<T>>> {
    match order {
        Order::ChannelsLast => Ok(None),
        Order::ChannelsFirst => transpose(gpu, [voxels, c], x).map(Some),
    }
}

/// Activations as cuDNN wrote them, in ours.
fn activations_from<T: Number>(
    gpu: &Gpu,
    order: Order,
    voxels: usize,
    c: usize,
    y: CudaSlice<T>,
) -> Result<CudaSlice<T>> {
    match order {
        Order::ChannelsLast => Ok(y),
        Order::ChannelsFirst => transpose(gpu, [c, voxels], Slice::whole(&y)),
    }
}
