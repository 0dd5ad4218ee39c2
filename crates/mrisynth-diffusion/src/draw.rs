//! All that is random about a training item, keyed by its index.

use candle_core::{DType, Tensor};
use candle_nn3d::Distribution;
use keyed_random::Key;
use mrisynth_schedulers::TrainingTimes;

use crate::batch::Batch;
use crate::error::Result;

/// The keys of the items of a batch, each a function of the seed and the item's index alone.
#[derive(Debug)]
pub(crate) struct Draw {
    run: Key,
    indices: Vec<u64>,
}

impl Draw {
    /// Of a training batch.
    pub(crate) fn training(seed: u64, batch: &Batch) -> Self {
        Self { run: Key::new(seed).with("training"), indices: batch.indices.clone() }
    }

    /// Of a validation batch.
    pub(crate) fn validation(seed: u64, batch: &Batch) -> Self {
        Self { run: Key::new(seed).with("validation"), indices: batch.indices.clone() }
    }

    fn keys(&self, purpose: &str) -> Vec<Key> {
        let key = |&index: &u64| self.run.with_index(index).with(purpose);
        self.indices.iter().map(key).collect()
    }

    /// ε, like the images and where they are.
    pub(crate) fn noise(&self, images: &Tensor) -> Result<Tensor> {
        let item = &images.dims()[1..];
        let keys = self.keys("noise");
        Ok(Distribution::STANDARD_NORMAL.batch(&keys, item, DType::F32, images.device())?)
    }

    /// A time per item.
    ///
    /// Times that are spread over a step's items depend on each other: the item of index `i` takes
    /// place `i mod n` among the `n` of its step.
    pub(crate) fn times(&self, law: TrainingTimes, n: u64) -> Result<Vec<f64>> {
        if law == TrainingTimes::LowDiscrepancy {
            let time = |&index: &u64| {
                let key = self.run.with("times").with_index(index / n);
                Ok(law.draw(&key, n as usize)?[(index % n) as usize])
            };
            return self.indices.iter().map(time).collect();
        }
        // The sigmoid of a logit above 37 rounds to 1, which is no training time.
        let time = |key: &Key| Ok(law.draw(key, 1)?[0].min(1.0 - f64::EPSILON));
        self.keys("time").iter().map(time).collect()
    }

    /// Which items lose their condition.
    pub(crate) fn dropped(&self, probability: f64) -> Vec<bool> {
        let mut uniform = [0.0_f64];
        let mut dropped = |key: &Key| {
            key.fill_uniform(&mut uniform);
            uniform[0] < probability
        };
        self.keys("condition").iter().map(&mut dropped).collect()
    }

    /// The keys of the network's own dropout.
    pub(crate) fn dropout(&self) -> Vec<Key> {
        self.keys("dropout")
    }
}
