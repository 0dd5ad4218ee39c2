//! Against softmax attention as the definition says, in f64.

use candle_core::{Device, Var};
use proptest::prelude::*;

use super::*;
use crate::gradient_check::{check_gradients, distinct, weighted_sum};

const SHAPE: AttentionShape = AttentionShape { batch: 1, queries: 1, keys: 1, heads: 1, width: 1 };

/// Numbers in (-1, 1) times `size`; another `phase`, other numbers.
fn numbers(count: usize, phase: f64, size: f64) -> Vec<f64> {
    let x: Vec<f64> = distinct(&[count], phase).unwrap().to_vec1().unwrap();
    // As f32 numbers, so that every dtype but bf16 starts at the same.
    x.into_iter().map(|x| f64::from((x * size) as f32)).collect()
}

struct Case {
    shape: AttentionShape,
    scale: f64,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    gradient: Vec<f64>,
}

impl Case {
    fn new(shape: AttentionShape, size: f64) -> Self {
        let (n_q, n_k) = (shape.queries * shape.channels(), shape.keys * shape.channels());
        Self {
            shape,
            scale: 1.0 / (shape.width as f64).sqrt(),
            q: numbers(shape.batch * n_q, 0.1, size),
            k: numbers(shape.batch * n_k, 0.2, 1.0),
            v: numbers(shape.batch * n_k, 0.3, 1.0),
            gradient: numbers(shape.batch * n_q, 0.4, 1.0),
        }
    }

    /// The output, and the gradients of q, k and v.
    fn reference(&self) -> [Vec<f64>; 4] {
        let AttentionShape { batch, queries, keys, heads, width } = self.shape;
        let channels = self.shape.channels();
        let zeros = |x: &Vec<f64>| vec![0.0; x.len()];
        let [mut out, mut dq, mut dk, mut dv] =
            [zeros(&self.q), zeros(&self.q), zeros(&self.k), zeros(&self.v)];
        for (item, head) in (0..batch).flat_map(|item| (0..heads).map(move |head| (item, head))) {
            let of_query = |i: usize| (item * queries + i) * channels + head * width;
            let of_key = |j: usize| (item * keys + j) * channels + head * width;
            for i in (0..queries).map(of_query) {
                let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
                let row = |x: &[f64], at: usize| x[at..at + width].to_vec();
                let scores: Vec<f64> = (0..keys)
                    .map(|j| self.scale * dot(&row(&self.q, i), &row(&self.k, of_key(j))))
                    .collect();
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
                let p: Vec<f64> = scores.iter().map(|s| (s - max).exp() / sum).collect();
                for j in 0..keys {
                    (0..width).for_each(|c| out[i + c] += p[j] * self.v[of_key(j) + c]);
                }
                let delta = dot(&row(&self.gradient, i), &row(&out, i));
                for j in 0..keys {
                    let at = of_key(j);
                    let ds = p[j] * (dot(&row(&self.gradient, i), &row(&self.v, at)) - delta);
                    for c in 0..width {
                        dv[at + c] += p[j] * self.gradient[i + c];
                        dq[i + c] += self.scale * ds * self.k[at + c];
                        dk[at + c] += self.scale * ds * self.q[i + c];
                    }
                }
            }
        }
        [out, dq, dk, dv]
    }

    /// The same by the kernels.
    fn on<S: Element>(&self, tier: Tier, from_f64: impl Fn(f64) -> S) -> [Vec<S>; 4] {
        let cast = |x: &[f64]| x.iter().map(|&x| from_f64(x)).collect::<Vec<S>>();
        let (q, k, v) = (cast(&self.q), cast(&self.k), cast(&self.v));
        let gradient = cast(&self.gradient);
        let inputs = Inputs { q: &q, k: &k, v: &v, scale: self.scale };
        let mut out = S::zeros(q.len());
        let shape = self.shape;
        let mut lse = vec![<S::Real as Real>::ZERO; shape.batch * shape.queries * shape.heads];
        forward(tier, &shape, inputs, &mut out, &mut lse);
        let outputs = Outputs { out: &out, lse: &lse, gradient: &gradient };
        let [dq, dk, dv] = backward(tier, &shape, inputs, outputs);
        [out, dq, dk, dv]
    }

