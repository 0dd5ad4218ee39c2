//! The same numbers in another order, or a window of a volume.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::LAYOUT;

/// `[.., a, b]` to `[.., b, a]`.
pub(crate) fn transpose<M: Machine, T: Number>(
    machine: &M,
    [a, b]: [usize; 2],
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len();
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &LAYOUT, "transpose").read(x, n).write(&mut y, n);
    launch.size(n).size(a).size(b).over(n)?;
    Ok(y)
}

/// A box beside, around or within volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Where it begins, in voxels of the volume.
    pub(crate) offset: [i64; 3],
    /// How large it is.
    pub(crate) size: [usize; 3],
}

impl Window {
    /// The window that shows a volume of this size from inside this one.
    pub(crate) fn back(self, size: [usize; 3]) -> Self {
        Self { offset: self.offset.map(|offset| -offset), size }
    }
}

/// Volumes `[batch, x, y, z, c]` seen through a window; zeros where it leaves them.
pub(crate) fn window<M: Machine, T: Number>(
    machine: &M,
    through: Window,
    sizes: (usize, [usize; 3], usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    window_filled(machine, (through, 0.0), sizes, x)
}

/// [`window`] with a number of choice where it leaves the volumes.
pub(crate) fn window_filled<M: Machine, T: Number>(
    machine: &M,
    (through, fill): (Window, f64),
    (batch, volume, c): (usize, [usize; 3], usize),
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let of_window: usize = through.size.iter().product();
    let n = batch * of_window * c;
    let mut y = machine.unwritten(n)?;
    let len = batch * volume.iter().product::<usize>() * c;
    let launch = Launch::of::<T>(machine, &LAYOUT, "window").read(x, len).write(&mut y, n);
    let launch = volume.iter().fold(launch.size(n).size(c), |launch, &n| launch.size(n));
    let launch = through.offset.iter().fold(launch, |launch, &n| launch.signed(n));
    let launch = through.size.iter().fold(launch, |launch, &n| launch.size(n));
    launch.real::<T>(fill).over(n)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};

    #[test]
    fn a_transpose_exchanges_the_last_two_axes_of_each_outer_one() {
        let x = Guarded::new(&[1.0_f32, 2., 3., 4., 5., 6., 10., 20., 30., 40., 50., 60.]);
        let y = Emulation::both_orders(|m| transpose(m, [2, 3], x.slice()));
        assert_eq!(y, [1., 4., 2., 5., 3., 6., 10., 40., 20., 50., 30., 60.]);
        let numbers: Vec<f64> = (0..3 * 17 * 40).map(f64::from).collect();
        let x = Guarded::new(&numbers);
        let there_and_back = Emulation::both_orders(|m| {
            let y = transpose(m, [17, 40], x.slice())?;
            transpose(m, [40, 17], y.slice())
        });
        assert_eq!(there_and_back, numbers);
    }

    #[test]
    fn a_window_may_be_filled_with_a_number_of_choice() {
        let x = Guarded::new(&[half::bf16::ONE; 2]);
        let around = Window { offset: [0, 0, -1], size: [1, 1, 4] };
        let got = Emulation::both_orders(|m| {
            window_filled(m, (around, 0.3), (1, [1, 1, 2], 1), x.slice())
        });
        assert_eq!(got, [0.3, 1.0, 1.0, 0.3].map(half::bf16::from_f32));
    }

    #[test]
    fn a_window_is_zero_outside_and_the_volume_inside() {
        let (batch, volume, c) = (2, [3, 4, 2], 3);
        let numbers: Vec<f32> = (0..batch * 24 * c).map(|i| 1.0 + i as f32).collect();
        let through = Window { offset: [-1, 1, -2], size: [5, 2, 5] };
        let x = Guarded::new(&numbers);
        let got = Emulation::both_orders(|m| window(m, through, (batch, volume, c), x.slice()));
        let mut at = 0;
        for item in 0..batch as i64 {
            for x in -1..4_i64 {
                for y in 1..3_i64 {
                    for z in -2..3_i64 {
                        for channel in 0..c as i64 {
                            let inside = (0..3).contains(&x) && (0..2).contains(&z);
                            let place = (((item * 3 + x) * 4 + y) * 2 + z) * c as i64 + channel;
                            assert_eq!(got[at], if inside { 1.0 + place as f32 } else { 0.0 });
                            at += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(at, got.len());
    }
}
