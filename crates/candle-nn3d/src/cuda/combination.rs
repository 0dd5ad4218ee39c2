//! Weighted sums of tensors in one pass, with noise and limits: the steps of samplers.

use candle_core::op::BackpropOp;
use candle_core::{DType, Result, Storage, Tensor};
use keyed_random::Key;

use super::gpu::Gpu;
use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::COMBINATION;
use super::tensors::{operand, slice};
use crate::dense::for_dtype;
use crate::error::Error;

const OP: &str = "combination";
/// Operands that a kernel takes, and the numbers of an item in its table.
const OPERANDS: usize = 6;
const ROW: usize = OPERANDS + 8;

/// A tensor of a [`Combination`].
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The tensor, its first axis that of the items.
    pub tensor: &'a Tensor,
    /// Its factor: one for all items, or one for each.
    pub weights: &'a [f64],
    /// Whether a number of it that is not finite makes the result NaN, whatever the limits.
    pub checked: bool,
}

/// What becomes of a sum: `clamp(sum, lower, upper) / divisor`; one of each for all items, or one for
/// each.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// The lower limit.
    pub lower: &'a [f64],
    /// The upper limit.
    pub upper: &'a [f64],
    /// The divisor.
    pub divisor: &'a [f64],
}

/// `Σ weight · tensor + scale · noise`, within limits: on a GPU, off every tape, without waiting for it.
///
/// The bits are those that the same sum has on a CPU without fused operations.
#[derive(Clone, Debug)]
pub struct Combination<'a> {
    /// The tensors, all of one shape and dtype: one to six.
    pub operands: Vec<Operand<'a>>,
    /// The factor of standard normal noise, and a key for each item.
    pub noise: Option<(f64, &'a [Key])>,
    /// The limits, if there are any.
    pub limits: Option<Limits<'a>>,
}

impl Combination<'_> {
    /// The sum.
    ///
    /// # Errors
    /// [`Error::Gpu`] for tensors that are not on one GPU, no operands or more than six, and numbers
    /// that are not one for each item.
    pub fn compute(&self) -> Result<Tensor> {
        let problem = |problem: String| Error::gpu(OP, problem, "give what each item needs");
        let n_operands = self.operands.len();
        let Some(first) = self.operands.first().filter(|_| n_operands <= OPERANDS) else {
            return Err(problem(format!("{n_operands} tensors, expected 1 to {OPERANDS}")).into());
        };
        let like = first.tensor;
        let items = like.dims().first().copied().unwrap_or(1);
        let table =
            self.table(items).ok_or_else(|| problem(format!("{items} items in {self:?}")))?;
        let table = Tensor::from_vec(table, items * ROW, like.device())?;
        let tensors = self.operands.iter().map(|operand| operand.tensor.contiguous());
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        let held: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
        let table = table.storage_and_layout();
        let checked = self.operands.iter().enumerate();
        let checked = checked.map(|(k, operand)| u32::from(operand.checked) << k).sum();
        let switches =
            Switches { checked, noisy: self.noise.is_some(), limited: self.limits.is_some() };
        let storage = for_dtype!(OP, like.dtype(), T => {
            let slices = held.iter().map(|held| slice::<T>(OP, operand(OP, held)?));
            let slices = slices.collect::<Result<Vec<_>>>()?;
            let table = operand(OP, &table)?;
            let gpu = Gpu::of(table.0);
            let y = combine(&gpu, items, &slices, slice(OP, table)?, switches)?;
            Ok(gpu.storage(y))
        })?;
        Ok(Tensor::from_storage(Storage::Cuda(storage), like.shape(), BackpropOp::none(), false))
    }

    /// A row for each item; none where numbers are missing.
    fn table(&self, items: usize) -> Option<Vec<f64>> {
        let of = |numbers: &[f64], item: usize| match numbers {
            [one] => Some(*one),
            several if several.len() == items => several.get(item).copied(),
            _ => None,
        };
        let mut table = Vec::with_capacity(items * ROW);
        for item in 0..items {
            let mut row = [0.0; ROW];
            for (place, operand) in row.iter_mut().zip(&self.operands) {
                *place = of(operand.weights, item)?;
            }
            if let Some((scale, keys)) = self.noise {
                row[OPERANDS] = scale;
                let words = keys.get(item).filter(|_| keys.len() == items)?.words();
                row.iter_mut().skip(OPERANDS + 4).zip(words).for_each(|(x, w)| *x = f64::from(w));
            }
            if let Some(Limits { lower, upper, divisor }) = self.limits {
                for (place, numbers) in
                    row.iter_mut().skip(OPERANDS + 1).zip([lower, upper, divisor])
                {
                    *place = of(numbers, item)?;
                }
            }
            table.extend(row);
        }
        Some(table)
    }
}