    fn check<S: Element>(
        &self,
        // Of the output, and of the gradients, where more cancels.
        [forward, backward]: [f64; 2],
        from_f64: impl Fn(f64) -> S,
        to_f64: impl Fn(S) -> f64,
    ) {
        let reference = self.reference();
        for tier in Tier::available() {
            let got = self.on(tier, &from_f64);
            for (what, (got, want)) in got.iter().zip(&reference).enumerate() {
                let norm = want.iter().map(|x| x * x).sum::<f64>().sqrt();
                let differences = got.iter().zip(want).map(|(got, want)| to_f64(*got) - want);
                let distance = differences.map(|d| d * d).sum::<f64>().sqrt();
                // With one key the gradients of q and k vanish: what is left is rounding of terms near 1.
                let floor = if self.shape.keys == 1 { 1.0 } else { 0.01 };
                let tolerance = if what == 0 { forward } else { backward };
                let bound = tolerance * norm.max(floor * (want.len() as f64).sqrt());
                assert!(distance <= bound, "{tier} {:?} {what}: {distance} {norm}", self.shape);
            }
        }
    }
}

/// Odd numbers of tokens around the sizes of panels and blocks, every width and number of heads.
fn shapes() -> Vec<AttentionShape> {
    [
        [1, 1, 1, 1, 1],
        [2, 1, 5, 2, 3],
        [1, 33, 1, 1, 64],
        [2, 70, 257, 2, 3],
        [1, 129, 300, 1, 64],
        [2, 65, 31, 4, 33],
        [1, 31, 520, 1, 256],
        [1, 300, 65, 2, 1],
    ]
    .map(|[batch, queries, keys, heads, width]| AttentionShape {
        batch,
        queries,
        keys,
        heads,
        width,
    })
    .to_vec()
}

#[test]
fn every_tier_agrees_with_the_definition_forward_and_backward() {
    for shape in shapes() {
        Case::new(shape, 3.0).check([3e-6, 2e-5], |x| x as f32, f64::from);
        Case::new(shape, 3.0).check([1e-13, 1e-13], |x| x, |x| x);
    }
}

#[test]
fn in_bf16_only_the_rounding_of_the_numbers_is_lost() {
    for shape in shapes() {
        let mut case = Case::new(shape, 3.0);
        for x in [&mut case.q, &mut case.k, &mut case.v, &mut case.gradient] {
            x.iter_mut().for_each(|x| *x = bf16::from_f64(*x).to_f64());
        }
        case.check([1e-2, 1e-2], bf16::from_f64, bf16::to_f64);
    }
}

#[test]
fn scores_of_a_thousand_stay_finite_and_right() {
    let shape = AttentionShape { queries: 40, keys: 300, width: 4, ..SHAPE };
    let mut case = Case::new(shape, 1000.0);
    case.scale = 1.0;
    // A unit in the last place of a score of 1000 is 6e-5.
    case.check([1e-3, 1e-3], |x| x as f32, f64::from);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_shapes_agree_with_the_definition(
        batch in 1_usize..3, queries in 1_usize..90, keys in 1_usize..300, heads in 1_usize..5,
        width in 1_usize..40,
    ) {
        let shape = AttentionShape { batch, queries, keys, heads, width };
        Case::new(shape, 2.0).check([3e-6, 2e-5], |x| x as f32, f64::from);
    }
}

#[test]
fn neither_threads_nor_the_rest_of_a_batch_change_a_bit() {
    let shape = AttentionShape { batch: 3, queries: 150, keys: 300, heads: 2, width: 40 };
    let case = Case::new(shape, 3.0);
    for tier in Tier::available() {
        let all = case.on(tier, |x| x as f32);
        for threads in 1..4 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| case.on(tier, |x| x as f32)), all);
        }
        let part =
            |x: &[f64], item: usize| x[item * x.len() / 3..(item + 1) * x.len() / 3].to_vec();
        for item in 0..3 {
            let alone = Case {
                shape: AttentionShape { batch: 1, ..shape },
                scale: case.scale,
                q: part(&case.q, item),
                k: part(&case.k, item),
                v: part(&case.v, item),
                gradient: part(&case.gradient, item),
            };
            for (alone, all) in alone.on(tier, |x| x as f32).iter().zip(&all) {
                assert_eq!(alone[..], all[item * alone.len()..][..alone.len()]);
            }
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (n_q, n_k, heads, channels) in [(3, 4, 2, 4), (1, 3, 1, 2), (5, 1, 1, 3)] {
        let inputs = [
            distinct(&[2, n_q, channels], 0.1).unwrap(),
            distinct(&[2, n_k, channels], 0.2).unwrap(),
            distinct(&[2, n_k, channels], 0.3).unwrap(),
        ];
        check_gradients(&inputs, |x| {
            weighted_sum(&attention(&x[0], &x[1], &x[2], heads, Some(-0.8))?)
        });
    }
}

