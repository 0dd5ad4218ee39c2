//! Runs that are interrupted, and items alone or in a batch.

use std::ops::ControlFlow;

use candle_nn3d::NamedTensors;
use keyed_random::Key;

use super::*;

fn run_of(config: SamplerConfig) -> (Box<dyn Sampler>, Vec<Level>) {
    let levels = schedule().run_levels(&Spacing::Trailing, 12, Terminal::Clean).unwrap();
    let inverted = matches!(config, SamplerConfig::DdimInversion { .. });
    let levels = if inverted { levels.into_iter().rev().collect() } else { levels };
    (config.build().unwrap(), levels)
}

fn all() -> Vec<SamplerConfig> {
    let inversion = SamplerConfig::DdimInversion { iterations: 2 };
    samplers().into_iter().map(|(config, _)| config).chain([inversion]).collect()
}

/// A denoiser on tensors of any shape and dtype that treats every element alike.
fn shrink(x: &Tensor, levels: &[Level]) -> Result<Tensor> {
    let Level { signal, noise } = levels[0];
    Ok((x * (signal * 0.5 / (signal * signal * 0.5 + noise * noise)))?)
}

fn bits(tensor: &Tensor) -> Vec<u64> {
    let numbers = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    numbers.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F32, DType::BF16] {
        for config in all() {
            let (sampler, levels) = run_of(config);
            let noise = Noise::keyed(&Key::new(5), 2);
            let start = noise.start((1, 5, 6, 7), dtype, Level::PURE_NOISE).unwrap();
            let mut whole = SamplerState::new(start.clone());
            sample(&*sampler, &mut whole, &levels, &shrink, &noise, &mut Unobserved).unwrap();
            for stop in [1, 2, 5] {
                let mut state = SamplerState::new(start.clone());
                let mut observer = |progress: &Progress<'_>| match progress.done {
                    done if done == stop => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                };
                let ended = sample(&*sampler, &mut state, &levels, &shrink, &noise, &mut observer);
                assert_eq!(ended.unwrap(), Ended::Cancelled);
                let path = folder.path().join("state.safetensors");
                state.to_named_tensors().unwrap().save_safetensors(&path).unwrap();
                let saved = NamedTensors::load_safetensors(&path).unwrap();
                let mut state = SamplerState::from_named_tensors(&saved).unwrap();
                sample(&*sampler, &mut state, &levels, &shrink, &noise, &mut Unobserved).unwrap();
                assert_eq!(bits(&state.sample), bits(&whole.sample), "{config:?} {dtype:?} {stop}");
            }
        }
    }
}

#[test]
fn an_item_and_the_number_of_threads_change_no_bit() {
    for config in all() {
        let (sampler, levels) = run_of(config);
        let finish = |noise: &Noise, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let start = noise.start((1, 9, 10, 11), DType::F32, Level::PURE_NOISE).unwrap();
                let mut state = SamplerState::new(start);
                sample(&*sampler, &mut state, &levels, &shrink, noise, &mut Unobserved).unwrap();
                state.sample
            })
        };
        let keys: Vec<Key> = (0..3).map(|item| Key::new(6).with_index(item)).collect();
        let batch = finish(&Noise::Keyed(keys.clone()), 1);
        assert_eq!(bits(&batch), bits(&finish(&Noise::Keyed(keys.clone()), 3)), "{config:?}");
        let alone = finish(&Noise::Keyed(vec![keys[2]]), 2);
        assert_eq!(bits(&batch.get(2).unwrap()), bits(&alone), "{config:?}");
    }
}

#[test]
fn a_model_output_that_is_not_finite_names_step_and_level() {
    for config in all() {
        let (sampler, levels) = run_of(config);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let noise = Noise::keyed(&Key::new(7), 2);
            let start = noise.start(300, DType::F32, Level::PURE_NOISE).unwrap();
            let at = levels[3];
            let poisoned = move |x: &Tensor, levels: &[Level]| {
                let good = shrink(x, levels)?;
                // Churn raises the noise of a level.
                if levels[0].signal != at.signal {
                    return Ok(good);
                }
                let mut numbers = good.flatten_all()?.to_vec1::<f32>()?;
                numbers[555] = bad;
                Ok(Tensor::from_vec(numbers, x.dims(), &Device::Cpu)?)
            };
            let mut state = SamplerState::new(start);
            let ended = sample(&*sampler, &mut state, &levels, &poisoned, &noise, &mut Unobserved);
            let Err(Error::ModelOutput { step: Some(step), level, item: 1 }) = ended else {
                panic!("{config:?}: {ended:?}");
            };
            // Heun, PNDM and inversion look at the next level too.
            assert!(step == 3 || step == 2, "{config:?}: {step}");
            assert_eq!((level.signal, state.index), (at.signal, step), "{config:?}");
        }
    }
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let x = Tensor::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
    let mut state = SamplerState::new(x);
    let (ddim, levels) = run_of(SamplerConfig::Ddim { eta: 0.0 });
    sample(&*ddim, &mut state, &levels, &shrink, &Noise::NONE, &mut Unobserved).unwrap();
    let (pndm, _) = run_of(SamplerConfig::Pndm { start: PndmStart::Heun });
    let mut other = SamplerState { index: 0, ..state.clone() };
    let ended = sample(&*pndm, &mut other, &levels, &shrink, &Noise::NONE, &mut Unobserved);
    assert!(matches!(ended, Err(Error::State { ref field, .. }) if field == "sampler"));
    let mut beyond = SamplerState { index: 99, ..state.clone() };
    let ended = sample(&*ddim, &mut beyond, &levels, &shrink, &Noise::NONE, &mut Unobserved);
    assert!(matches!(ended, Err(Error::State { ref field, .. }) if field == "index"));
    let saved = state.to_named_tensors().unwrap();
    for (field, value) in [("format", "x"), ("version", "2"), ("index", "-1")] {
        let mut changed = saved.clone();
        changed.metadata.insert(field.into(), value.into());
        let error = SamplerState::from_named_tensors(&changed).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
        changed.metadata.remove(field);
        let error = SamplerState::from_named_tensors(&changed).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
