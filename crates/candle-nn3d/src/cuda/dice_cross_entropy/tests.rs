use candle_core::Device;

use super::*;
use crate::cuda::emulation::{Emulation, Guarded};

/// The loss as it is defined, in f64.
fn defined(settings: DiceCrossEntropySettings, dims: Dims, logits: &[f64], target: &[u8]) -> f64 {
    let Dims { items, per_item, classes: c } = dims;
    let mut of_items = vec![vec![[0.0; 3]; c]; items];
    let mut entropy = 0.0;
    for (voxel, (logits, &class)) in logits.chunks_exact(c).zip(target).enumerate() {
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        entropy -= (logits[usize::from(class)].exp() / sum).ln() / target.len() as f64;
        for (k, logit) in logits.iter().enumerate() {
            let (p, g) = (logit.exp() / sum, f64::from(usize::from(class) == k));
            let of_class = &mut of_items[voxel / per_item][k];
            for (total, x) in of_class.iter_mut().zip([p * g, p, g]) {
                *total += x;
            }
        }
    }
    let pool = |k: usize| {
        (0..3).map(|i| of_items.iter().map(|item| item[k][i]).sum()).collect::<Vec<f64>>()
    };
    let groups: Vec<Vec<Vec<f64>>> = if settings.batch {
        vec![(0..c).map(pool).collect()]
    } else {
        of_items.iter().map(|item| item.iter().map(|sums| sums.to_vec()).collect()).collect()
    };
    let first = usize::from(!settings.background);
    let (mut dice, mut count) = (0.0, 0.0);
    for group in &groups {
        for sums in &group[first..] {
            dice += (2.0 * sums[0] + settings.smooth) / (sums[1] + sums[2] + settings.smooth);
            count += 1.0;
        }
    }
    settings.dice * (1.0 - dice / count) + settings.cross_entropy * entropy
}

fn every_setting() -> impl Iterator<Item = DiceCrossEntropySettings> {
    [(true, true), (true, false), (false, true), (false, false)].into_iter().flat_map(
        |(background, batch)| {
            [(1.0, 1.0, 1e-5), (0.0, 1.0, 1e-5), (0.7, 0.3, 0.5)].map(
                |(dice, cross_entropy, smooth)| DiceCrossEntropySettings {
                    dice,
                    cross_entropy,
                    smooth,
                    background,
                    batch,
                },
            )
        },
    )
}

fn logits(n: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from(((i * 7919) % 2003) as f32 / 400.0 - 2.5)).collect()
}

fn target(n: usize, c: usize) -> Vec<u8> {
    (0..n).map(|i| ((i * i + i / 3) % c) as u8).collect()
}

fn on_the_emulation<T: Number<Real = T> + std::fmt::Debug>(
    settings: DiceCrossEntropySettings,
    dims: Dims,
    x: &[f64],
    y: &[u8],
    upstream: f64,
) -> (f64, Vec<f64>) {
    let x: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
    let (x, y) = (Guarded::new(&x), Guarded::new(y));
    let loss =
        Emulation::both_orders(|m| Ok(value::<_, T>(m, settings, dims, x.slice(), y.slice())?.0));
    let upstream = Guarded::new(&[T::from_f64(upstream)]);
    let slopes = Emulation::both_orders(|m| {
        let (_, slopes) = value::<_, T>(m, settings, dims, x.slice(), y.slice())?;
        let both = [x.slice(), upstream.slice()];
        gradient(m, settings, dims, both, y.slice(), slopes.slice())
    });
    (loss[0].to_f64(), slopes.iter().map(|slope| slope.to_f64()).collect())
}

#[test]
fn the_value_is_the_definitions_for_every_setting_and_more_than_one_block() {
    for (items, per_item, classes) in [(2, 301, 3), (1, PER_BLOCK + 5, 2)] {
        let (dims, voxels) = (Dims { items, per_item, classes }, items * per_item);
        let (x, y) = (logits(voxels * classes), target(voxels, classes));
        for settings in every_setting() {
            let want = defined(settings, dims, &x, &y);
            let (got, _) = on_the_emulation::<f64>(settings, dims, &x, &y, 1.0);
            assert!((got - want).abs() < 1e-12, "{settings:?}: {got} for {want}");
            let (got, _) = on_the_emulation::<f32>(settings, dims, &x, &y, 1.0);
            assert!((got - want).abs() < 1e-6, "{settings:?}: {got} for {want}");
        }
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let dims = Dims { items: 2, per_item: 7, classes: 4 };
    let (x, y) = (logits(2 * 7 * 4), target(2 * 7, 4));
    for settings in every_setting() {
        let (_, got) = on_the_emulation::<f64>(settings, dims, &x, &y, 1.5);
        let (_, single) = on_the_emulation::<f32>(settings, dims, &x, &y, 1.5);
        for i in 0..x.len() {
            let at = |step: f64| {
                let mut moved = x.clone();
                moved[i] += step;
                defined(settings, dims, &moved, &y)
            };
            let want = 1.5 * (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((got[i] - want).abs() < 1e-9, "{settings:?}: {} for {want}", got[i]);
            assert!((single[i] - got[i]).abs() < 1e-6, "{settings:?}: {}", single[i]);
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let x = Tensor::zeros((1, 2, 2, 2, 3), DType::F32, &Device::Cpu).unwrap();
    let x = ChannelsLast::new(x).unwrap();
    let settings = every_setting().next().unwrap();
    let message =
        |classes: &[u8]| dice_cross_entropy(&x, classes, settings).unwrap_err().to_string();
    assert!(message(&[0; 7]).contains("7 voxels"), "{}", message(&[0; 7]));
    assert!(message(&[3; 8]).contains("classes below 3"), "{}", message(&[3; 8]));
    assert!(message(&[2; 8]).contains("on the CPU"), "{}", message(&[2; 8]));
}
