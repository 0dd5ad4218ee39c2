//! Linear maps of the last axis: cuBLAS's products of matrices, by way of candle, and our biases.

use candle_core::backend::BackendStorage;
use candle_core::{CudaStorage, Layout, Result, Shape, Tensor};

use super::channels::{Addends, add_to_channels, channel_sums};
use super::gpu::Gpu;
use super::machine::Number;
use super::tensors::{Operand, compute, slice};
use crate::error::Error;
use crate::kernels::real::Element;

/// `x weightᵀ` for `x` `[.., c_in]` and a weight `[c_out, c_in]`.
pub(crate) fn forward(
    op: &'static str,
    x: Operand<'_>,
    weight: Operand<'_>,
) -> Result<(CudaStorage, Shape)> {
    let c_out = weight.1.dims().first().copied().unwrap_or(0);
    let mut dims = x.1.dims().to_vec();
    dims.pop();
    dims.push(c_out);
    Ok((outputs(op, x, weight)?, Shape::from(dims)))
}

/// Adds a bias `[c]` to `y` `[.., c]`.
pub(crate) fn add_bias<T: Number>(
    op: &'static str,
    mut y: CudaStorage,
    bias: Operand<'_>,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(&y);
    let bias = slice::<T>(op, bias)?;
    let addends = Addends { bias: Some(bias), ..Addends::default() };
    add_to_channels(&gpu, (1, bias.len()), T::as_cuda_slice_mut(&mut y)?, addends)?;
    Ok(y)
}

