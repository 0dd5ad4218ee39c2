//! Gradients against central differences, for tests.

use candle_core::{DType, Device, Result, Tensor, Var};

/// Half the distance of the two points of a difference: truncation and cancellation both stay
/// near 1e-10 for functions of size one.
const STEP: f64 = 1e-5;

/// Deviation allowed, relative to the largest derivative of that input (or to 1, if that is more).
const TOLERANCE: f64 = 1e-6;

/// Checks the gradient of a scalar function with respect to every element of every input.
///
/// The inputs are f64 and are handed to `f` in their order, as variables that track gradients. A
/// function with a kink must be smooth within 1e-5 of them.
///
/// # Panics
/// When a gradient is missing, has another shape or dtype than its input, or deviates.
pub(crate) fn check_gradients(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let variables: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let tracked: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
    let gradients = f(&tracked).unwrap().backward().unwrap();
    for (which, input) in inputs.iter().enumerate() {
        let gradient =
            gradients.get(&tracked[which]).unwrap_or_else(|| panic!("no gradient of {which}"));
        assert_eq!((gradient.dims(), gradient.dtype()), (input.dims(), DType::F64));
        let analytic = values(gradient);
        let numeric = differences(inputs, which, &f);
        let scale = numeric.iter().fold(1.0_f64, |scale, d| scale.max(d.abs()));
        for (element, (analytic, numeric)) in analytic.iter().zip(&numeric).enumerate() {
            assert!(
                (analytic - numeric).abs() <= TOLERANCE * scale,
                "input {which}, element {element} of {:?}: gradient {analytic}, difference {numeric}",
                input.dims(),
            );
        }
    }
}

/// A scalar that depends on every element of `y` in its own way, so that a gradient that lands on
/// the wrong element shows: the sum of `y` times fixed numbers in (-1, 1).
pub(crate) fn weighted_sum(y: &Tensor) -> Result<Tensor> {
    (y * distinct(y.dims(), 0.5)?.to_dtype(y.dtype())?)?.sum_all()
}

/// Fixed f64 numbers in (-1, 1) without a pattern, all different; another `phase`, other numbers.
pub(crate) fn distinct(shape: &[usize], phase: f64) -> Result<Tensor> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let count: usize = shape.iter().product();
    let number = |i: usize| 2.0 * ((i as f64 + 1.0) * GOLDEN + phase * 0.754_877_666).fract() - 1.0;
    Tensor::from_vec((0..count).map(number).collect::<Vec<f64>>(), shape, &Device::Cpu)
}

fn differences(
    inputs: &[Tensor],
    which: usize,
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Vec<f64> {
    let start = values(&inputs[which]);
    let at = |element: usize, step: f64| {
        let mut moved = start.clone();
        moved[element] += step;
        let mut inputs = inputs.to_vec();
        inputs[which] = Tensor::from_vec(moved, inputs[which].dims(), &Device::Cpu).unwrap();
        f(&inputs).unwrap().to_scalar::<f64>().unwrap()
    };
    (0..start.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_gradient_passes() {
        let inputs = [distinct(&[2, 3], 0.0).unwrap(), distinct(&[2, 3], 0.3).unwrap()];
        check_gradients(&inputs, |x| weighted_sum(&(&x[0] * x[1].sqr()?)?));
    }

    #[test]
    #[should_panic(expected = "input 0, element")]
    fn a_wrong_gradient_is_found() {
        // `detach` hides one factor from the gradient.
        let inputs = [distinct(&[4], 0.0).unwrap()];
        check_gradients(&inputs, |x| weighted_sum(&(&x[0] * x[0].detach())?));
    }
}
