//! Every algorithm on every tier against the definition in f64.

use half::bf16;
use proptest::prelude::*;

use super::*;
use crate::Conv3dConfig;

/// How the weights are packed: by the rule, or whatever the rule says, and the largest relative
/// Frobenius error: 2e-6 where sums are the definition's, 1e-5 where a fast algorithm may run.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Rule(Conv3dAlgorithm),
    Winograd(Points),
}

const PACKINGS: [(Packing, f64); 5] = [
    (Packing::Rule(Conv3dAlgorithm::Auto), 1e-5),
    (Packing::Rule(Conv3dAlgorithm::Direct), 2e-6),
    (Packing::Winograd(Points { yz: 6, x: 4 }), 1e-5),
    (Packing::Winograd(Points { yz: 6, x: 6 }), 1e-5),
    (Packing::Winograd(Points { yz: 4, x: 6 }), 1e-5),
];

/// Numbers in [-1, 1) that repeat for a seed.
fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0_f32; len];
    keyed_random::Key::new(seed).with("noise").fill_uniform(&mut out);
    out.iter().map(|u| 2.0 * u - 1.0).collect()
}

/// The definition, in f64.
fn naive(shape: &ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let (c_in, c_out, taps) = (shape.c_in_per_group(), shape.c_out_per_group(), shape.n_taps());
    let [kx, ky, kz] = shape.kernel;
    let mut y = Vec::new();
    for item in 0..shape.batch {
        for voxel in 0..shape.n_out() {
            let [_, ny, nz] = shape.output;
            let out = [voxel / (ny * nz), voxel / nz % ny, voxel % nz];
            for o in 0..shape.c_out {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
                for tap in 0..taps {
                    let tap3 = [tap / (ky * kz), tap / kz % ky, tap % kz];
                    assert!(tap3[0] < kx);
                    let at: Option<Vec<usize>> =
                        (0..3).map(|axis| shape.input_index(axis, out[axis], tap3[axis])).collect();
                    let Some(at) = at else { continue };
                    let at = ((item * shape.input[0] + at[0]) * shape.input[1] + at[1])
                        * shape.input[2]
                        + at[2];
                    for c in 0..c_in {
                        let x = x[at * shape.c_in + o / c_out * c_in + c];
                        sum += f64::from(x) * f64::from(weight[(o * c_in + c) * taps + tap]);
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

fn case(input: [usize; 5], c_out: usize, kernel: [usize; 3], config: &Conv3dConfig) -> Case {
    let weight = [c_out, input[4] / config.groups, kernel[0], kernel[1], kernel[2]];
    let shape = ConvShape::new(input, weight, config).unwrap();
    Case {
        shape,
        x: noise(1, input.iter().product()),
        weight: noise(2, weight.iter().product()),
        bias: noise(3, c_out),
    }
}

impl Case {
    /// Whether the fast algorithm knows the shape.
    fn is_fast(&self) -> bool {
        let ConvShape { kernel, stride, dilation, groups, .. } = self.shape;
        kernel == [3; 3] && stride == [1; 3] && dilation == [1; 3] && groups == 1
    }

    fn forward(&self, tier: Tier, packing: Packing, bias: bool) -> Vec<f32> {
        let (shape, weight) = (&self.shape, &self.weight[..]);
        let weights = match packing {
            Packing::Winograd(points) if self.is_fast() => {
                let weights = WinogradWeights::new(tier, shape, points, weight);
                PackedWeights { form: Form::Winograd(weights), lanes: lanes(tier) }
            }
            Packing::Winograd(_) => PackedWeights::new(tier, Conv3dAlgorithm::Auto, shape, weight),
            Packing::Rule(algorithm) => PackedWeights::new(tier, algorithm, shape, weight),
        };
        assert!(weights.bytes() >= 4 * self.weight.len());
        let mut y = vec![f32::NAN; self.shape.batch * self.shape.n_out() * self.shape.c_out];
        let bias = bias.then_some(&self.bias[..]);
        forward(tier, &self.shape, &self.x, &weights, bias, &mut y);
        y
    }

    /// Every packing on every tier against the definition.
    fn check(&self) -> Result<(), String> {
        for bias in [false, true] {
            let want = naive(&self.shape, &self.x, &self.weight, bias.then_some(&self.bias[..]));
            let norm = want.iter().map(|y| y * y).sum::<f64>().sqrt();
            for tier in Tier::available() {
                for (packing, tolerance) in PACKINGS {
                    let got = self.forward(tier, packing, bias);
                    let square = |(y, want): (&f32, &f64)| (f64::from(*y) - want).powi(2);
                    let error = got.iter().zip(&want).map(square).sum::<f64>().sqrt();
                    if error.is_nan() || error > tolerance * norm {
                        let error = error / norm;
                        return Err(format!("{tier} {packing:?} {:?}: {error:e}", self.shape));
                    }
                }
            }
        }
        Ok(())
    }
}

#[test]
fn every_algorithm_and_tier_agrees_with_the_definition() {
    let same = Conv3dConfig::same(3);
    let plain = Conv3dConfig::default();
    let cases = [
        case([1, 5, 6, 7, 3], 5, [3; 3], &same),
        case([2, 4, 5, 9, 16], 32, [3; 3], &same),
        case([1, 9, 8, 13, 17], 33, [3; 3], &same),
        case([1, 1, 1, 1, 4], 2, [3; 3], &same),
        case([1, 1, 6, 1, 40], 48, [3; 3], &same),
        case([1, 6, 7, 8, 1], 24, [3; 3], &same),
        case([1, 6, 7, 8, 50], 1, [3; 3], &same),
        case([1, 3, 5, 4, 70], 20, [3; 3], &plain),
        case([1, 8, 7, 9, 8], 9, [3; 3], &Conv3dConfig { stride: [2; 3], ..same }),
        case([1, 8, 7, 9, 8], 9, [3; 3], &Conv3dConfig { dilation: [2; 3], ..plain }),
        case([2, 4, 4, 4, 12], 18, [3; 3], &Conv3dConfig { groups: 3, ..same }),
        case([1, 4, 4, 4, 64], 64, [3; 3], &Conv3dConfig { groups: 2, ..same }),
        case([1, 4, 4, 4, 6], 6, [3; 3], &Conv3dConfig { groups: 6, ..same }),
        case([2, 3, 5, 4, 19], 35, [1; 3], &plain),
        case([1, 3, 5, 4, 18], 34, [1; 3], &Conv3dConfig { groups: 2, ..plain }),
        case([1, 3, 5, 4, 8], 8, [1; 3], &Conv3dConfig { padding: [[1, 2]; 3], ..plain }),
        case(
            [1, 5, 7, 6, 9],
            10,
            [1, 3, 3],
            &Conv3dConfig { padding: [[0, 0], [1, 1], [1, 1]], ..plain },
        ),
        case([1, 5, 7, 6, 9], 10, [2; 3], &Conv3dConfig { stride: [2, 1, 2], ..plain }),
        case(
            [1, 7, 2, 3, 9],
            10,
            [5, 1, 1],
            &Conv3dConfig { padding: [[2, 2], [0, 0], [0, 0]], ..plain },
        ),
        case(
            [2, 6, 5, 7, 16],
            16,
            [3; 3],
            &Conv3dConfig { padding: [[0, 2], [3, 0], [1, 4]], ..plain },
        ),
    ];
    for case in cases {
        case.check().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_small_shapes_agree_with_the_definition(
        batch in 1..3_usize,
        space in prop::array::uniform3(1..9_usize),
        channels in (1..20_usize, 1..20_usize, 1..4_usize),
        kernel in prop_oneof![Just([3; 3]), prop::array::uniform3(1..4_usize)],
        stride in prop_oneof![Just([1; 3]), prop::array::uniform3(1..3_usize)],
        dilation in prop_oneof![Just([1; 3]), prop::array::uniform3(1..3_usize)],
        padding in prop::array::uniform3(prop::array::uniform2(0..3_usize)),
    ) {
        let (c_in, c_out, groups) = channels;
        let config = Conv3dConfig { stride, dilation, padding, groups };
        let fits = (0..3).all(|axis| {
            (kernel[axis] - 1) * dilation[axis] < space[axis] + padding[axis][0] + padding[axis][1]
        });
        prop_assume!(fits);
        let input = [batch, space[0], space[1], space[2], c_in * groups];
        case(input, c_out * groups, kernel, &config).check().map_err(TestCaseError::fail)?;
    }
}

#[test]
fn threads_and_batches_do_not_change_a_bit() {
    let same = Conv3dConfig::same(3);
    let cases = [
        case([3, 9, 10, 11, 32], 48, [3; 3], &same),
        case([3, 9, 10, 11, 5], 7, [3; 3], &Conv3dConfig { stride: [2, 1, 1], ..same }),
    ];
    for case in cases {
        for tier in Tier::available() {
            for (packing, _) in PACKINGS {
                let whole = case.forward(tier, packing, true);
                for threads in 1..4 {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    assert!(pool.install(|| case.forward(tier, packing, true)) == whole);
                }
                let shape = ConvShape { batch: 1, ..case.shape };
                let x = case.x[shape.n_in() * shape.c_in..][..shape.n_in() * shape.c_in].to_vec();
                let second =
                    Case { shape, x, weight: case.weight.clone(), bias: case.bias.clone() };
                let y = second.forward(tier, packing, true);
                assert!(y == whole[y.len()..2 * y.len()]);
            }
        }
    }
}

#[test]
fn bf16_is_the_f32_result_rounded_once() {
    let same = Conv3dConfig::same(3);
    let cases = [
        case([2, 5, 6, 7, 18], 35, [3; 3], &same),
        case([1, 5, 6, 7, 16], 32, [1; 3], &Conv3dConfig::default()),
        case([1, 5, 6, 7, 6], 32, [3; 3], &Conv3dConfig { stride: [2; 3], groups: 2, ..same }),
    ];
    let narrow = |v: &[f32]| -> Vec<bf16> { v.iter().map(|&v| bf16::from_f32(v)).collect() };
    let widen = |v: &[bf16]| -> Vec<f32> { v.iter().map(|v| v.to_f32()).collect() };
    for case in cases {
        let (x, weight, bias) = (narrow(&case.x), narrow(&case.weight), narrow(&case.bias));
        let exact =
            Case { shape: case.shape, x: widen(&x), weight: widen(&weight), bias: widen(&bias) };
        for tier in Tier::available() {
            for algorithm in [Conv3dAlgorithm::Auto, Conv3dAlgorithm::Direct] {
                let want = narrow(&exact.forward(tier, Packing::Rule(algorithm), true));
                let weights = PackedWeights::new(tier, algorithm, &case.shape, &exact.weight);
                let mut y = vec![bf16::NAN; want.len()];
                forward(tier, &case.shape, &x, &weights, Some(&exact.bias), &mut y);
                assert!(y == want, "{tier} {algorithm:?}");
            }
        }
    }
}
