use candle_nn::init::{FanInOut, NonLinearity};

use super::*;
use crate::gradients::Gradients;

fn kaiming(dist: NormalOrUniform, fan: FanInOut) -> Init {
    Init::Kaiming { dist, fan, non_linearity: NonLinearity::ReLU }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_parameter_has_the_same_bits_in_any_order_and_on_any_threads() {
    let init = Init::Randn { mean: 0.0, stdev: 1.0 };
    let made = |names: [&str; 3], threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let store = ParameterStore::new(Key::new(1));
        let builder = store.builder(DType::F32);
        pool.install(|| {
            for name in names {
                builder.pp("net").get_with_hints((40, 1000), name, init).unwrap();
            }
        });
        assert_eq!(store.names(), ["net.a", "net.b", "net.c"]);
        store.tensors().values().flat_map(values).map(f32::to_bits).collect::<Vec<_>>()
    };
    let one = made(["a", "b", "c"], 1);
    assert_eq!(one, made(["c", "a", "b"], 3));
    assert_ne!(one[..40_000], one[40_000..80_000]);
    let other = ParameterStore::new(Key::new(2));
    let tensor = other.builder(DType::F32).get_with_hints((40, 1000), "net.a", init).unwrap();
    assert_ne!(values(&tensor).iter().map(|v| v.to_bits()).collect::<Vec<_>>(), one[..40_000]);
}

#[test]
fn initial_values_have_the_bounds_and_variances_of_their_law() {
    let store = ParameterStore::new(Key::new(3));
    let builder = store.builder(DType::F32);
    // Fan in 32 · 27 = 864, fan out 64 · 27 = 1728; the gain of ReLU is √2.
    let shape = (64, 32, 3, 3, 3);
    let n = 64.0 * 32.0 * 27.0;
    let check = |name: &str, init, variance: f64, bound: f64| {
        let all = values(&builder.get_with_hints(shape, name, init).unwrap());
        let mean = all.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let got = all.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors; the normal law's variance has the larger one.
        assert!(mean.abs() < 5.0 * (variance / n).sqrt(), "{name}: mean {mean}");
        assert!((got / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{name}: {got}");
        assert!(all.iter().all(|v| f64::from(v.abs()) <= bound * (1.0 + 1e-6)), "{name}");
    };
    use FanInOut::{FanIn, FanOut};
    use NormalOrUniform::{Normal, Uniform};
    check("normal in", kaiming(Normal, FanIn), 2.0 / 864.0, f64::INFINITY);
    check("normal out", kaiming(Normal, FanOut), 2.0 / 1728.0, f64::INFINITY);
    check("uniform in", kaiming(Uniform, FanIn), 2.0 / 864.0, (6.0_f64 / 864.0).sqrt());
    check("uniform", Init::Uniform { lo: -0.5, up: 0.5 }, 1.0 / 12.0, 0.5);
    let constant = builder.get_with_hints((2, 3), "constant", Init::Const(0.25)).unwrap();
    assert_eq!(values(&constant), [0.25; 6]);
    assert_eq!(values(&builder.get(3, "zero").unwrap()), [0.0; 3]);
}

#[test]
fn a_parameter_asked_for_again_is_the_same_variable() {
    let store = ParameterStore::new(Key::new(4));
    let builder = store.builder(DType::F32);
    let first = builder.get((2, 3), "w").unwrap();
    store.set("w", &Tensor::ones((2, 3), DType::F64, &Device::Cpu).unwrap()).unwrap();
    assert_eq!(values(&first), [1.0; 6]);
    let again = builder.get((2, 3), "w").unwrap();
    assert!(first.id() == again.id() && again.is_variable());
    let message = builder.get((3, 2), "w").unwrap_err().to_string();
    let named =
        message.contains("\"w\"") && message.contains("[2, 3]") && message.contains("[3, 2]");
    assert!(named, "{message}");
    assert!(store.set("w", &Tensor::ones(6, DType::F32, &Device::Cpu).unwrap()).is_err());
    assert!(builder.get_unchecked("v").unwrap_err().to_string().contains("\"v\""));
    assert!(builder.contains_tensor("w") && !builder.contains_tensor("v"));
    assert!(ParameterStore::with_dtype(Key::new(4), DType::BF16).is_err());
}

#[test]
fn gradients_of_a_bf16_network_arrive_at_the_f32_masters() {
    let store = ParameterStore::new(Key::new(5));
    store.set("w", &Tensor::new(&[1.0_f32 + 1e-5, 3.0], &Device::Cpu).unwrap()).unwrap();
    let w = store.builder(DType::BF16).get(2, "w").unwrap();
    assert_eq!(w.dtype(), DType::BF16);
    let loss = w.sqr().unwrap().sum_all().unwrap();
    let gradients = Gradients::of(&store, loss.backward().unwrap()).unwrap();
    let gradient = gradients.get("w").unwrap();
    assert_eq!((gradient.dtype(), values(gradient)), (DType::F32, vec![2.0, 6.0]));
    // The master keeps what bf16 cannot hold.
    assert_eq!(values(store.get("w").unwrap().as_tensor())[0], 1.0 + 1e-5);
}
