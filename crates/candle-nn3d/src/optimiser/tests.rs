use candle_core::{DType, Device, Tensor};
use keyed_random::Key;

use super::*;
use crate::random_tensor::Distribution;

const CPU: Device = Device::Cpu;

fn optimisers() -> Vec<(&'static str, Box<dyn Optimiser>)> {
    let nesterov =
        SgdSettings { momentum: 0.99, nesterov: true, weight_decay: 3e-5, ..Default::default() };
    let damped =
        SgdSettings { momentum: 0.9, dampening: 0.1, weight_decay: 0.01, ..Default::default() };
    let early = AdamSettings { betas: [0.4, 0.99], weight_decay: 0.1, ..Default::default() };
    vec![
        ("sgd", Box::new(Sgd::new(SgdSettings::default()).unwrap())),
        ("sgd, damped momentum", Box::new(Sgd::new(damped).unwrap())),
        ("sgd, nesterov", Box::new(Sgd::new(nesterov).unwrap())),
        ("adam", Box::new(Adam::new(AdamSettings::default()).unwrap())),
        ("adam, early betas and decay", Box::new(Adam::new(early).unwrap())),
        ("adamw", Box::new(AdamW::new(AdamWSettings::default()).unwrap())),
    ]
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

// Printed by tests/fixtures/make.py with PyTorch 2.15: ten steps on ½ Σ s (p - t)² at the rates
// 0.05 / (1 + step), in f64; its f32 agrees to 1e-6.
const GOLDENS: [[f64; 4]; 6] = [
    [0.9310270377082489, -0.4714088439941407, -2.9272136661503323, 0.0006323689608050133],
    [0.8264688831570832, -1.8315173895509842, -2.8026860719329707, 0.00016578681505343825],
    [0.7353918291300361, -1.1385762224953522, -2.6901219579164986, -0.00010843456246344032],
    [0.8548755247790245, 1.8537101848509883, -2.8536442975323046, 0.013350501417560752],
    [0.8585888609079371, 1.8543672388226942, -2.854157339147225, 0.0007364182017904157],
    [0.8535173337884037, 1.8508740720968955, -2.8493441383788802, 0.01335044020678145],
];

#[test]
fn ten_steps_agree_with_pytorch() {
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 1e-6)] {
        let vector = |v: [f64; 4]| Tensor::new(&v, &CPU).unwrap().to_dtype(dtype).unwrap();
        let scale = vector([1.0, 10.0, 0.1, 3.0]);
        let target = vector([0.5, -1.0, 2.0, 0.0]);
        for ((name, mut optimiser), golden) in optimisers().into_iter().zip(GOLDENS) {
            let store = ParameterStore::with_dtype(Key::new(0), dtype).unwrap();
            store.set("p", &vector([1.0, 2.0, -3.0, 1e-3])).unwrap();
            let p = store.get("p").unwrap();
            for step in 0..10 {
                let distance = (p.as_tensor() - &target).unwrap();
                let loss = (distance.sqr().unwrap() * &scale).unwrap().sum_all().unwrap();
                let loss = (loss * 0.5).unwrap();
                let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
                optimiser.step(&store, &gradients, 0.05 / f64::from(1 + step)).unwrap();
            }
            for (got, want) in values(&p).into_iter().zip(golden) {
                let error = (got - want).abs() / want.abs().max(1.0);
                assert!(error <= tolerance, "{name} in {dtype:?}: {got}, PyTorch has {want}");
            }
        }
    }
}

/// Two layers, the first wider than a task, trained on keyed noise.
fn train(store: &ParameterStore, optimiser: &mut dyn Optimiser, steps: std::ops::Range<u64>) {
    for step in steps {
        let normal = Distribution::Normal { mean: 0.0, stdev: 1.0 };
        let init = candle_nn::init::DEFAULT_KAIMING_NORMAL;
        let builder = store.builder(DType::F32);
        let first = builder.get_with_hints((130, 140), "first.weight", init).unwrap();
        let second = builder.get_with_hints((140, 2), "second.weight", init).unwrap();
        let bias = builder.get(2, "second.bias").unwrap();
        let x = normal.tensor(&Key::new(5).with_index(step), (3, 130), DType::F32, &CPU).unwrap();
        let hidden = x.matmul(&first).unwrap().tanh().unwrap();
        let y = hidden.matmul(&second).unwrap().broadcast_add(&bias).unwrap();
        let loss = y.sqr().unwrap().sum_all().unwrap();
        let mut gradients = Gradients::of(store, loss.backward().unwrap()).unwrap();
        gradients.clip_norm(1.0).unwrap();
        optimiser.step(store, &gradients, 1e-2 / (1.0 + step as f64)).unwrap();
    }
}

fn bits(store: &ParameterStore) -> Vec<(String, Vec<u32>)> {
    let bits = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let tensors = store.tensors().into_iter();
    tensors.map(|(name, t)| (name, bits(t).into_iter().map(f32::to_bits).collect())).collect()
}

