use candle_core::{Device, Tensor};
use keyed_random::Key;

use super::*;
use crate::cuda::emulation::{Emulation, Guarded};
use crate::{
    Adam, AdamSettings, AdamW, Distribution, Ema, EmaSettings, GradientNorm, Gradients, Optimiser,
    ParameterStore, Sgd, SgdSettings,
};

/// Not a multiple of a block; more than one.
const N: usize = 1003;
const STEPS: u64 = 4;

fn drawn<T: Number>(name: &str, n: usize) -> Vec<T> {
    let key = Key::new(1).with(name);
    let tensor = Distribution::STANDARD_NORMAL.tensor(&key, n, T::DTYPE, &Device::Cpu).unwrap();
    tensor.to_vec1().unwrap()
}

fn bits<T: Number>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_f64().to_bits()).collect()
}

fn gradient_of_step<T: Number>(step: u64) -> Vec<T> {
    drawn(&format!("gradient {step}"), N)
}

/// What an optimiser makes of a parameter on the CPU, by steps of 0.01 over the step's number.
fn on_the_cpu<T: Number>(optimiser: &mut dyn Optimiser) -> Vec<T> {
    let store = ParameterStore::with_dtype(Key::new(0), T::DTYPE).unwrap();
    store.set("p", &Tensor::new(drawn::<T>("p", N), &Device::Cpu).unwrap()).unwrap();
    let p = store.get("p").unwrap();
    for step in 1..=STEPS {
        let g = Tensor::new(gradient_of_step::<T>(step), &Device::Cpu).unwrap();
        let loss = (p.as_tensor() * g).unwrap().sum_all().unwrap();
        let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
        optimiser.step(&store, &gradients, rate(step)).unwrap();
    }
    p.to_vec1().unwrap()
}

fn rate(step: u64) -> f64 {
    0.01 / step as f64
}

fn adam_on_the_machine<T: Number + std::fmt::Debug>(numbers: impl Fn(u64) -> AdamStep) -> Vec<T> {
    Emulation::both_orders(|machine| {
        let mut p = Guarded::new(&drawn::<T>("p", N));
        let [mut m, mut v] = [0, 1].map(|_| Guarded::new(&[T::from_f64(0.0); N]));
        for step in 1..=STEPS {
            let g = Guarded::new(&gradient_of_step::<T>(step));
            adam(machine, &numbers(step), &mut p, g.slice(), [&mut m, &mut v])?;
        }
        Ok(p)
    })
}

#[test]
fn adams_steps_are_those_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>() {
        for settings in [
            AdamSettings::default(),
            AdamSettings { betas: [0.4, 0.99], weight_decay: 0.1, ..Default::default() },
        ] {
            let mut adam = Adam::new(settings).unwrap();
            let got = adam_on_the_machine::<T>(|step| adam.numbers(rate(step), step));
            assert_eq!(bits(&got), bits(&on_the_cpu::<T>(&mut adam)));
        }
        let mut adam = AdamW::new(Default::default()).unwrap();
        let got = adam_on_the_machine::<T>(|step| adam.numbers(rate(step), step));
        assert_eq!(bits(&got), bits(&on_the_cpu::<T>(&mut adam)));
    }
    case::<f32>();
    case::<f64>();
}

#[test]
fn steps_of_descent_are_those_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>(settings: SgdSettings) {
        let mut descent = Sgd::new(settings).unwrap();
        let got = Emulation::both_orders(|machine| {
            let mut p = Guarded::new(&drawn::<T>("p", N));
            let mut buffer = Guarded::new(&[T::from_f64(f64::NAN); N]);
            for step in 1..=STEPS {
                let g = Guarded::new(&gradient_of_step::<T>(step));
                let buffer = (settings.momentum != 0.0).then_some(&mut buffer);
                let numbers = descent.numbers(rate(step), step == 1);
                sgd(machine, &numbers, &mut p, g.slice(), buffer)?;
            }
            Ok(p)
        });
        assert_eq!(bits(&got), bits(&on_the_cpu::<T>(&mut descent)), "{settings:?}");
    }
    let damped = SgdSettings { momentum: 0.9, dampening: 0.1, weight_decay: 0.01, nesterov: false };
    let ahead = SgdSettings { momentum: 0.99, nesterov: true, ..damped };
    let ahead = SgdSettings { dampening: 0.0, ..ahead };
    for settings in [SgdSettings::default(), damped, ahead] {
        case::<f32>(settings);
        case::<f64>(settings);
    }
}

