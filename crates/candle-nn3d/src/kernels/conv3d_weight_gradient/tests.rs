//! Both algorithms on every tier against the definition in f64.

use half::bf16;

use super::super::conv3d_reference::{self as reference, tests as oracle};
use super::*;
use crate::conv_shape::Conv3dConfig;

/// How the gradient is computed: as the caller may ask, or by the fast algorithm whatever the rule
/// says.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rule(Conv3dAlgorithm),
    Fast(usize),
}

const WAYS: [(Way, f64); 4] = [
    (Way::Rule(Conv3dAlgorithm::Direct), 1e-6),
    (Way::Rule(Conv3dAlgorithm::Auto), 1e-5),
    (Way::Fast(4), 1e-5),
    (Way::Fast(6), 1e-5),
];

impl Way {
    fn gradient<T: Element>(self, tier: Tier, shape: &ConvShape, x: &[T], dy: &[T]) -> Vec<f32> {
        let len = shape.c_out * shape.c_in_per_group() * shape.n_taps();
        let mut dw = vec![f32::NAN; len];
        match self {
            Self::Rule(algorithm) => weight_gradient(tier, algorithm, shape, x, dy, &mut dw),
            Self::Fast(points) if is_fast(shape) => {
                fast::weight_gradient(tier, shape, points, x, dy, &mut dw);
            }
            Self::Fast(_) => {
                weight_gradient(tier, Conv3dAlgorithm::Auto, shape, x, dy, &mut dw);
            }
        }
        dw
    }
}

/// Whether the fast algorithm knows the shape.
fn is_fast(shape: &ConvShape) -> bool {
    let ConvShape { kernel, stride, dilation, groups, .. } = *shape;
    kernel == [3; 3] && stride == [1; 3] && dilation == [1; 3] && groups == 1
}

/// The odd shapes of all convolutions, and some for the fast algorithm: axes of one voxel, no
/// padding, uneven and wide padding, and enough tiles for several chunks along x, and over y and z.
fn shapes() -> Vec<ConvShape> {
    let case = |input: [usize; 5], c_out, padding| {
        let config = Conv3dConfig { padding, ..Conv3dConfig::default() };
        ConvShape::new(input, [c_out, input[4], 3, 3, 3], &config).unwrap()
    };
    let same = [[1, 1]; 3];
    let mut shapes = oracle::odd_shapes();
    shapes.extend([
        case([1, 1, 1, 1, 3], 5, same),
        case([3, 3, 3, 3, 16], 16, [[0; 2]; 3]),
        case([1, 9, 5, 13, 17], 33, [[2, 1], [0, 2], [1, 0]]),
        case([2, 4, 6, 5, 60], 20, [[0, 2], [3, 0], [1, 4]]),
        case([1, 1, 7, 1, 58], 65, same),
        case([2, 34, 21, 24, 3], 4, same),
        case([1, 5, 50, 49, 2], 3, same),
    ]);
    shapes
}

fn factors(shape: &ConvShape) -> [Vec<f64>; 2] {
    let x = oracle::numbers(shape.batch * shape.n_in() * shape.c_in, 1);
    [x, oracle::numbers(shape.batch * shape.n_out() * shape.c_out, 2)]
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

#[test]
fn every_algorithm_and_tier_follows_the_definition() {
    for shape in shapes() {
        let [x, dy] = factors(&shape);
        let mut want = vec![0.0; shape.c_out * shape.c_in_per_group() * shape.n_taps()];
        reference::weight_gradient(&shape, &x, &dy, &mut want);
        let (x, dy) = (to_f32(&x), to_f32(&dy));
        for tier in Tier::available() {
            for (way, tolerance) in WAYS {
                let got = way.gradient(tier, &shape, &x, &dy);
                let got: Vec<f64> = got.into_iter().map(f64::from).collect();
                oracle::assert_close(&got, &want, tolerance, &shape);
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for shape in shapes() {
        let [x, dy] = factors(&shape).map(|values| to_f32(&values));
        for tier in Tier::available() {
            for (way, _) in WAYS {
                let bits = |threads| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let dw = pool.install(|| way.gradient(tier, &shape, &x, &dy));
                    dw.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let one = bits(1);
                assert_eq!(one, bits(2));
                assert_eq!(one, bits(3));
            }
        }
    }
}

#[test]
fn bf16_gives_the_bits_of_its_widened_numbers() {
    for shape in shapes() {
        let [x, dy] = factors(&shape)
            .map(|values| values.into_iter().map(bf16::from_f64).collect::<Vec<_>>());
        let [wide_x, wide_dy] =
            [&x, &dy].map(|values| values.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
        for tier in Tier::available() {
            for (way, _) in WAYS {
                let want = way.gradient(tier, &shape, &wide_x, &wide_dy);
                assert_eq!(way.gradient(tier, &shape, &x, &dy), want, "{tier} {way:?} {shape:?}");
            }
        }
    }
}

#[test]
fn the_fast_algorithm_is_taken_for_wide_layers_only() {
    let points = |channels, config: &Conv3dConfig| {
        let input = [1, 24, 24, 24, channels];
        let weight = [channels, channels / config.groups, 3, 3, 3];
        fast::x_points(&ConvShape::new(input, weight, config).unwrap())
    };
    let same = Conv3dConfig::same(3);
    assert!(points(64, &same).is_some());
    assert!(points(1, &same).is_none());
    assert!(points(64, &Conv3dConfig { stride: [1, 2, 1], ..same }).is_none());
    assert!(points(64, &Conv3dConfig { dilation: [1, 1, 2], ..same }).is_none());
    assert!(points(64, &Conv3dConfig { groups: 2, ..same }).is_none());
}
