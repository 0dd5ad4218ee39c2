//! The noise of a run, addressed by step and item.

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn3d::Distribution;
use keyed_random::Key;

use crate::error::{Error, Result};
use crate::fused::Draw;
use crate::level::Level;

/// Where the noise of a run comes from.
#[derive(Clone, Debug)]
pub enum Noise {
    /// Keyed, one key per batch item.
    ///
    /// Step `k` draws the normal numbers of `key / "step" / k`, the first sample those of
    /// `key / "start"`. An item draws the same alone or in a batch, a resumed run what the
    /// uninterrupted one would.
    Keyed(Vec<Key>),
    /// Recorded elsewhere: a tensor of the sample's shape per step.
    Recorded(Vec<Tensor>),
}

impl Noise {
    /// For samplers that draw none.
    pub const NONE: Self = Self::Recorded(Vec::new());

    /// A key for each of `items` items: `key / item`.
    #[must_use]
    pub fn keyed(key: &Key, items: usize) -> Self {
        Self::Keyed((0..items as u64).map(|item| key.with_index(item)).collect())
    }

    /// The sample that a run starts from: `level.noise · z`, no signal.
    ///
    /// # Shapes
    /// `[b, …item]`, `b` being the number of keys.
    ///
    /// # Errors
    /// [`Error::Setting`] for recorded noise; a dtype that is none of f32, bf16 and f64.
    ///
    /// # Examples
    /// ```
    /// use candle_core::DType;
    /// use keyed_random::Key;
    /// use mrisynth_schedulers::{Level, Noise};
    /// let noise = Noise::keyed(&Key::new(3), 2);
    /// let x = noise.start((1, 4, 4, 4), DType::F32, Level::PURE_NOISE)?;
    /// assert_eq!(x.dims(), [2, 1, 4, 4, 4]);
    /// # Ok::<(), mrisynth_schedulers::Error>(())
    /// ```
    pub fn start(&self, item: impl Into<Shape>, dtype: DType, level: Level) -> Result<Tensor> {
        self.start_on(&Device::Cpu, item, dtype, level)
    }

    /// The same on a device: the same bits.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_on(
        &self,
        device: &Device,
        item: impl Into<Shape>,
        dtype: DType,
        level: Level,
    ) -> Result<Tensor> {
        level.check()?;
        let Self::Keyed(keys) = self else {
            return Err(Error::setting("noise", "recorded", "keys to draw a first sample from"));
        };
        let keys: Vec<Key> = keys.iter().map(|key| key.with("start")).collect();
        let law = Distribution::Normal { mean: 0.0, stdev: level.noise };
        Ok(law.batch(&keys, item, dtype, device)?)
    }

    /// The noise of a step.
    pub(crate) fn of_step(&self, step: usize) -> Result<Draw<'_>> {
        match self {
            Self::Keyed(keys) => {
                let of_step = |key: &Key| key.with("step").with_index(step as u64);
                Ok(Draw::Keys(keys.iter().map(of_step).collect()))
            }
            Self::Recorded(tensors) => tensors.get(step).map(Draw::Tensor).ok_or_else(|| {
                let expected = format!("noise for step {step} too");
                Error::setting("noise", format!("{} steps recorded", tensors.len()), expected)
            }),
        }
    }
}