#[test]
fn saving_and_loading_midway_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, state) = (folder.path().join("weights"), folder.path().join("state"));
    for ((name, mut whole), (mut first, mut second)) in optimisers()
        .into_iter()
        .zip(optimisers().into_iter().zip(optimisers()).map(|(a, b)| (a.1, b.1)))
    {
        let store = ParameterStore::new(Key::new(1));
        train(&store, &mut *whole, 0..10);

        let before = ParameterStore::new(Key::new(1));
        train(&before, &mut *first, 0..5);
        NamedTensors::of(&before).save_safetensors(&weights).unwrap();
        first.state().unwrap().save_safetensors(&state).unwrap();

        let after = ParameterStore::new(Key::new(1));
        for (name, tensor) in NamedTensors::load_safetensors(&weights).unwrap().tensors {
            after.set(&name, &tensor).unwrap();
        }
        second.load_state(&NamedTensors::load_safetensors(&state).unwrap()).unwrap();
        assert_eq!(bits(&after), bits(&before), "{name}");
        train(&after, &mut *second, 5..10);
        assert_eq!(bits(&after), bits(&store), "{name}");
        assert_ne!(bits(&after), bits(&before), "{name}");
    }
}

#[test]
fn threads_change_no_bit() {
    for index in 0..optimisers().len() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let store = ParameterStore::new(Key::new(2));
                train(&store, &mut *optimisers().swap_remove(index).1, 0..2);
                bits(&store)
            })
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(3));
    }
}

#[test]
fn a_loaded_state_is_a_copy() {
    let store = ParameterStore::new(Key::new(3));
    let (mut first, mut second) =
        (Adam::new(Default::default()).unwrap(), Adam::new(Default::default()).unwrap());
    train(&store, &mut first, 0..2);
    second.load_state(&first.state().unwrap()).unwrap();
    let before = values(&second.state().unwrap().tensors["second.weight.exp_avg"]);
    train(&store, &mut first, 2..3);
    assert_eq!(values(&second.state().unwrap().tensors["second.weight.exp_avg"]), before);
    assert_ne!(values(&first.state().unwrap().tensors["second.weight.exp_avg"]), before);
}

#[test]
fn parameters_without_a_gradient_stay() {
    let store = ParameterStore::new(Key::new(4));
    let ones = Tensor::ones(3, DType::F32, &CPU).unwrap();
    store.set("used", &ones).unwrap();
    store.set("unused", &ones).unwrap();
    let mut adamw = AdamW::new(Default::default()).unwrap();
    let loss = store.get("used").unwrap().sqr().unwrap().sum_all().unwrap();
    let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
    adamw.step(&store, &gradients, 0.1).unwrap();
    assert_eq!(values(&store.get("unused").unwrap()), [1.0; 3]);
    assert!(values(&store.get("used").unwrap())[0] < 0.91);
    let names: Vec<_> = adamw.state().unwrap().tensors.into_keys().collect();
    assert_eq!(names, ["used.exp_avg", "used.exp_avg_sq", "used.step"]);
}

#[test]
fn states_that_do_not_fit_are_refused_by_name_and_change_nothing() {
    let store = ParameterStore::new(Key::new(5));
    let mut adam = Adam::new(Default::default()).unwrap();
    train(&store, &mut adam, 0..1);
    let state = adam.state().unwrap();
    let refused = |state: &NamedTensors| {
        let mut other = Adam::new(Default::default()).unwrap();
        let message = other.load_state(state).unwrap_err().to_string();
        assert!(other.state().unwrap().tensors.is_empty());
        message
    };
    let mut lacking = state.clone();
    lacking.tensors.remove("second.bias.exp_avg_sq");
    assert!(refused(&lacking).contains("second.bias.exp_avg_sq"));
    let mut lacking = state.clone();
    lacking.tensors.remove("second.bias.step");
    assert!(refused(&lacking).contains("second.bias.step"));
    let mut more = state.clone();
    more.tensors.insert("x".into(), Tensor::new(1_i64, &CPU).unwrap());
    assert!(refused(&more).contains("\"x\""));
    let mut adamw = AdamW::new(Default::default()).unwrap();
    assert!(adamw.load_state(&state).unwrap_err().to_string().contains("adamw"));
    // A state of other shapes is found at the step.
    let mut wrong = state;
    wrong.tensors.insert("second.bias.exp_avg".into(), Tensor::new(&[1.0_f32], &CPU).unwrap());
    adam.load_state(&wrong).unwrap();
    let loss = store.get("second.bias").unwrap().sum_all().unwrap();
    let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
    let message = adam.step(&store, &gradients, 0.1).unwrap_err().to_string();
    assert!(message.contains("second.bias") && message.contains("[2]"), "{message}");
    assert!(adam.step(&store, &gradients, f64::NAN).unwrap_err().to_string().contains("NaN"));
    let stranger = ParameterStore::new(Key::new(6));
    assert!(adam.step(&stranger, &gradients, 0.1).unwrap_err().to_string().contains("no such"));
}

#[test]
fn settings_outside_their_domain_are_refused_by_name() {
    let adam = |settings| Adam::new(settings).unwrap_err().to_string();
    let betas = AdamSettings { betas: [0.9, 1.0], ..Default::default() };
    assert!(adam(betas).contains("betas"));
    let epsilon = AdamSettings { epsilon: f64::NAN, ..Default::default() };
    assert!(adam(epsilon).contains("epsilon"));
    let nesterov = SgdSettings { nesterov: true, ..Default::default() };
    assert!(Sgd::new(nesterov).unwrap_err().to_string().contains("nesterov"));
    let json = r#"{"betas":[0.9,0.99]}"#;
    let settings: AdamWSettings = serde_json::from_str(json).unwrap();
    assert_eq!(settings.weight_decay, 1e-2);
    assert!(serde_json::from_str::<AdamWSettings>(r#"{"lr":1}"#).is_err());
}
