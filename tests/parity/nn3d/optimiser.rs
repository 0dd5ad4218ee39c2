//! Ten steps of an optimiser on a linear layer, beside PyTorch's.

use candle_core::{DType, Result, Tensor};
use candle_nn3d::{
    Adam, AdamSettings, AdamW, AdamWSettings, Gradients, Optimiser, ParameterStore, Sgd,
    SgdSettings,
};
use serde::Deserialize;

use super::case::Case;
use super::{Results, differences};

/// Of the largest parameter, after ten steps that each add the rounding of an f32.
const TOLERANCE_F32: f64 = 3e-6;
/// Of the same, in f64: the goldens' own rounding.
const TOLERANCE_F64: f64 = 1e-7;

/// PyTorch's names; what is absent has PyTorch's default, which is ours too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    lr: f64,
    steps: usize,
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    weight_decay: Option<f64>,
    momentum: Option<f64>,
    dampening: Option<f64>,
    #[serde(default)]
    nesterov: bool,
}

impl Settings {
    fn optimiser(&self, kind: &str) -> Result<Box<dyn Optimiser>> {
        Ok(match kind {
            "adam" => {
                let d = AdamSettings::default();
                Box::new(Adam::new(AdamSettings {
                    betas: self.betas.unwrap_or(d.betas),
                    epsilon: self.eps.unwrap_or(d.epsilon),
                    weight_decay: self.weight_decay.unwrap_or(d.weight_decay),
                })?)
            }
            "adamw" => {
                let d = AdamWSettings::default();
                Box::new(AdamW::new(AdamWSettings {
                    betas: self.betas.unwrap_or(d.betas),
                    epsilon: self.eps.unwrap_or(d.epsilon),
                    weight_decay: self.weight_decay.unwrap_or(d.weight_decay),
                })?)
            }
            _ => {
                let d = SgdSettings::default();
                Box::new(Sgd::new(SgdSettings {
                    momentum: self.momentum.unwrap_or(d.momentum),
                    dampening: self.dampening.unwrap_or(d.dampening),
                    nesterov: self.nesterov,
                    weight_decay: self.weight_decay.unwrap_or(d.weight_decay),
                })?)
            }
        })
    }
}

/// The parameters after each step, stacked, by the names of the goldens.
fn run(case: &Case, dtype: DType) -> Result<Results> {
    let settings: Settings = case.settings();
    let input = |name: &str| case.tensor(name).to_dtype(dtype);
    let (x, target) = (input("in.x")?, input("in.target")?);
    let store = ParameterStore::with_dtype(keyed_random::Key::new(0), dtype)?;
    let names = ["weight", "bias"];
    for name in names {
        store.set(name, &input(&format!("in.{name}"))?)?;
    }
    let mut optimiser = settings.optimiser(&case.operation)?;
    let mut kept = names.map(|_| Vec::new());
    for _ in 0..settings.steps {
        let [weight, bias] = names.map(|name| store.get(name).unwrap());
        let y = x.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        let gradients = (y - &target)?.sqr()?.mean_all()?.backward()?;
        let gradients = Gradients::of(&store, gradients)?;
        optimiser.step(&store, &gradients, settings.lr)?;
        for (kept, parameter) in kept.iter_mut().zip([weight, bias]) {
            kept.push(parameter.as_detached_tensor().copy()?);
        }
    }
    let rows = names.iter().zip(kept);
    rows.map(|(name, kept)| Ok((format!("out.{name}"), Tensor::stack(&kept, 0)?))).collect()
}

/// All that is wrong with one case.
pub(crate) fn faults_of(case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    for (dtype, tolerance) in [(DType::F32, TOLERANCE_F32), (DType::F64, TOLERANCE_F64)] {
        let found = run(case, dtype).and_then(|got| differences(case, &got, tolerance));
        match found {
            Ok(found) => {
                faults
                    .extend(found.iter().map(|fault| format!("{} {dtype:?}: {fault}", case.name)));
            }
            Err(error) => faults.push(format!("{} {dtype:?}: {error}", case.name)),
        }
    }
    faults
}
