//! Attention in memory that grows with the number of tokens, forward and backward.

use candle_core::Result;

use super::launch::Launch;
use super::machine::{Machine, Number, Slice};
use super::source::ATTENTION;
use crate::kernels::attention::AttentionShape;
use crate::kernels::real::Element;

/// Tokens that a block owns: `OWNED` of the kernels.
const OWNED: usize = 32;
/// Channels of the result that a block makes at most, in kernels for narrow heads and for wide ones:
/// scores are made again for each panel of a wider head.
const PANELS: [usize; 2] = [64, 256];
/// Scalar products that a block makes: one in each of its warps.
const PRODUCTS_OF_A_BLOCK: usize = 8;

/// What attention reads.
pub(crate) struct Inputs<'a, M: Machine, T: Number> {
    pub(crate) q: Slice<'a, M, T>,
    pub(crate) k: Slice<'a, M, T>,
    pub(crate) v: Slice<'a, M, T>,
    /// What scores are multiplied by.
    pub(crate) scale: f64,
}

/// What the forward pass made, and the gradient of its output.
pub(crate) struct Outputs<'a, M: Machine, T: Number>
where
    T::Real: Number,
{
    pub(crate) out: Slice<'a, M, T>,
    /// `[item][query][head]`.
    pub(crate) lse: Slice<'a, M, T::Real>,
    pub(crate) gradient: Slice<'a, M, T>,
}

/// `softmax(scale · q kᵀ) v`, and the logarithm of each softmax's denominator.
pub(crate) struct Made<M: Machine, T: Number>
where
    T::Real: Number,
{
    pub(crate) out: M::Array<T>,
    /// `[item][query][head]`.
    pub(crate) lse: M::Array<T::Real>,
}

/// What attention makes of its inputs, with what the backward pass takes from it.
pub(crate) fn forward<M: Machine, T: Number>(
    machine: &M,
    shape: &AttentionShape,
    inputs: &Inputs<'_, M, T>,
) -> Result<Made<M, T>>
where
    T::Real: Number,
{
    let [n, rows] = [shape.batch * shape.queries * shape.channels(), rows(shape)];
    let mut out = machine.unwritten::<T>(n)?;
    let mut lse = machine.unwritten::<T::Real>(rows)?;
    let launch = sweep(machine, shape, "attention", inputs);
    // No gradient of the output, no lse nor delta of its queries; no gradient of values is made.
    let launch = launch.size(0).size(0).size(0).write(&mut out, n);
    let launch = launch.size(0).write(&mut lse, rows);
    run::<_, T>(launch, shape, shape.queries, inputs.scale)?;
    Ok(Made { out, lse })
}

/// The gradients of `q`, `k` and `v`.
pub(crate) fn backward<M: Machine, T: Number>(
    machine: &M,
    shape: &AttentionShape,
    inputs: &Inputs<'_, M, T>,
    outputs: &Outputs<'_, M, T>,
) -> Result<[M::Array<T>; 3]>
where
    T::Real: Number + Element<Real = T::Real>,
{
    let (rows, width) = (rows(shape), shape.width);
    let mut delta = machine.unwritten::<T::Real>(rows)?;
    let launch = Launch::of::<T>(machine, &ATTENTION, "row_products");
    let launch = launch.read(outputs.out, rows * width).read(outputs.gradient, rows * width);
    let launch = launch.write(&mut delta, rows).size(rows).size(width);
    launch.blocks(rows.div_ceil(PRODUCTS_OF_A_BLOCK), 1)?;

    let start = |name: &str| {
        let launch = sweep(machine, shape, name, inputs).read(outputs.gradient, rows * width);
        launch.read(outputs.lse, rows).read(Slice::whole(&delta), rows)
    };
    let [of_q, of_k] = [shape.queries, shape.keys].map(|n| shape.batch * n * shape.channels());
    let mut dq = machine.unwritten::<T>(of_q)?;
    // No values and no denominators are made.
    let launch = start("attention_of_queries").write(&mut dq, of_q).size(0).size(0);
    run::<_, T>(launch, shape, shape.queries, inputs.scale)?;
    let (mut dk, mut dv) = (machine.unwritten::<T>(of_k)?, machine.unwritten::<T>(of_k)?);
    let launch = start("attention_of_keys").write(&mut dk, of_k).write(&mut dv, of_k).size(0);
    run::<_, T>(launch, shape, shape.keys, inputs.scale)?;
    Ok([dq, dk, dv])
}

/// Softmaxes: one for each query and head.
fn rows(shape: &AttentionShape) -> usize {
    shape.batch * shape.queries * shape.heads
}

fn panel(width: usize) -> usize {
    if width <= PANELS[0] { PANELS[0] } else { PANELS[1] }
}