#[test]
fn self_attention_of_one_tensor_sums_the_three_gradients() {
    // Also: arguments that are not contiguous, and a gradient that is not.
    check_gradients(&[distinct(&[1, 4, 5], 0.1).unwrap()], |x| {
        let x = x[0].transpose(1, 2)?;
        weighted_sum(&attention(&x, &x, &x, 2, None)?.transpose(1, 2)?)
    });
}

#[test]
fn equal_keys_give_the_mean_of_the_values() {
    let (q, k) =
        (distinct(&[1, 7, 8], 0.2).unwrap(), Tensor::ones((1, 9, 8), DType::F64, &Device::Cpu));
    let v = distinct(&[1, 9, 8], 0.6).unwrap();
    let out = attention(&q, &k.unwrap(), &v, 2, None).unwrap();
    let mean = v.mean_keepdim(1).unwrap().broadcast_as((1, 7, 8)).unwrap();
    let difference = (out - mean).unwrap().abs().unwrap().sum_all().unwrap();
    assert!(difference.to_scalar::<f64>().unwrap() < 1e-13);
}

#[test]
fn every_dtype_comes_back_as_it_went_in() {
    for dtype in [DType::F32, DType::BF16, DType::F64] {
        let x = distinct(&[1, 4, 6], 0.2).unwrap().to_dtype(dtype).unwrap();
        let [q, k, v] = [(); 3].map(|()| Var::from_tensor(&x).unwrap());
        let out = attention(&q, &k, &v, 3, None).unwrap();
        let gradients = out.sum_all().unwrap().backward().unwrap();
        assert_eq!((out.dtype(), out.dims()), (dtype, x.dims()));
        for var in [q, k, v] {
            let gradient = gradients.get(var.as_tensor()).unwrap();
            assert_eq!((gradient.dtype(), gradient.dims()), (dtype, x.dims()));
        }
    }
}

#[test]
fn misuse_names_the_argument_and_both_shapes() {
    let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let q = zeros(&[2, 5, 6]);
    let message = |q: &Tensor, k: &Tensor, v: &Tensor, heads: usize| {
        attention(q, k, v, heads, None).unwrap_err().to_string()
    };
    let [k, other] = [zeros(&[2, 3, 6]), zeros(&[2, 3, 4])];
    let text = message(&q, &other, &k, 1);
    assert!(text.contains("k has") && text.contains("[2, 3, 4]") && text.contains("[2, 5, 6]"));
    assert!(message(&q, &zeros(&[1, 3, 6]), &k, 1).contains("[1, 3, 6]"));
    assert!(message(&q, &zeros(&[2, 0, 6]), &k, 1).contains("[2, 0, 6]"));
    assert!(message(&q, &k, &zeros(&[2, 4, 6]), 1).contains("v has"));
    assert!(message(&zeros(&[5, 6]), &k, &k, 1).contains("[n, tokens, channels]"));
    assert!(message(&zeros(&[0, 5, 6]), &k, &k, 1).contains("empty"));
    assert!(message(&q, &k, &k, 4).contains("heads") && message(&q, &k, &k, 0).contains("heads"));
    let wide = k.to_dtype(DType::F64).unwrap();
    assert!(message(&q, &wide, &k, 1).contains("f64"));
    let whole = |t: &Tensor| t.to_dtype(DType::U32).unwrap();
    assert!(message(&whole(&q), &whole(&k), &whole(&k), 1).contains("u32"));
    assert!(attention(&q, &k, &k, 1, Some(f64::NAN)).unwrap_err().to_string().contains("scale"));
}
