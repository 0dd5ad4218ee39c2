use super::*;
use crate::cuda::emulation::{Emulation, Guarded};
use crate::kernels::real::Real;

const SIZES: Sizes = Sizes { items: 2, voxels: 301, classes: 3 };

fn logits() -> Vec<f64> {
    let n = SIZES.items * SIZES.voxels * SIZES.classes;
    (0..n).map(|i| ((i * 7919) % 1009) as f64 / 200.0 - 2.5).collect()
}

fn target() -> Vec<u8> {
    (0..SIZES.items * SIZES.voxels).map(|i| ((i * 31 + i / 7) % SIZES.classes) as u8).collect()
}

fn all_weights() -> Vec<DiceWeights> {
    let plain = DiceWeights {
        dice: 1.0,
        cross_entropy: 1.0,
        smooth: 1e-5,
        background: false,
        batch: false,
    };
    vec![
        plain,
        DiceWeights { batch: true, ..plain },
        DiceWeights { background: true, dice: 0.7, cross_entropy: 0.0, ..plain },
        DiceWeights { dice: 0.0, cross_entropy: 2.0, ..plain },
    ]
}

/// The formula itself, voxel by voxel.
fn by_hand(weights: &DiceWeights, logits: &[f64], target: &[u8]) -> f64 {
    let Sizes { items, voxels, classes } = SIZES;
    let groups = groups(weights, SIZES);
    let mut sums = vec![[0.0; 3]; groups * classes];
    let mut surprise = 0.0;
    for (voxel, &class) in target.iter().enumerate() {
        let x = &logits[voxel * classes..][..classes];
        let total: f64 = x.iter().map(|x| x.exp()).sum();
        surprise -= (x[usize::from(class)].exp() / total).ln();
        let group = if weights.batch { 0 } else { voxel / voxels };
        for k in 0..classes {
            let (p, there) = (x[k].exp() / total, f64::from(usize::from(class) == k));
            let of = &mut sums[group * classes + k];
            *of = [of[0] + p * there, of[1] + p, of[2] + there];
        }
    }
    let first = usize::from(!weights.background);
    let counted: Vec<usize> = (0..groups * classes).filter(|i| i % classes >= first).collect();
    let dice = |&i: &usize| {
        let [both, p, there] = sums[i];
        (2.0 * both + weights.smooth) / (p + there + weights.smooth)
    };
    let mean = counted.iter().map(dice).sum::<f64>() / counted.len() as f64;
    let n = (items * voxels) as f64;
    weights.dice * (1.0 - mean) + weights.cross_entropy * surprise / n
}

/// Loss and gradient on the emulated machine, the loss's own gradient being 1.5.
fn run<T: Number + std::fmt::Debug>(weights: &DiceWeights) -> (f64, Vec<f64>) {
    let x: Vec<T> = logits().into_iter().map(|x| T::store(T::Real::from_f64(x))).collect();
    let (x, target) = (Guarded::new(&x), Guarded::new(&target()));
    let value = Emulation::both_orders(|machine| {
        Ok(loss(machine, weights, SIZES, x.slice(), target.slice())?.value)
    });
    let gradient = Emulation::both_orders(|machine| {
        let found = loss(machine, weights, SIZES, x.slice(), target.slice())?;
        let upstream = Guarded::new(&[T::store(T::Real::from_f64(1.5))]);
        let p = found.probabilities.slice();
        let slopes = found.slopes.slice();
        gradient(machine, weights, SIZES, [p, upstream.slice()], target.slice(), slopes)
    });
    (value[0].load().to_f64(), gradient.iter().map(|x| x.load().to_f64()).collect())
}

#[test]
fn the_loss_is_that_of_its_formula() {
    for weights in all_weights() {
        let want = by_hand(&weights, &logits(), &target());
        assert!((run::<f64>(&weights).0 - want).abs() < 1e-12, "{weights:?}");
        assert!((run::<f32>(&weights).0 - want).abs() < 1e-6, "{weights:?}");
    }
}

#[test]
fn the_gradient_is_the_loss_s_slope() {
    const H: f64 = 1e-5;
    for weights in all_weights() {
        let (double, single) = (run::<f64>(&weights).1, run::<f32>(&weights).1);
        for i in (0..double.len()).step_by(101) {
            let moved = |by: f64| {
                let mut x = logits();
                x[i] += by;
                by_hand(&weights, &x, &target())
            };
            let want = 1.5 * (moved(H) - moved(-H)) / (2.0 * H);
            assert!((double[i] - want).abs() < 1e-9, "{}, {want} at {i}", double[i]);
            assert!((single[i] - double[i]).abs() < 1e-8, "{}, {} at {i}", single[i], double[i]);
        }
    }
}
