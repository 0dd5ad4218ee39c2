//! Functions of every element by itself: activations and their gradients, sums and multiples.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::ELEMENTWISE;
use crate::kernels::activation::Activation;

/// `f(x)`
pub(crate) fn map<M: Machine, T: Number>(
    machine: &M,
    f: impl Activation,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len();
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, name(&f)).read(x, n).write(&mut y, n);
    launch.size(n).real::<T>(f.parameter()).over(n)?;
    Ok(y)
}

/// `dy · f'(x)`
pub(crate) fn map_gradient<M: Machine, T: Number>(
    machine: &M,
    f: impl Activation,
    x: Slice<'_, M, T>,
    dy: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len();
    let mut dx = machine.unwritten(n)?;
    let kernel = format!("{}_gradient", name(&f));
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, &kernel).read(x, n).read(dy, n);
    launch.write(&mut dx, n).size(n).real::<T>(f.parameter()).over(n)?;
    Ok(dx)
}

fn name<A: Activation>(_: &A) -> &'static str {
    A::NAME
}

/// `a · gelu(b)` for rows of `x` that hold first `a`, then `b`, `width` elements each.
pub(crate) fn geglu<M: Machine, T: Number>(
    machine: &M,
    width: usize,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len() / 2;
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, "geglu").read(x, 2 * n);
    launch.write(&mut y, n).size(n).size(width).over(n)?;
    Ok(y)
}

/// The gradient of [`geglu`].
pub(crate) fn geglu_gradient<M: Machine, T: Number>(
    machine: &M,
    width: usize,
    x: Slice<'_, M, T>,
    dy: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = dy.len();
    let mut dx = machine.unwritten(2 * n)?;
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, "geglu_gradient").read(x, 2 * n);
    launch.read(dy, n).write(&mut dx, 2 * n).size(n).size(width).over(n)?;
    Ok(dx)
}

/// `a + b`
pub(crate) fn add<M: Machine, T: Number>(
    machine: &M,
    a: Slice<'_, M, T>,
    b: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = a.len();
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, "add").read(a, n).read(b, n);
    launch.write(&mut y, n).size(n).over(n)?;
    Ok(y)
}

/// `factor · x`
pub(crate) fn scale<M: Machine, T: Number>(
    machine: &M,
    factor: f64,
    x: Slice<'_, M, T>,
) -> Result<M::Array<T>> {
    let n = x.len();
    let mut y = machine.unwritten(n)?;
    let launch = Launch::of::<T>(machine, &ELEMENTWISE, "scale").read(x, n).write(&mut y, n);
    launch.size(n).real::<T>(factor).over(n)?;
    Ok(y)
}

#[cfg(test)]
mod tests;