/// The gradients of `x`, if it is tracked, and of the weight.
pub(crate) fn backward(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<(Option<Tensor>, Tensor)> {
    let gradient = gradient.contiguous()?;
    let of_input = || {
        compute(op, [&gradient, weight], |_, [gradient, weight]| {
            Ok((inputs(op, gradient, weight)?, x.shape().clone()))
        })
    };
    let dx = x.track_op().then(of_input).transpose()?;
    let dw = compute(op, [&gradient, x], |_, [gradient, x]| {
        Ok((weights(op, gradient, x)?, weight.shape().clone()))
    })?;
    Ok((dx, dw))
}

/// The gradient of a bias `[c]`.
pub(crate) fn bias_gradient<T: Number>(
    op: &'static str,
    c: usize,
    gradient: &Tensor,
) -> Result<Tensor>
where
    T::Real: Number + Element<Real = T::Real>,
{
    compute(op, [&gradient.contiguous()?], |gpu, [gradient]| {
        let sums = channel_sums::<_, T>(gpu, c, slice(op, gradient)?)?;
        Ok((gpu.storage(sums), Shape::from(c)))
    })
}

/// `x weightᵀ`
fn outputs<S: BackendStorage>(
    op: &'static str,
    (x, x_layout): (&S, &Layout),
    (weight, weight_layout): (&S, &Layout),
) -> Result<S> {
    let [c_out, c_in] = matrix(op, weight_layout)?;
    let (rows, x_layout) = as_rows(op, x_layout, c_in)?;
    let weight_layout = weight_layout.transpose(0, 1)?;
    x.matmul(weight, (1, rows, c_out, c_in), &x_layout, &weight_layout)
}

/// `gradient weight`
fn inputs<S: BackendStorage>(
    op: &'static str,
    (gradient, gradient_layout): (&S, &Layout),
    (weight, weight_layout): (&S, &Layout),
) -> Result<S> {
    let [c_out, c_in] = matrix(op, weight_layout)?;
    let (rows, gradient_layout) = as_rows(op, gradient_layout, c_out)?;
    gradient.matmul(weight, (1, rows, c_in, c_out), &gradient_layout, weight_layout)
}

/// `gradientᵀ x`
fn weights<S: BackendStorage>(
    op: &'static str,
    (gradient, gradient_layout): (&S, &Layout),
    (x, x_layout): (&S, &Layout),
) -> Result<S> {
    let [c_out, c_in] =
        [gradient_layout, x_layout].map(|layout| layout.dims().last().copied().unwrap_or(0));
    let (rows, gradient_layout) = as_rows(op, gradient_layout, c_out)?;
    let x_layout = as_rows(op, x_layout, c_in)?.1;
    gradient.matmul(x, (1, c_out, c_in, rows), &gradient_layout.transpose(0, 1)?, &x_layout)
}

fn matrix(op: &'static str, layout: &Layout) -> Result<[usize; 2]> {
    match (layout.dims(), layout.is_contiguous()) {
        (&[rows, columns], true) => Ok([rows, columns]),
        _ => Err(unfit(op, layout)),
    }
}

/// How many rows of `width` numbers there are, and the layout that says so.
fn as_rows(op: &'static str, layout: &Layout, width: usize) -> Result<(usize, Layout)> {
    // cuBLAS counts in 32 bits.
    const MOST: usize = i32::MAX as usize;
    let numbers = layout.shape().elem_count();
    if !layout.is_contiguous() || width == 0 || !numbers.is_multiple_of(width) {
        return Err(unfit(op, layout));
    }
    let rows = numbers / width;
    if rows > MOST || width > MOST {
        let problem = format!("{rows} rows of {width} numbers, at most {MOST} of each");
        return Err(Error::gpu(op, problem, "use smaller tensors").into());
    }
    let offset = layout.start_offset();
    Ok((rows, Layout::contiguous_with_offset((rows, width), offset)))
}

fn unfit(op: &'static str, layout: &Layout) -> candle_core::Error {
    let problem = format!("{layout:?} is not rows of numbers that lie side by side");
    Error::gpu(op, problem, "this is a defect of candle-nn3d").into()
}

#[cfg(test)]
mod tests {
    use candle_core::{CpuStorage, Device, Storage};

    use super::*;
    use crate::kernels::linear::{PackedMatrix, Weight, multiply, outer_products};
    use crate::kernels::panels::Rows;
    use crate::kernels::tier::Tier;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 101) as f32 / 64.0 - 0.8).collect()
    }

    fn on<R>(tensor: &Tensor, f: impl FnOnce((&CpuStorage, &Layout)) -> R) -> R {
        let (storage, layout) = tensor.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else { panic!("not in memory") };
        f((storage, layout))
    }

    fn close(got: &CpuStorage, want: &[f32]) {
        let got = got.as_slice::<f32>().unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5 * want.abs().max(1.0), "{got} for {want}");
        }
    }

    /// candle's products in memory take the layouts that its products by cuBLAS do.
    #[test]
    fn the_products_are_asked_for_with_the_layouts_of_the_cpus() {
        for (rows, c_in, c_out) in [(6, 5, 7), (1, 3, 2), (4, 1, 3), (4, 3, 1), (1, 1, 1)] {
            let tier = Tier::current();
            // From an offset, as a narrowed tensor has it.
            let from_second = |n: usize, dims: &[usize], seed: usize| {
                let all = Tensor::from_vec(numbers(2 * n, seed), (2, n), &Device::Cpu).unwrap();
                (all.get(1).unwrap().reshape(dims).unwrap(), numbers(2 * n, seed)[n..].to_vec())
            };
            let (x, x_numbers) = from_second(rows * c_in, &[rows, 1, c_in], 1);
            let (weight, weight_numbers) = from_second(c_out * c_in, &[c_out, c_in], 2);
            let (gradient, gradient_numbers) = from_second(rows * c_out, &[rows, 1, c_out], 3);

            let mut y = vec![0.0; rows * c_out];
            let matrix = PackedMatrix::new(&weight_numbers, c_in, Weight::Forward);
            multiply(tier, &x_numbers, &matrix, None, &mut y);
            close(&on(&x, |x| on(&weight, |w| outputs("linear", x, w))).unwrap(), &y);

            let mut dx = vec![0.0; rows * c_in];
            let matrix = PackedMatrix::new(&weight_numbers, c_in, Weight::Backward);
            multiply(tier, &gradient_numbers, &matrix, None, &mut dx);
            close(&on(&gradient, |g| on(&weight, |w| inputs("linear", g, w))).unwrap(), &dx);

            let of_gradient = Rows::new(&gradient_numbers, c_out);
            let dw = outer_products(tier, of_gradient, Rows::new(&x_numbers, c_in), rows);
            close(&on(&gradient, |g| on(&x, |x| weights("linear", g, x))).unwrap(), &dw);
        }
    }

    #[test]
    fn rows_that_do_not_fit_cublas_are_refused_by_name() {
        let layout = Layout::contiguous((1_usize << 31, 3));
        let error = as_rows("linear", &layout, 3).unwrap_err().to_string();
        assert!(error.contains("linear") && error.contains("2147483648 rows"), "{error}");
    }
}
