//! A separable linear map between channels-last volumes: upsampling, average pooling, and their
//! gradients. The CPU's sums in the CPU's order.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::RESAMPLE;
use crate::error::Error;
use crate::kernels::axis_map::AxisMap;

/// `y[n, x, y, z, c] = Σ wx · wy · wz · x[n, ix, iy, iz, c]` over the taps of three axes.
///
/// # Errors
/// [`Error::Gpu`] for axes whose taps cannot be counted in 32 bits.
pub(crate) fn resample<M: Machine, T: Number>(
    machine: &M,
    axes: &[AxisMap; 3],
    (items, channels): (usize, usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let volume = |size: [usize; 3]| items * size.iter().product::<usize>() * channels;
    let inputs = axes.each_ref().map(AxisMap::inputs);
    let outputs = axes.each_ref().map(AxisMap::outputs);
    let (of_x, n) = (volume(inputs), volume(outputs));
    let mut y = machine.unwritten(n)?;
    let selections: Option<Vec<_>> = axes.iter().map(AxisMap::selection).collect();
    let sizes = |launch: Launch<'_, M>| {
        let launch = launch.size(n).size(channels);
        inputs.iter().chain(&outputs).fold(launch, |launch, &size| launch.size(size)).over(n)
    };
    if let Some(selections) = selections {
        let places = selections.concat();
        let copied = machine.holding(&words(places.iter().copied())?)?;
        let launch = Launch::of::<T>(machine, &RESAMPLE, "select").read(x, of_x).write(&mut y, n);
        sizes(launch.read(Slice::whole(&copied), places.len()))?;
        return Ok(y);
    }
    let Taps { starts, inputs: places, weights } = Taps::of(axes)?;
    let (held, counts) = (
        (machine.holding(&starts)?, machine.holding(&places)?, machine.holding(&weights)?),
        (starts.len(), places.len()),
    );
    let launch = Launch::of::<T>(machine, &RESAMPLE, "resample").read(x, of_x).write(&mut y, n);
    let launch = launch.read(Slice::whole(&held.0), counts.0).read(Slice::whole(&held.1), counts.1);
    sizes(launch.read(Slice::whole(&held.2), counts.1))?;
    Ok(y)
}

/// The taps of three axes behind one another.
struct Taps {
    /// One more than outputs for each axis.
    starts: Vec<u32>,
    inputs: Vec<u32>,
    weights: Vec<f64>,
}

impl Taps {
    fn of(axes: &[AxisMap; 3]) -> Result<Self> {
        let (mut starts, mut inputs, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for axis in axes {
            for output in 0..axis.outputs() {
                starts.push(inputs.len());
                inputs.extend(axis.taps(output).iter().map(|&(input, _)| input));
                weights.extend(axis.taps(output).iter().map(|&(_, weight)| weight));
            }
            starts.push(inputs.len());
        }
        let (starts, inputs) = (words(starts.into_iter())?, words(inputs.into_iter())?);
        Ok(Self { starts, inputs, weights })
    }
}

fn words(numbers: impl Iterator<Item = usize>) -> Result<Vec<u32>> {
    let word = |n| {
        u32::try_from(n).map_err(|_| {
            let problem = format!("an axis has {n} voxels or taps");
            Error::gpu("resample", problem, "resample axes of less than 2³² on the CPU").into()
        })
    };
    numbers.map(word).collect()
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::real::Real;
    use crate::kernels::resample as cpu;
    use crate::kernels::tier::Tier;

    fn maps() -> Vec<[AxisMap; 3]> {
        let doubled = |n: usize| AxisMap::linear(n, 2 * n, 0.5);
        let mean = |n: usize, o, window, counted| AxisMap::window_mean(n, o, window, counted);
        let maps = [
            [3, 4, 2].map(doubled),
            [3, 4, 2].map(|n| AxisMap::nearest(n, 2 * n)),
            // To given sizes, some smaller.
            [AxisMap::linear(3, 7, 3.0 / 7.0), AxisMap::linear(4, 3, 4.0 / 3.0), doubled(2)],
            [AxisMap::nearest(3, 5), AxisMap::nearest(4, 3), AxisMap::nearest_by(2, 3, 1.6)],
            // One axis that copies among others that do not.
            [AxisMap::nearest(3, 3), AxisMap::linear(4, 11, 4.0 / 11.0), AxisMap::nearest(2, 2)],
            [
                mean(3, 2, [2, 1, 0], true),
                mean(4, 2, [3, 2, 1], false),
                mean(2, 1, [2, 2, 0], true),
            ],
            // Windows that leave voxels out, whose gradients are zero.
            [mean(3, 1, [2, 2, 0], true), mean(4, 2, [1, 3, 0], true), mean(2, 2, [1, 1, 0], true)],
            [3, 4, 2].map(AxisMap::spread),
        ];
        maps.into_iter().flat_map(|map| [map.each_ref().map(AxisMap::transposed), map]).collect()
    }

    fn maps_as_the_cpu<T: Number + std::fmt::Debug>() {
        for axes in maps() {
            for (items, c) in [(2, 3), (1, 1)] {
                let of = |size: fn(&AxisMap) -> usize| axes.iter().map(size).product::<usize>();
                let number = |i: usize| ((i * 7919) % 1009) as f64 / 64.0 - 5.0;
                let x: Vec<T> = (0..items * of(AxisMap::inputs) * c)
                    .map(|i| T::store(T::Real::from_f64(number(i))))
                    .collect();
                let mut want = T::unwritten(items * of(AxisMap::outputs) * c);
                cpu::resample(Tier::current(), &axes, c, &x, &mut want);
                let x = Guarded::new(&x);
                let got = Emulation::both_orders(|m| resample(m, &axes, (items, c), x.slice()));
                assert_eq!(got, want, "{axes:?}");
            }
        }
    }

    #[test]
    fn every_map_and_its_transpose_gives_the_numbers_of_the_cpu() {
        maps_as_the_cpu::<f32>();
        maps_as_the_cpu::<f64>();
        maps_as_the_cpu::<bf16>();
    }

    #[test]
    fn places_beyond_32_bits_are_an_error() {
        let error = words(std::iter::once(1 << 32)).unwrap_err().to_string();
        assert!(error.contains("4294967296"), "{error}");
    }
}