fn sweep<'a, M: Machine, T: Number>(
    machine: &'a M,
    shape: &AttentionShape,
    name: &str,
    inputs: &Inputs<'a, M, T>,
) -> Launch<'a, M> {
    let [queries, keys] = [shape.queries, shape.keys].map(|n| shape.batch * n * shape.channels());
    let kernel = format!("{name}_{}", panel(shape.width));
    let launch = Launch::of::<T>(machine, &ATTENTION, &kernel).read(inputs.q, queries);
    launch.read(inputs.k, keys).read(inputs.v, keys)
}

fn run<M: Machine, T: Number>(
    launch: Launch<'_, M>,
    shape: &AttentionShape,
    owned: usize,
    scale: f64,
) -> Result<()> {
    let AttentionShape { batch, queries, keys, heads, width } = *shape;
    let launch = launch.size(queries).size(keys).size(heads).size(width).real::<T>(scale);
    let blocks = owned.div_ceil(OWNED) * width.div_ceil(panel(width)) * heads * batch;
    launch.blocks(blocks, 1)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use half::bf16;

    use super::*;
    use crate::cuda::emulation::{Emulation, Guarded};
    use crate::cuda::grouped_norm::tests::{close, numbers};
    use crate::kernels::attention_backward as cpu_backward;
    use crate::kernels::attention_forward as cpu_forward;
    use crate::kernels::real::Real;
    use crate::kernels::tier::Tier;

    fn case<T: Number + Debug>(shape: AttentionShape, scale: f64, tolerance: f64)
    where
        T::Real: Number + Element<Real = T::Real> + Debug,
    {
        let [n_q, n_k] = [shape.queries, shape.keys].map(|n| shape.batch * n * shape.channels());
        let (q, k) = (numbers::<T>(n_q, 1, 0.1), numbers::<T>(n_k, 2, 0.2));
        let (v, gradient) = (numbers::<T>(n_k, 3, 0.3), numbers::<T>(n_q, 4, 0.0));
        let tier = Tier::current();
        let of_cpu = cpu_forward::Inputs { q: &q, k: &k, v: &v, scale };
        let mut out = T::unwritten(n_q);
        let mut lse = vec![<T::Real as Real>::ZERO; rows(&shape)];
        cpu_forward::forward(tier, &shape, of_cpu, &mut out, &mut lse);
        let outputs = cpu_backward::Outputs { out: &out, lse: &lse, gradient: &gradient };
        let want = cpu_backward::backward(tier, &shape, of_cpu, outputs);

        let [q, k, v] = [&q, &k, &v].map(|numbers| Guarded::new(numbers));
        let inputs = || Inputs { q: q.slice(), k: k.slice(), v: v.slice(), scale };
        let got = Emulation::both_orders(|m| Ok(forward(m, &shape, &inputs())?.out));
        close(&got, &out, tolerance);
        let got = Emulation::both_orders(|m| Ok(forward(m, &shape, &inputs())?.lse));
        close(&got, &lse, tolerance.min(1e-5));
        let [out, gradient] = [&out, &gradient].map(|numbers| Guarded::new(numbers));
        let lse = Guarded::new(&lse);
        for (i, want) in want.iter().enumerate() {
            let got = Emulation::both_orders(|m| {
                let (out, gradient) = (out.slice(), gradient.slice());
                let outputs = Outputs { out, lse: lse.slice(), gradient };
                let [dq, dk, dv] = backward(m, &shape, &inputs(), &outputs)?;
                Ok(match i {
                    0 => dq,
                    1 => dk,
                    _ => dv,
                })
            });
            close(&got, want, tolerance);
        }
    }

    #[test]
    fn it_and_its_gradients_are_those_of_the_cpu_for_odd_numbers_of_tokens_and_heads() {
        let shape = AttentionShape { batch: 2, queries: 35, keys: 67, heads: 2, width: 20 };
        case::<f32>(shape, 0.2, 1e-5);
        case::<f64>(shape, 0.2, 1e-12);
        case::<bf16>(shape, 0.2, 0.008);
        let shape = AttentionShape { batch: 1, queries: 130, keys: 5, heads: 1, width: 3 };
        case::<f32>(shape, 0.6, 1e-5);
    }

    #[test]
    fn a_head_may_be_wider_than_the_panels_of_its_result() {
        let shape = AttentionShape { batch: 1, queries: 33, keys: 65, heads: 1, width: 260 };
        case::<f32>(shape, 0.02, 1e-5);
        let shape = AttentionShape { batch: 1, queries: 2, keys: 9, heads: 2, width: 65 };
        case::<f64>(shape, 0.1, 1e-12);
        case::<bf16>(shape, 0.1, 0.008);
    }

    #[test]
    fn one_token_sees_itself_alone() {
        let shape = AttentionShape { batch: 1, queries: 1, keys: 1, heads: 1, width: 1 };
        case::<f32>(shape, 1.0, 1e-5);
    }

    #[test]
    fn large_scores_neither_overflow_nor_lose_the_denominators() {
        let shape = AttentionShape { batch: 1, queries: 9, keys: 129, heads: 1, width: 4 };
        case::<f64>(shape, 40.0, 1e-11);
    }
}
