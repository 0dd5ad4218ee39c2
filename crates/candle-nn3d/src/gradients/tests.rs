use candle_core::{DType, Device};
use keyed_random::Key;

use super::*;
use crate::random_tensor::Distribution;

const CPU: Device = Device::Cpu;

fn gradients(values: &[(&str, &[f32])]) -> Gradients {
    let tensor = |v: &[f32]| Tensor::new(v, &CPU).unwrap();
    Gradients(values.iter().map(|(name, v)| ((*name).to_owned(), tensor(v))).collect())
}

fn values(gradients: &Gradients, name: &str) -> Vec<f32> {
    gradients.get(name).unwrap().to_vec1().unwrap()
}

#[test]
fn the_norm_is_that_of_all_gradients_together() {
    let all = gradients(&[("a", &[3.0, 0.0]), ("b", &[4.0]), ("c", &[])]);
    assert_eq!(all.norm().unwrap(), GradientNorm::Finite(5.0));
    assert_eq!(Gradients::default().norm().unwrap(), GradientNorm::Finite(0.0));
    // Squares below the smallest f32 still count.
    let tiny = gradients(&[("a", &[3e-30]), ("b", &[4e-30])]);
    assert!((tiny.norm().unwrap().finite().unwrap() / 5e-30 - 1.0).abs() < 1e-6);
}

#[test]
fn threads_change_no_bit_of_the_norm() {
    let law = Distribution::STANDARD_NORMAL;
    let tensor = law.tensor(&Key::new(1), 5 * CHUNK + 7, DType::F32, &CPU).unwrap();
    let naive: f64 = tensor.to_vec1::<f32>().unwrap().iter().map(|&x| f64::from(x).powi(2)).sum();
    let all = Gradients(BTreeMap::from([("a".to_owned(), tensor)]));
    let norm = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all.norm().unwrap().finite().unwrap())
    };
    assert_eq!(norm(1).to_bits(), norm(2).to_bits());
    assert_eq!(norm(1).to_bits(), norm(3).to_bits());
    assert!((norm(2) / naive.sqrt() - 1.0).abs() < 1e-13);
}

#[test]
fn clipping_scales_to_the_limit_and_leaves_what_is_below_it() {
    let mut all = gradients(&[("a", &[3.0, 0.0]), ("b", &[4.0])]);
    assert_eq!(all.clip_norm(5.5).unwrap(), GradientNorm::Finite(5.0));
    assert_eq!(values(&all, "b"), [4.0]);
    assert_eq!(all.clip_norm(f64::INFINITY).unwrap(), GradientNorm::Finite(5.0));
    assert_eq!(all.clip_norm(2.5).unwrap(), GradientNorm::Finite(5.0));
    let factor = (2.5_f64 / (5.0 + 1e-6)) as f32;
    assert_eq!(values(&all, "a"), [3.0 * factor, 0.0]);
    assert_eq!(values(&all, "b"), [4.0 * factor]);
    for limit in [0.0, -1.0, f64::NAN] {
        assert!(all.clip_norm(limit).unwrap_err().to_string().contains("limit"));
    }
}

#[test]
fn gradients_that_are_not_finite_are_named_and_left_alone() {
    let mut all = gradients(&[("a", &[1.0]), ("b", &[f32::NAN, 2.0]), ("c", &[f32::INFINITY])]);
    let parameters = vec!["b".to_owned(), "c".to_owned()];
    assert_eq!(all.clip_norm(0.1).unwrap(), GradientNorm::NotFinite { parameters });
    assert_eq!(values(&all, "a"), [1.0]);
    assert_eq!(values(&all, "b")[1], 2.0);
}

#[test]
fn the_mean_over_micro_batches_is_the_gradient_of_the_batch() {
    let store = ParameterStore::new(Key::new(2));
    store.set("w", &Tensor::new(&[1.0_f32, -2.0], &CPU).unwrap()).unwrap();
    store.set("rare", &Tensor::new(&[1.0_f32], &CPU).unwrap()).unwrap();
    store.set("unused", &Tensor::new(&[1.0_f32], &CPU).unwrap()).unwrap();
    let (w, rare) = (store.get("w").unwrap(), store.get("rare").unwrap());
    let part = |x: [f32; 2], with_rare: bool| {
        let product = (w.as_tensor() * Tensor::new(&x, &CPU).unwrap()).unwrap();
        let mut loss = product.sqr().unwrap().sum_all().unwrap();
        if with_rare {
            loss = (loss + rare.sum_all().unwrap()).unwrap();
        }
        Gradients::of(&store, loss.backward().unwrap()).unwrap()
    };
    let mut sum = part([1.0, 2.0], false);
    sum.add(part([3.0, 4.0], true)).unwrap();
    sum.scale(0.5).unwrap();
    // 2 w x², averaged.
    assert_eq!(values(&sum, "w"), [10.0, -40.0]);
    assert_eq!(values(&sum, "rare"), [0.5]);
    assert_eq!(sum.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["rare", "w"]);
    assert!(sum.add(gradients(&[("w", &[1.0])])).is_err());
}