/// What a kernel does beyond the sum.
#[derive(Clone, Copy)]
struct Switches {
    /// A bit for each operand.
    checked: u32,
    noisy: bool,
    limited: bool,
}

fn combine<M: Machine, T: Number>(
    machine: &M,
    items: usize,
    operands: &[Slice<'_, M, T>],
    table: Slice<'_, M, f64>,
    switches: Switches,
) -> Result<M::Array<T>> {
    let n = operands.first().map_or(0, Slice::len);
    let mut y = machine.unwritten(n)?;
    let mut launch = Launch::of::<T>(machine, &COMBINATION, "combine").write(&mut y, n);
    for k in 0..OPERANDS {
        launch = launch.read_if(operands.get(k).copied(), n);
    }
    let launch = launch.read(table, items * ROW).size(n).size((n / items.max(1)).max(1));
    let Switches { checked, noisy, limited } = switches;
    launch.word(checked).word(noisy.into()).word(limited.into()).over(n)?;
    Ok(y)
}

/// Whether every number of a tensor on a GPU is finite, item by item; this waits for the GPU.
///
/// # Errors
/// [`Error::Gpu`] for a tensor that is elsewhere; a dtype other than f32, bf16 and f64.
pub fn finite_items(x: &Tensor) -> Result<Vec<bool>> {
    let items = x.dims().first().copied().unwrap_or(1);
    // No number times 0 is none either, and sums keep it.
    let zeros = x.reshape((items, x.elem_count() / items.max(1)))?.affine(0.0, 0.0)?;
    let sums = zeros.sum(1)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(sums.into_iter().map(|sum| sum == 0.0).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use half::bf16;

    use super::*;
    use crate::Distribution;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::kernels::real::Real;

    const ITEMS: usize = 3;
    const PER_ITEM: usize = 111;

    fn drawn<T: Number>(name: &str) -> (Tensor, Vec<T>) {
        let law = Distribution::STANDARD_NORMAL;
        let shape = (ITEMS, PER_ITEM);
        let tensor = law.tensor(&Key::new(3).with(name), shape, T::DTYPE, &Device::Cpu).unwrap();
        let numbers = tensor.flatten_all().unwrap().to_vec1().unwrap();
        (tensor, numbers)
    }

    fn run<T: Number + std::fmt::Debug>(
        combination: &Combination<'_>,
        numbers: &[Vec<T>],
    ) -> Vec<T> {
        let table = Guarded::new(&combination.table(ITEMS).unwrap());
        let arrays: Vec<_> = numbers.iter().map(|numbers| Guarded::new(numbers)).collect();
        let checked =
            combination.operands.iter().enumerate().map(|(k, o)| u32::from(o.checked) << k).sum();
        let (noisy, limited) = (combination.noise.is_some(), combination.limits.is_some());
        Emulation::both_orders(|machine| {
            let slices: Vec<_> = arrays.iter().map(Guarded::slice).collect();
            let switches = Switches { checked, noisy, limited };
            combine(machine, ITEMS, &slices, table.slice(), switches)
        })
    }

    #[test]
    fn sums_with_noise_and_limits_are_those_of_their_formula_to_the_bit() {
        fn case<T: Number + std::fmt::Debug>()
        where
            T::Real: keyed_random::Real,
        {
            let ((a, a_numbers), (b, b_numbers)) = (drawn::<T>("a"), drawn::<T>("b"));
            let keys: Vec<_> = (0..ITEMS as u64).map(|item| Key::new(9).with_index(item)).collect();
            let (one, each) = ([0.7], [0.1, -1.3, 2.0]);
            let (lower, upper, divisor) = ([-0.5], [0.5, 0.9, 1.1], [1.5]);
            let combination = Combination {
                operands: vec![
                    Operand { tensor: &a, weights: &one, checked: true },
                    Operand { tensor: &b, weights: &each, checked: false },
                ],
                noise: Some((0.3, &keys)),
                limits: Some(Limits { lower: &lower, upper: &upper, divisor: &divisor }),
            };
            let got = run(&combination, &[a_numbers.clone(), b_numbers.clone()]);
            let real = T::Real::from_f64;
            for item in 0..ITEMS {
                let mut noise = vec![T::Real::ZERO; PER_ITEM];
                keys[item].fill_normal(&mut noise);
                for (j, noise) in noise.into_iter().enumerate() {
                    let i = item * PER_ITEM + j;
                    let sum = T::Real::ZERO + real(0.7) * a_numbers[i].load();
                    let sum = sum + real(each[item]) * b_numbers[i].load();
                    let sum = sum + real(0.3) * noise;
                    let (low, up) = (real(-0.5), real(upper[item]));
                    let sum = if sum < low {
                        low
                    } else if sum > up {
                        up
                    } else {
                        sum
                    };
                    assert_eq!(got[i], T::store(sum / real(1.5)), "number {i}");
                }
            }
        }
        case::<f32>();
        case::<f64>();
        case::<bf16>();
    }

    #[test]
    fn what_is_checked_and_not_finite_is_not_hidden_by_limits() {
        let (a, mut numbers) = drawn::<f32>("a");
        (numbers[5], numbers[PER_ITEM + 7]) = (f32::INFINITY, f32::NAN);
        let (one, low, up) = ([1.0], [-1.0], [1.0]);
        let limits = Some(Limits { lower: &low, upper: &up, divisor: &one });
        let of = |checked| {
            let operands = vec![Operand { tensor: &a, weights: &one, checked }];
            run(&Combination { operands, noise: None, limits }, &[numbers.clone()])
        };
        let faulty: Vec<_> = (0..ITEMS * PER_ITEM).filter(|&i| of(true)[i].is_nan()).collect();
        assert_eq!(faulty, [5, PER_ITEM + 7]);
        assert_eq!(of(false)[5], 1.0);
    }

    #[test]
    fn six_tensors_are_the_most_and_numbers_must_fit_the_items() {
        let (a, numbers) = drawn::<f32>("a");
        let halves = [0.5];
        let operand = Operand { tensor: &a, weights: &halves, checked: false };
        let combination =
            |n: usize| Combination { operands: vec![operand; n], noise: None, limits: None };
        let got = run(&combination(6), &vec![numbers.clone(); 6]);
        assert!(got.iter().zip(&numbers).all(|(got, x)| (got - 3.0 * x).abs() <= 1e-6 * x.abs()));
        assert!(combination(7).compute().unwrap_err().to_string().contains("1 to 6"));
        assert!(combination(1).compute().unwrap_err().to_string().contains("on the GPU"));
        let two = [1.0, 2.0];
        let misfit = Operand { tensor: &a, weights: &two, checked: false };
        let misfit = Combination { operands: vec![misfit], noise: None, limits: None };
        assert!(misfit.table(ITEMS).is_none());
        let keys = [Key::new(1)];
        let misfit = Combination { noise: Some((1.0, &keys)), ..combination(1) };
        assert!(misfit.table(ITEMS).is_none());
    }
}
