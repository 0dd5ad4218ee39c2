use candle_core::{DType, Device, Var};
use keyed_random::Key;

use super::*;
use crate::{
    ChannelsLast, Conv3d, Conv3dConfig, Distribution, GroupNorm, Linear, Recompute, conv3d,
    group_norm, linear_layer, ops,
};
use crate::{ParameterStore, attention_layer};

fn normal(name: &str, shape: impl Into<Shape>, dtype: DType) -> Tensor {
    Distribution::STANDARD_NORMAL
        .tensor(&Key::new(7).with(name), shape, dtype, &Device::Cpu)
        .unwrap()
}

/// A small network in which tensors feed two consumers, parameters are used twice, candle's own
/// operations stand between ours, and one parameter is not used at all.
struct Network {
    first: Conv3d,
    norm: GroupNorm,
    second: Conv3d,
    time: Linear,
    attention: crate::Attention,
}

impl Network {
    fn new(store: &ParameterStore, dtype: DType) -> Self {
        let vb = store.builder(dtype);
        let _unused = vb.get(3, "unused").unwrap();
        let same = Conv3dConfig::same(3);
        let network = Self {
            first: conv3d(2, 8, [3; 3], same, vb.pp("first")).unwrap(),
            norm: group_norm(2, 8, 1e-5, vb.pp("norm")).unwrap(),
            second: conv3d(8, 8, [3; 3], same, vb.pp("second")).unwrap(),
            time: linear_layer(4, 8, true, vb.pp("time")).unwrap(),
            attention: attention_layer(8, crate::AttentionConfig::default(), vb.pp("attention"))
                .unwrap(),
        };
        for (name, tensor) in store.tensors() {
            let drawn = normal(&name, tensor.shape(), tensor.dtype());
            store.set(&name, &(drawn * 0.3).unwrap()).unwrap();
        }
        network
    }

    fn block(&self, x: &ChannelsLast, time: &Tensor) -> Result<ChannelsLast> {
        let h = self.second.forward_channels_last(&self.norm.forward_silu(x)?)?;
        let h = ops::add_channel_bias(&h, &candle_core::Module::forward(&self.time, time)?)?;
        ops::add(x, &self.second.forward_channels_last(&h)?)
    }

    fn loss(&self, x: &Tensor, recompute: Option<&Recompute>) -> Result<Tensor> {
        let time = normal("time", (2, 4), x.dtype()).tanh()?;
        let h = self.first.forward_channels_last(&ChannelsLast::from_ncxyz(x)?)?;
        let h = match recompute {
            None => self.block(&h, &time)?,
            Some(recompute) => {
                let (second, norm, linear) =
                    (self.second.clone(), self.norm.clone(), self.time.clone());
                let attention = self.attention.clone();
                let first = self.first.clone();
                let network = Self { first, norm, second, time: linear, attention };
                ChannelsLast::new(recompute.checkpoint_many(
                    &[h.tensor(), &time],
                    move |given| {
                        Ok(network
                            .block(&ChannelsLast::new(given[0].clone())?, &given[1])?
                            .into_tensor())
                    },
                )?)?
            }
        };
        let (n, tokens) = (h.batch(), h.space().iter().product::<usize>());
        let attended = self.attention.forward_with_context(
            &reshape(h.tensor(), (n, tokens, 8))?,
            &h.tensor().reshape((n, tokens, 8))?,
        )?;
        // candle's own: a product with a bend, and a mean.
        let bent = (attended.sqr()? * 0.5)?;
        let target = normal("target", bent.shape(), x.dtype());
        let loss = ops::mse_loss(&bent, &target, None)?;
        let mean = h.to_ncxyz()?.abs()?.mean_all()?;
        &loss + mean.to_dtype(loss.dtype())?
    }
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let values = |t: &Tensor| {
        t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    let (a, b) = (values(a), values(b));
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(1e-30)
}

#[test]
fn gradients_are_those_of_candles_tape() {
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5), (DType::BF16, 5e-2)] {
        // In bf16 the parameters are f32, and candle casts them.
        let kept = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let store = ParameterStore::with_dtype(Key::new(1), kept).unwrap();
        let network = Network::new(&store, dtype);
        let x = Var::from_tensor(&normal("x", (2, 2, 3, 4, 5), dtype)).unwrap();
        let want_loss = network.loss(&x, None).unwrap();
        let want = want_loss.backward().unwrap();
        for recompute in [None, Some(Recompute::new())] {
            let (loss, got) = value_and_gradients(|| network.loss(&x, recompute.as_ref())).unwrap();
            assert!(!is_recording() && !loss.track_op());
            assert!(difference(&loss, &want_loss) <= tolerance);
            let of_x = difference(got.get(&x).unwrap(), want.get(&x).unwrap());
            assert!(of_x <= tolerance, "x: {of_x:e}");
            for (name, variable) in store.variables() {
                match (got.get(&variable), want.get(&variable)) {
                    (Some(got), Some(want)) => {
                        // A key's bias changes no weight of attention.
                        let far = difference(got, want);
                        assert!(far <= tolerance, "{name}: {far:e} in {dtype:?}");
                    }
                    (got, want) => assert!(
                        got.is_none() && want.is_none() && name == "unused",
                        "{name}: {got:?}, {want:?}"
                    ),
                }
            }
            let variables = store.variables().len();
            assert_eq!(got.get_ids().count(), variables, "those but one, and x");
        }
    }
}

