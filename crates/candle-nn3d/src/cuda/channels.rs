//! Numbers for each channel of channels-last activations: biases and their gradients.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::CHANNELS;
use crate::kernels::real::Element;

/// Rows that one thread adds up: few enough that there are threads for all of a GPU.
const ROWS: u32 = 256;

/// What is added to activations in one pass.
pub(crate) struct Addends<'a, M: Machine, T: Number> {
    /// `[c]`
    pub(crate) bias: Option<Slice<'a, M, T>>,
    /// `[batch, c]`
    pub(crate) item_bias: Option<Slice<'a, M, T>>,
    /// As the activations.
    pub(crate) residual: Option<Slice<'a, M, T>>,
}

impl<M: Machine, T: Number> Default for Addends<'_, M, T> {
    fn default() -> Self {
        Self { bias: None, item_bias: None, residual: None }
    }
}

/// Adds to `y` `[batch, .., c]` where it lies; nothing is done where there is nothing to add.
pub(crate) fn add_to_channels<M: Machine, T: Number>(
    machine: &M,
    (batch, c): (usize, usize),
    y: &mut M::Array<T>,
    addends: Addends<'_, M, T>,
) -> Result<()> {
    let Addends { bias, item_bias, residual } = addends;
    if bias.is_none() && item_bias.is_none() && residual.is_none() {
        return Ok(());
    }
    let n = M::len(y);
    let launch = Launch::of::<T>(machine, &CHANNELS, "add_to_channels").write(y, n);
    let launch = launch.read_if(bias, c).read_if(item_bias, batch * c).read_if(residual, n);
    launch.size(n).size(c).size(n / batch.max(1)).over(n)
}

/// The sum of `x` `[rows, c]` over its rows, in a tree that depends on their number alone.
pub(crate) fn channel_sums<M: Machine, T: Number>(
    machine: &M,
    c: usize,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>>
where
    T::Real: Number + Element<Real = T::Real>,
{
    let mut rows = x.len() / c.max(1);
    let mut sums = partial_sums::<M, T>(machine, (rows, c), x)?;
    rows = rows.div_ceil(ROWS as usize);
    while rows > 1 {
        sums = partial_sums::<M, T::Real>(machine, (rows, c), Slice::whole(&sums))?;
        rows = rows.div_ceil(ROWS as usize);
    }
    let mut result = machine.unwritten::<T>(c)?;
    let launch = Launch::of::<T>(machine, &CHANNELS, "narrow").read(Slice::whole(&sums), c);
    launch.write(&mut result, c).size(c).over(c)?;
    Ok(result)
}

fn partial_sums<M: Machine, T: Number>(
    machine: &M,
    (rows, c): (usize, usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<T::Real>>
where
    T::Real: Number,
{
    let n = rows.div_ceil(ROWS as usize) * c;
    let mut sums = machine.unwritten::<T::Real>(n)?;
    let launch = Launch::of::<T>(machine, &CHANNELS, "row_sums").read(x, rows * c);
    launch.write(&mut sums, n).size(n).size(c).size(rows).word(ROWS).over(n)?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::real::Real;

    fn sums_are_those_of_f64<T: Number + std::fmt::Debug>(tolerance: f64)
    where
        T::Real: Number + Element<Real = T::Real>,
    {
        for (rows, c) in [(1, 3), (255, 1), (257, 5), (300, 70), (70_000, 2)] {
            let number = |i: usize| ((i * 7919) % 101) as f64 / 64.0 - 0.5;
            let x: Vec<T> = (0..rows * c).map(|i| T::store(T::Real::from_f64(number(i)))).collect();
            let array = Guarded::new(&x);
            let got = Emulation::both_orders(|m| channel_sums(m, c, array.slice()));
            for (channel, got) in got.iter().enumerate() {
                let of_channel = x.iter().skip(channel).step_by(c);
                let want: f64 = of_channel.map(|x| x.load().to_f64()).sum();
                let error = (got.load().to_f64() - want).abs();
                assert!(error <= tolerance * want.abs().max(1.0), "{rows} rows, {got:?}, {want}");
            }
        }
    }

    #[test]
    fn sums_over_voxels_are_those_in_double_precision() {
        sums_are_those_of_f64::<f32>(1e-5);
        sums_are_those_of_f64::<f64>(1e-13);
        sums_are_those_of_f64::<bf16>(0.004);
    }

    #[test]
    fn every_addend_goes_to_its_channel_and_item() {
        let (bias, item_bias) = ([1.0_f32, 2.0], [10.0, 20.0, 30.0, 40.0]);
        let residual: Vec<f32> = (0..12).map(|i| 100.0 * i as f32).collect();
        let [bias, item_bias, residual] = [&bias[..], &item_bias, &residual].map(Guarded::new);
        let add = |addends: fn(&'_ [Guarded<f32>; 3]) -> Addends<'_, Emulation, f32>,
                   all: &[_; 3]| {
            Emulation::both_orders(|machine| {
                let mut y = Guarded::new(&[0.5_f32; 12]);
                add_to_channels(machine, (2, 2), &mut y, addends(all))?;
                Ok(y)
            })
        };
        let all = [bias, item_bias, residual];
        let everything = add(
            |[bias, item_bias, residual]| Addends {
                bias: Some(bias.slice()),
                item_bias: Some(item_bias.slice()),
                residual: Some(residual.slice()),
            },
            &all,
        );
        let want = |i: usize| {
            let (item, channel) = (i / 6, i % 2);
            let biases = [11.0, 22.0, 31.0, 42.0][2 * item + channel];
            0.5 + biases + 100.0 * i as f32
        };
        assert_eq!(everything, std::array::from_fn::<f32, 12, _>(want));
        assert_eq!(add(|_| Addends::default(), &all), [0.5; 12]);
    }
}
