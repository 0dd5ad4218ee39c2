//! The parameters of a network, by name and in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use keyed_random::Key;

use crate::error::Error;
use crate::in_place::not_a_float;
use crate::random_tensor::Distribution;

/// Parameters in the order of their names, which a network asks for through a [`VarBuilder`].
///
/// A parameter that is asked for and missing is made from its [`Init`] and the key
/// `key.with("parameter").with(name)`: one seed gives the same bits whatever the order of creation
/// and the number of threads. Clones are handles to the same parameters.
///
/// # Precision
/// The store holds the masters, in f32 (or f64). A [`builder`](Self::builder) of another dtype
/// hands out casts of them that the tape knows, so gradients arrive at the masters, in the
/// masters' dtype. A cast is a copy of the weights as they are: to compute in bf16, build the network
/// from the builder anew at every step, which costs one pass over the weights, or once for
/// inference.
///
/// # Examples
/// ```
/// use candle_core::DType;
/// use candle_nn3d::ParameterStore;
/// let store = ParameterStore::new(keyed_random::Key::new(1));
/// let layer = candle_nn::linear(3, 2, store.builder(DType::F32).pp("head"))?;
/// assert_eq!(store.names(), ["head.bias", "head.weight"]);
/// assert_eq!(store.n_parameters(), 8);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParameterStore {
    key: Key,
    dtype: DType,
    device: Device,
    variables: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl ParameterStore {
    /// No parameters yet; those to come are f32.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, dtype: DType::F32, device: Device::Cpu, variables: Arc::default() }
    }

    /// No parameters yet; those to come are of this dtype.
    ///
    /// # Errors
    /// [`Error::DType`] unless f32 or f64.
    pub fn with_dtype(key: Key, dtype: DType) -> Result<Self> {
        match dtype {
            DType::F32 | DType::F64 => Ok(Self { dtype, ..Self::new(key) }),
            other => Err(not_a_float("parameter_store", "dtype", other)),
        }
    }

    /// The same parameters on another device, where those to come are made too; initial values are
    /// the same bits on all devices. Handles from before keep the old ones.
    ///
    /// # Errors
    /// For a device that has no memory left for them.
    ///
    /// # Examples
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn3d::ParameterStore;
    /// let store = ParameterStore::new(keyed_random::Key::new(1)).on(&Device::Cpu)?;
    /// assert!(store.builder(DType::F32).get(2, "bias")?.device().is_cpu());
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn on(self, device: &Device) -> Result<Self> {
        if self.device.same_device(device) {
            return Ok(self);
        }
        let moved = self
            .tensors()
            .into_iter()
            .map(|(name, tensor)| Ok((name, Var::from_tensor(&tensor.to_device(device)?)?)));
        let variables = Arc::new(Mutex::new(moved.collect::<Result<_>>()?));
        Ok(Self { variables, device: device.clone(), ..self })
    }

    /// What a network asks for its parameters; see above for a dtype that is not the store's.
    #[must_use]
    pub fn builder(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, self.device.clone())
    }

    /// The dtype of the parameters.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the parameters are.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Var> {
        self.lock().get(name).cloned()
    }

    /// The names, ascending.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// All parameters by name; they are handles, not copies.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, Var> {
        self.lock().clone()
    }

    /// All parameters as tensors off the tape. They share memory with the parameters and follow
    /// every later change of them.
    #[must_use]
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// How many numbers there are in all parameters.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.lock().values().map(|var| var.elem_count()).sum()
    }

    /// Sets a parameter to a copy of `value`, cast to the store's dtype; adds it if it is missing.
    ///
    /// # Errors
    /// [`Error::Tensor`] naming the parameter, if it has another shape.
    pub fn set(&self, name: &str, value: &Tensor) -> Result<()> {
        let value = value.to_device(&self.device)?.to_dtype(self.dtype)?.detach();
        let existing = self.get(name);
        if let Some(existing) = existing {
            check_shape(name, existing.shape(), value.shape())?;
            return existing.set(&value);
        }
        let copy = Var::from_tensor(&value)?;
        self.lock().insert(name.to_owned(), copy);
        Ok(())
    }

    /// A parameter as its initialisation makes it.
    fn made(&self, name: &str, shape: Shape, init: Init) -> Result<Var> {
        let key = self.key.with("parameter").with(name);
        let law = match init {
            Init::Const(value) => {
                let value = Tensor::full(value, (), &Device::Cpu)?.to_dtype(self.dtype)?;
                let filled = value.broadcast_as(shape)?.contiguous()?;
                return Var::from_tensor(&filled.to_device(&self.device)?);
            }
            Init::Randn { mean, stdev } => Distribution::Normal { mean, stdev },
            Init::Uniform { lo, up } => Distribution::Uniform { lo, up },
            Init::Kaiming { dist, fan, non_linearity } => {
                let stdev = non_linearity.gain() / (fan.for_shape(&shape).max(1) as f64).sqrt();
                match dist {
                    NormalOrUniform::Normal => Distribution::Normal { mean: 0.0, stdev },
                    NormalOrUniform::Uniform => {
                        let bound = 3.0_f64.sqrt() * stdev;
                        Distribution::Uniform { lo: -bound, up: bound }
                    }
                }
            }
        };
        Var::from_tensor(&law.tensor(&key, shape, self.dtype, &self.device)?)
    }

    /// A thread that panicked while holding the map cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`VarBuilder`] asks.
impl SimpleBackend for ParameterStore {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let var = match Self::get(self, name) {
            Some(var) => var,
            None => {
                // Made without the lock: filling runs on the thread pool, whose threads may come
                // here for another parameter meanwhile. Two makers make the same bits.
                let made = self.made(name, shape.clone(), init)?;
                self.lock().entry(name.to_owned()).or_insert(made).clone()
            }
        };
        check_shape(name, var.shape(), &shape)?;
        var.as_tensor().to_device(device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let Some(var) = Self::get(self, name) else {
            let problem = "there is no such parameter".to_owned();
            return Err(Error::Tensor { name: name.to_owned(), problem }.into());
        };
        var.as_tensor().to_device(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}

fn check_shape(name: &str, stored: &Shape, asked: &Shape) -> std::result::Result<(), Error> {
    if stored == asked {
        return Ok(());
    }
    let problem = format!("the parameter has the shape {stored:?}, asked for is {asked:?}");
    Err(Error::Tensor { name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests;
