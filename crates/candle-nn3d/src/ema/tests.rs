use candle_core::Device;
use keyed_random::Key;

use super::*;

fn store(value: &[f32]) -> ParameterStore {
    let store = ParameterStore::new(Key::new(1));
    set(&store, value);
    store
}

fn set(store: &ParameterStore, value: &[f32]) {
    store.set("w", &Tensor::new(value, &Device::Cpu).unwrap()).unwrap();
}

fn value(store: &ParameterStore) -> Vec<f32> {
    store.get("w").unwrap().to_vec1().unwrap()
}

fn average(ema: &Ema) -> Vec<f32> {
    ema.averages()["w"].to_vec1().unwrap()
}

#[test]
fn towards_a_constant_the_distance_shrinks_by_the_decay() {
    let store = store(&[8.0]);
    let settings = EmaSettings { decay: 0.5, warm_up: false, ..Default::default() };
    let mut ema = Ema::new(&store, settings).unwrap();
    set(&store, &[0.0]);
    for step in 0..5 {
        ema.update(&store, step).unwrap();
    }
    assert_eq!(average(&ema), [8.0 / 32.0]);
}

#[test]
fn the_warm_up_begins_at_a_tenth_and_ends_at_the_decay() {
    let store = store(&[1.0]);
    let mut ema = Ema::new(&store, EmaSettings { decay: 0.25, ..Default::default() }).unwrap();
    set(&store, &[0.0]);
    let mut expected = 1.0_f32;
    // (1 + t) / (10 + t) is 1/10, 2/11, 3/12 = 1/4, and the decay from there on.
    for (step, decay) in [1.0 / 10.0, 2.0 / 11.0, 0.25, 0.25].into_iter().enumerate() {
        ema.update(&store, step as u64).unwrap();
        expected *= decay as f32;
        assert_eq!(average(&ema), [expected]);
    }
}

#[test]
fn before_its_start_the_average_is_a_copy_and_afterwards_it_moves_every_tenth_step() {
    let store = store(&[0.0]);
    let mut ema = Ema::new(&store, EmaSettings::MED_DDPM).unwrap();
    set(&store, &[1.0]);
    ema.update(&store, 1989).unwrap();
    assert_eq!(average(&ema), [0.0]);
    ema.update(&store, 1990).unwrap();
    assert_eq!(average(&ema), [1.0]);
    set(&store, &[3.0]);
    ema.update(&store, 1999).unwrap();
    assert_eq!(average(&ema), [1.0]);
    ema.update(&store, 2000).unwrap();
    assert_eq!(average(&ema), [1.0 * 0.995 + 3.0 * (1.0 - 0.995_f64) as f32]);
    // Copies free an average that a NaN had spoilt.
    set(&store, &[f32::NAN]);
    ema.update(&store, 10).unwrap();
    set(&store, &[2.0]);
    ema.update(&store, 20).unwrap();
    assert_eq!(average(&ema), [2.0]);
}

#[test]
fn averages_stand_in_for_the_parameters_and_go_back_even_after_a_failure() {
    let long = vec![1.0_f32; 2 * CHUNK + 3];
    let store = store(&long);
    let mut ema = Ema::new(&store, EmaSettings::default()).unwrap();
    let changed = vec![2.0_f32; 2 * CHUNK + 3];
    set(&store, &changed);
    let inside = ema.with_averaged(&store, || Ok(value(&store))).unwrap();
    assert_eq!(inside, long);
    let unchanged = |ema: &Ema| value(&store) == changed && average(ema) == long;
    assert!(unchanged(&ema));
    let failed: Result<()> = ema.with_averaged(&store, || candle_core::bail!("no"));
    assert!(failed.is_err() && unchanged(&ema));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _: Result<()> = ema.with_averaged(&store, || std::panic::resume_unwind(Box::new(1)));
    }));
    assert!(panicked.is_err() && unchanged(&ema));
}

#[test]
fn saved_and_loaded_it_goes_on_with_the_same_bits() {
    let path = tempfile::tempdir().unwrap().keep().join("ema");
    let parameters = store(&[0.1, 0.7]);
    let mut ema = Ema::new(&parameters, EmaSettings::default()).unwrap();
    let step = |ema: &mut Ema, step: u64| {
        set(&parameters, &[0.3 + step as f32, 0.9]);
        ema.update(&parameters, step).unwrap();
    };
    (0..5).for_each(|index| step(&mut ema, index));
    ema.state().save_safetensors(&path).unwrap();
    let mut loaded = Ema::new(&store(&[0.0, 0.0]), EmaSettings::default()).unwrap();
    loaded.load_state(&NamedTensors::load_safetensors(&path).unwrap()).unwrap();
    (5..10).for_each(|index| step(&mut ema, index));
    (5..10).for_each(|index| step(&mut loaded, index));
    assert_eq!(average(&loaded), average(&ema));
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut ema = Ema::new(&store(&[1.0]), EmaSettings::default()).unwrap();
    let other = store(&[1.0, 2.0]);
    let message = ema.update(&other, 0).unwrap_err().to_string();
    assert!(message.contains("\"w\"") && message.contains("[2]"), "{message}");
    let parameters = store(&[1.0]);
    parameters.set("new", &Tensor::new(1.0_f32, &Device::Cpu).unwrap()).unwrap();
    assert!(ema.with_averaged(&parameters, || Ok(())).unwrap_err().to_string().contains("new"));
    let mut state = ema.state();
    state.metadata.clear();
    assert!(ema.load_state(&state).unwrap_err().to_string().contains("ema_updates"));
    for settings in [
        EmaSettings { decay: 1.5, ..Default::default() },
        EmaSettings { every: 0, ..Default::default() },
    ] {
        assert!(Ema::new(&parameters, settings).is_err());
    }
}
