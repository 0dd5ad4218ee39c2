use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device};
use keyed_random::Key;

use super::*;
use crate::random_tensor::Distribution;

fn random(name: &str, shape: (usize, usize)) -> Tensor {
    let key = Key::new(1).with(name);
    Distribution::STANDARD_NORMAL.tensor(&key, shape, DType::F32, &Device::Cpu).unwrap()
}

fn var(name: &str, shape: (usize, usize)) -> Var {
    Var::from_tensor(&random(name, shape)).unwrap()
}

fn bits(tensor: Option<&Tensor>) -> Vec<u32> {
    let values = tensor.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// tanh(x w), times keyed noise, plus x.
fn block(x: &Tensor, w: &Tensor, name: &str) -> Result<Tensor> {
    (x.matmul(w)?.tanh()? * random(name, (3, 4)))? + x
}

#[test]
fn gradients_are_those_of_the_plain_run_bit_for_bit() {
    let (x, u, v) = (var("x", (3, 4)), var("u", (4, 4)), var("v", (4, 4)));
    let loss = |y: Tensor| y.sqr().unwrap().sum_all().unwrap();
    let plain = block(&block(&x, &u, "a").unwrap(), &v, "b").unwrap();
    let plain_gradients = loss(plain.clone()).backward().unwrap();

    let recompute = Recompute::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let segment = |w: &Var, name: &'static str| {
        let (w, runs) = (w.as_tensor().clone(), runs.clone());
        move |x: &Tensor| {
            runs.fetch_add(1, Ordering::Relaxed);
            block(x, &w, name)
        }
    };
    let y = recompute.checkpoint(&x, segment(&u, "a")).unwrap();
    let y = recompute.checkpoint(&y, segment(&v, "b")).unwrap();
    assert_eq!(bits(Some(&y)), bits(Some(&plain)));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    let gradients = recompute.backward(&loss(y)).unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 4);
    for var in [&x, &u, &v] {
        assert_eq!(bits(gradients.get(var)), bits(plain_gradients.get(var)));
    }
    assert_eq!(gradients.get_ids().count(), 3);
}

#[test]
fn segments_nest_take_up_to_three_inputs_and_may_ignore_one() {
    let (x, skip, time) = (var("x", (3, 4)), var("skip", (3, 4)), var("time", (3, 4)));
    let w = var("w", (4, 4));
    fn run(x: &Tensor, skip: &Tensor, w: &Tensor) -> Result<Tensor> {
        block(&(x * skip)?, w, "c")
    }
    let plain = run(&x, &skip, &w).unwrap().tanh().unwrap().sum_all().unwrap();
    let plain = plain.backward().unwrap();
    let scope = Recompute::new();
    let (inner, weight) = (scope.clone(), w.as_tensor().clone());
    let y = scope
        .checkpoint_many(&[&x, &skip, &time], move |inputs| {
            let [x, skip, _] = inputs else { unreachable!() };
            let weight = weight.clone();
            inner.checkpoint_many(&[x, skip], move |inputs| run(&inputs[0], &inputs[1], &weight))
        })
        .unwrap();
    let gradients = scope.backward(&y.tanh().unwrap().sum_all().unwrap()).unwrap();
    for var in [&x, &skip, &w] {
        assert_eq!(bits(gradients.get(var)), bits(plain.get(var)));
    }
    assert!(bits(gradients.get(&time)).iter().all(|&bits| bits == 0));
    let message = scope.checkpoint_many(&[], |_| unreachable!()).unwrap_err().to_string();
    assert!(message.contains("inputs"), "{message}");
}

#[test]
fn an_input_off_the_tape_still_gives_the_parameters_their_gradients() {
    let (x, w) = (random("x", (3, 4)), var("w", (4, 4)));
    let plain = block(&x, &w, "d").unwrap().sum_all().unwrap().backward().unwrap();
    let scope = Recompute::new();
    let weight = w.as_tensor().clone();
    let y = scope.checkpoint(&x, move |x| block(x, &weight, "d")).unwrap();
    let gradients = scope.backward(&y.sum_all().unwrap()).unwrap();
    assert_eq!(bits(gradients.get(&w)), bits(plain.get(&w)));
    assert_eq!(gradients.get_ids().count(), 1);
}

#[test]
fn a_segment_that_returns_its_input_or_a_parameter_damages_neither() {
    let (x, w) = (var("x", (3, 4)), var("w", (3, 4)));
    let before = [bits(Some(&x)), bits(Some(&w))];
    let scope = Recompute::new();
    let weight = w.as_tensor().clone();
    let y = scope.checkpoint(&x, |x| Ok(x.clone())).unwrap();
    let z = scope.checkpoint(&y, move |_| Ok(weight.clone())).unwrap();
    let gradients = scope.backward(&(y + z).unwrap().sum_all().unwrap()).unwrap();
    assert_eq!(bits(gradients.get(&x)), vec![1.0_f32.to_bits(); 12]);
    assert_eq!(bits(gradients.get(&w)), vec![1.0_f32.to_bits(); 12]);
    assert_eq!([bits(Some(&x)), bits(Some(&w))], before);
}

#[test]
fn failures_inside_a_segment_are_errors_and_leave_nothing_behind() {
    let x = var("x", (3, 4));
    let scope = Recompute::new();
    assert!(scope.checkpoint(&x, |x| x.matmul(x)).is_err());
    let calls = AtomicUsize::new(0);
    let y = scope
        .checkpoint(&x, move |x| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => x.sqr(),
            _ => candle_core::bail!("the second run fails"),
        })
        .unwrap();
    let message = scope.backward(&y.sum_all().unwrap()).unwrap_err().to_string();
    assert!(message.contains("second run"), "{message}");
    let y = scope.checkpoint(&x, |x| x.affine(3.0, 0.0)).unwrap();
    let gradients = scope.backward(&y.sum_all().unwrap()).unwrap();
    assert_eq!(bits(gradients.get(&x)), vec![3.0_f32.to_bits(); 12]);
}