#[test]
fn averages_and_exchanges_are_those_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>(decay: f64) {
        let store = ParameterStore::with_dtype(Key::new(0), T::DTYPE).unwrap();
        let set = |values: &[T]| {
            store.set("p", &Tensor::new(values, &Device::Cpu).unwrap()).unwrap();
        };
        let (before, after) = (drawn::<T>("before", N), drawn::<T>("after", N));
        set(&before);
        let settings = EmaSettings { decay, warm_up: false, ..Default::default() };
        let mut ema = Ema::new(&store, settings).unwrap();
        set(&after);
        ema.update(&store, 0).unwrap();
        let got = Emulation::both_orders(|machine| {
            let (mut mean, value) = (Guarded::new(&before), Guarded::new(&after));
            average(machine, [decay, 1.0 - decay], &mut mean, value.slice())?;
            Ok(mean)
        });
        assert_eq!(bits(&got), bits(&ema.averages()["p"].to_vec1::<T>().unwrap()));
        for first in [true, false] {
            let got = Emulation::both_orders(|machine| {
                let (mut a, mut b) = (Guarded::new(&before), Guarded::new(&after));
                exchange(machine, N, &mut a, &mut b)?;
                Ok(if first { a } else { b })
            });
            assert_eq!(bits(&got), bits(if first { &after } else { &before }));
        }
    }
    for decay in [0.0, 0.75, 0.9999] {
        case::<f32>(decay);
        case::<f64>(decay);
    }
}

#[test]
fn a_copy_forgets_what_is_not_finite() {
    let got = Emulation::both_orders(|machine| {
        let (mut mean, value) = (Guarded::new(&[f32::NAN, f32::INFINITY]), [1.0_f32, 2.0]);
        average(machine, [0.0, 1.0], &mut mean, Guarded::new(&value).slice())?;
        Ok(mean)
    });
    assert_eq!(got, [1.0, 2.0]);
}

#[test]
fn sums_and_multiples_of_gradients_are_those_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>() {
        let (a, b) = (drawn::<T>("a", N), drawn::<T>("b", N));
        let got = Emulation::both_orders(|machine| {
            let (mut sum, more) = (Guarded::new(&a), Guarded::new(&b));
            accumulate(machine, &mut sum, more.slice())?;
            multiply(machine, N, 0.3, &mut sum)?;
            Ok(sum)
        });
        let want = |(a, b): (&T, &T)| (*a + *b) * T::from_f64(0.3);
        let want: Vec<T> = a.iter().zip(&b).map(want).collect();
        assert_eq!(bits(&got), bits(&want));
    }
    case::<f32>();
    case::<f64>();
}

#[test]
fn the_norm_of_gradients_is_that_of_the_cpu_to_the_bit() {
    fn case<T: Number + std::fmt::Debug>() {
        // Several blocks, a chunk cut off, less than a warp, nothing.
        let lengths = [9 * CHUNK + 77, 31, 0, CHUNK, 33];
        let arrays: Vec<Vec<T>> = lengths.iter().map(|&n| drawn(&format!("of {n}"), n)).collect();
        let totals = Emulation::both_orders(|machine| {
            let mut squares = Squares::new(machine, lengths.into_iter())?;
            for (place, array) in arrays.iter().enumerate() {
                squares.add(machine, place, Guarded::new(array).slice())?;
            }
            squares.totals(machine)
        });
        let store = ParameterStore::with_dtype(Key::new(0), T::DTYPE).unwrap();
        let mut loss = Tensor::zeros((), T::DTYPE, &Device::Cpu).unwrap();
        for (place, array) in arrays.iter().enumerate().filter(|(_, array)| !array.is_empty()) {
            let (name, g) = (place.to_string(), Tensor::new(&array[..], &Device::Cpu).unwrap());
            store.set(&name, &g).unwrap();
            let part = (store.get(&name).unwrap().as_tensor() * g).unwrap().sum_all().unwrap();
            loss = (loss + part).unwrap();
        }
        let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
        let norm = f64::sqrt(totals.iter().fold(0.0, |sum, total| sum + total));
        assert_eq!(gradients.norm().unwrap(), GradientNorm::Finite(norm));
    }
    case::<f32>();
    case::<f64>();
}
