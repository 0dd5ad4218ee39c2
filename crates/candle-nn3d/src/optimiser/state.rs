//! What an optimiser remembers of each parameter.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use candle_core::{DType, Device, Result, Tensor, Var};

use crate::error::Error;
use crate::named_tensors::NamedTensors;

/// Under which name the kind of an optimiser is saved.
const KIND: &str = "optimiser";
/// Under which ending the number of steps of a parameter is saved.
const STEP: &str = "step";

/// `K` tensors like the parameter, and how many steps it has taken.
#[derive(Debug)]
pub(super) struct Slot<const K: usize> {
    pub(super) steps: u64,
    pub(super) tensors: [Tensor; K],
}

/// A slot per parameter that has taken a step.
#[derive(Debug)]
pub(super) struct Slots<const K: usize> {
    kind: &'static str,
    endings: [&'static str; K],
    slots: BTreeMap<String, Slot<K>>,
}

impl<const K: usize> Slots<K> {
    pub(super) fn new(kind: &'static str, endings: [&'static str; K]) -> Self {
        Self { kind, endings, slots: BTreeMap::new() }
    }

    /// The slot of a parameter, zeros at first.
    pub(super) fn slot(&mut self, name: &str, variable: &Var) -> Result<&mut Slot<K>> {
        let slot = match self.slots.entry(name.to_owned()) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(place) => {
                let zeros = || Tensor::zeros(variable.shape(), variable.dtype(), variable.device());
                let tensors: Vec<_> = (0..K).map(|_| zeros()).collect::<Result<_>>()?;
                place.insert(Slot { steps: 0, tensors: array(tensors)? })
            }
        };
        for tensor in &mut slot.tensors {
            // A state from a file comes to the CPU; candle's check is one of pointers.
            *tensor = tensor.to_device(variable.device())?;
            if (tensor.shape(), tensor.dtype()) != (variable.shape(), variable.dtype()) {
                let describe = |t: &Tensor| format!("{} of {:?}", t.dtype().as_str(), t.shape());
                let (found, expected) = (describe(tensor), describe(variable));
                let problem = format!("the state is {found}, its parameter {expected}");
                return Err(Error::Tensor { name: name.to_owned(), problem }.into());
            }
        }
        Ok(slot)
    }

    pub(super) fn save(&self) -> Result<NamedTensors> {
        let mut tensors = BTreeMap::new();
        for (name, slot) in &self.slots {
            for (ending, tensor) in self.endings.iter().zip(&slot.tensors) {
                tensors.insert(format!("{name}.{ending}"), tensor.clone());
            }
            let steps = Tensor::new(slot.steps as i64, &Device::Cpu)?;
            tensors.insert(format!("{name}.{STEP}"), steps);
        }
        let metadata = BTreeMap::from([(KIND.to_owned(), self.kind.to_owned())]);
        Ok(NamedTensors { tensors, metadata })
    }

    pub(super) fn load(&mut self, state: &NamedTensors) -> Result<()> {
        let fault = |name: &str, problem: String| Error::Tensor { name: name.to_owned(), problem };
        let kind = state.metadata.get(KIND).map_or("absent", String::as_str);
        if kind != self.kind {
            return Err(fault(KIND, format!("is {kind}, expected {}", self.kind)).into());
        }
        let mut slots = BTreeMap::new();
        for (full_name, steps) in &state.tensors {
            let Some((name, ending)) = full_name.rsplit_once('.') else {
                return Err(fault(full_name, "is no state of a parameter".to_owned()).into());
            };
            if ending != STEP {
                let partner = format!("{name}.{STEP}");
                if !self.endings.contains(&ending) || !state.tensors.contains_key(&partner) {
                    let problem = format!("unexpected, or without {partner:?}");
                    return Err(fault(full_name, problem).into());
                }
                continue;
            }
            let steps = steps.to_scalar::<i64>().ok().and_then(|steps| u64::try_from(steps).ok());
            let steps = steps
                .ok_or_else(|| fault(full_name, "expected one i64 of at least 0".to_owned()))?;
            let mut tensors = Vec::with_capacity(K);
            for ending in self.endings {
                let full_name = format!("{name}.{ending}");
                let tensor = state.tensors.get(&full_name);
                let tensor = tensor.ok_or_else(|| fault(&full_name, "is missing".to_owned()))?;
                if !matches!(tensor.dtype(), DType::F32 | DType::F64) {
                    let found = tensor.dtype().as_str();
                    return Err(
                        fault(&full_name, format!("is {found}, expected f32 or f64")).into()
                    );
                }
                tensors.push(tensor.detach().contiguous()?.copy()?);
            }
            slots.insert(name.to_owned(), Slot { steps, tensors: array(tensors)? });
        }
        self.slots = slots;
        Ok(())
    }
}

fn array<const K: usize>(tensors: Vec<Tensor>) -> Result<[Tensor; K]> {
    tensors.try_into().map_err(|_| candle_core::Error::Msg("a slot of another size".into()))
}