#[test]
fn a_loss_of_constants_has_no_gradients_and_a_failure_stops_the_recording() {
    let x = normal("x", (2, 3), DType::F32);
    let (_, none) = value_and_gradients(|| ops::silu(&x)?.sum_all()).unwrap();
    assert_eq!(none.get_ids().count(), 0);
    let failed = value_and_gradients(|| ops::silu(&x)?.reshape((7, 7)));
    assert!(failed.is_err() && !is_recording());
    let outer = value_and_gradients(|| {
        let w = Var::from_tensor(&x)?;
        let (_, inner) = value_and_gradients(|| ops::silu(&w)?.sum_all())?;
        assert!(is_recording() && inner.get(&w).is_some());
        ops::silu(inner.get(&w).unwrap())?.sum_all()
    });
    assert!(outer.is_ok() && !is_recording());
}

#[test]
fn a_loss_that_is_a_variable_has_the_gradient_one() {
    let w = Var::from_tensor(&normal("w", (), DType::F32)).unwrap();
    let (_, gradients) = value_and_gradients(|| Ok(w.as_tensor().clone())).unwrap();
    assert_eq!(gradients.get(&w).unwrap().to_scalar::<f32>().unwrap(), 1.0);
}

#[test]
fn without_gradients_the_numbers_are_the_same_and_nothing_is_remembered() {
    let store = ParameterStore::new(Key::new(1));
    let network = Network::new(&store, DType::F32);
    let x = Var::from_tensor(&normal("x", (2, 2, 3, 4, 5), DType::F32)).unwrap();
    let time = normal("time", (2, 4), DType::F32);
    let run = |recompute: Option<&Recompute>| {
        let h = network.first.forward_channels_last(&ChannelsLast::from_ncxyz(&x)?)?;
        assert!(!h.tensor().track_op());
        match recompute {
            None => Ok(network.block(&h, &time)?.into_tensor()),
            Some(scope) => {
                let second = network.second.clone();
                scope.checkpoint(h.tensor(), move |h| {
                    let h = ChannelsLast::new(h.clone())?;
                    Ok(second.forward_channels_last(&h)?.into_tensor())
                })
            }
        }
    };
    let forgotten = without_gradients(|| run(None)).unwrap();
    assert!(!forgotten.track_op() && !is_forgetting());
    assert!(!without_gradients(|| run(Some(&Recompute::new()))).unwrap().track_op());
    assert!(!without_gradients(|| reshape(&x, 240)).unwrap().track_op());
    let h = network.first.forward_channels_last(&ChannelsLast::from_ncxyz(&x).unwrap()).unwrap();
    let remembered = network.block(&h, &time).unwrap().into_tensor();
    assert!(remembered.track_op());
    assert_eq!(difference(&forgotten, &remembered), 0.0);
}

#[test]
fn a_gradient_is_found_also_where_nothing_is_remembered() {
    let w = Var::from_tensor(&normal("w", (2, 3), DType::F32)).unwrap();
    let step = || value_and_gradients(|| ops::silu(&w)?.sum_all()).unwrap().1;
    let (plain, inside) = (step(), without_gradients(step));
    assert_eq!(difference(inside.get(&w).unwrap(), plain.get(&w).unwrap()), 0.0);
    let (_, outer) = value_and_gradients(|| {
        assert!(!without_gradients(|| ops::silu(&w))?.track_op() && is_recording());
        ops::silu(&w)?.sum_all()
    })
    .unwrap();
    assert!(outer.get(&w).is_some());
}
