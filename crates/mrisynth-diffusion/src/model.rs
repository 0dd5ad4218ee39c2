//! Parameters, and the network made of them.

use std::fmt;
use std::rc::Rc;

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use candle_nn3d::ParameterStore;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::name_pattern::NamePattern;
use crate::network::Network;

/// What a network computes in; its parameters are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// bf16, with f32 parameters, gradients, averages and losses.
    Bf16,
}

impl Precision {
    /// The dtype.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

type Build = dyn Fn(VarBuilder<'static>) -> Result<Rc<dyn Network>>;

/// The parameters of a network, and how the network is made of them.
///
/// In f32 the network is made once and reads the parameters where they lie, so that it follows
/// every change of them. In bf16 it is made of casts of the parameters as they are, anew whenever
/// it is asked for: once per optimiser step and per validation. The casts are on the tape, so the
/// gradient that arrives at a parameter is the bf16 gradient of its cast, widened to f32 without
/// rounding; micro-batches are then summed in f32. All of that costs a few passes over the parameters, and
/// none over a volume.
///
/// # Source
/// Micikevicius et al. 2018 (Mixed Precision Training) section 3.1; bf16 has the range of f32 and
/// needs no loss scaling.
///
/// # Examples
/// ```
/// use candle_core::Tensor;
/// use candle_nn3d::{Conv3dConfig, ParameterStore, conv3d};
/// use mrisynth_diffusion::{Condition, Model, Precision};
/// let parameters = ParameterStore::new(keyed_random::Key::new(1));
/// let model = Model::new(parameters, Precision::Bf16, |vb| {
///     let layer = conv3d(1, 1, [3; 3], Conv3dConfig::same(3), vb.pp("conv"))?;
///     Ok(move |x: &Tensor, _: &Tensor, _: &Condition| x.apply(&layer))
/// })?;
/// assert_eq!(model.parameters().names(), ["conv.bias", "conv.weight"]);
/// # Ok::<(), mrisynth_diffusion::Error>(())
/// ```
pub struct Model {
    parameters: ParameterStore,
    precision: Precision,
    frozen: Vec<NamePattern>,
    build: Box<Build>,
    /// The network that reads the parameters where they lie.
    in_place: Option<Rc<dyn Network>>,
}

impl Model {
    /// A model of these parameters; those that the network asks for and are missing are made.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn new<N: Network + 'static>(
        parameters: ParameterStore,
        precision: Precision,
        build: impl Fn(VarBuilder<'static>) -> Result<N> + 'static,
    ) -> error::Result<Self> {
        let build = move |vb: VarBuilder<'static>| Ok(Rc::new(build(vb)?) as Rc<dyn Network>);
        let build = Box::new(build);
        let mut model = Self { parameters, precision, frozen: Vec::new(), build, in_place: None };
        model.make()?;
        Ok(model)
    }

    /// The same model, where parameters whose names match one of the patterns get no gradient and
    /// stay as they are.
    ///
    /// # Errors
    /// [`Error::Pattern`](crate::Error::Pattern) for a pattern that no parameter matches, and when
    /// no parameter is left to train.
    pub fn with_frozen(mut self, patterns: &[NamePattern]) -> error::Result<Self> {
        let names = self.parameters.names();
        for pattern in patterns {
            if !names.iter().any(|name| pattern.matches(name)) {
                return Err(pattern.refused("no parameter has such a name"));
            }
        }
        let is_frozen = |name: &String| patterns.iter().any(|pattern| pattern.matches(name));
        if let Some(last) = patterns.last().filter(|_| names.iter().all(is_frozen)) {
            return Err(last.refused("leaves no parameter to train"));
        }
        self.frozen = patterns.to_vec();
        self.make()?;
        Ok(self)
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &ParameterStore {
        &self.parameters
    }

    /// What the network computes in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The network of the parameters as they are now.
    ///
    /// # Errors
    /// Those of the closure that builds it.
    pub fn network(&self) -> Result<Rc<dyn Network>> {
        self.in_place.clone().map_or_else(|| self.built(), Ok)
    }

    /// Makes parameters and, where it can stay, the network.
    fn make(&mut self) -> Result<()> {
        let network = self.built()?;
        self.in_place = (self.precision.dtype() == self.parameters.dtype()).then_some(network);
        Ok(())
    }

    fn built(&self) -> Result<Rc<dyn Network>> {
        let (store, frozen) = (self.parameters.clone(), self.frozen.clone());
        let (device, dtype) = (store.device().clone(), self.precision.dtype());
        let handed_out = HandedOut { store, frozen };
        (self.build)(VarBuilder::from_backend(Box::new(handed_out), dtype, device))
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("parameters", &self.parameters.n_parameters())
            .field("precision", &self.precision)
            .field("frozen", &self.frozen)
            .finish_non_exhaustive()
    }
}

/// The parameters as a network gets them: frozen ones off the tape.
struct HandedOut {
    store: ParameterStore,
    frozen: Vec<NamePattern>,
}

impl HandedOut {
    fn hand_out(&self, name: &str, tensor: Tensor) -> Tensor {
        match self.frozen.iter().any(|pattern| pattern.matches(name)) {
            true => tensor.detach(),
            false => tensor,
        }
    }
}

impl SimpleBackend for HandedOut {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let tensor = SimpleBackend::get(&self.store, shape, name, init, dtype, device)?;
        Ok(self.hand_out(name, tensor))
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        Ok(self.hand_out(name, self.store.get_unchecked(name, dtype, device)?))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store.contains_tensor(name)
    }
}
