//! Tensors of keyed random numbers: the same bits for any number of threads.

use candle_core::{DType, Device, Result, Shape, Tensor};
use half::bf16;
use keyed_random::Key;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::channels_last::unknown_dtype;
use crate::error::Error;

/// Elements that one thread draws at a time; a key gives the same bits however it is cut.
const SHARD: usize = 1 << 14;

/// The law that the elements of a random tensor follow.
///
/// Element `i` of a tensor (in C order) comes from element `i` of its key's normal or uniform
/// numbers: drawn in `f32` (in `f64` for `f64` tensors), scaled in `f64` and rounded once; `bf16` is
/// the `f32`, rounded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// The normal law.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        stdev: f64,
    },
    /// The uniform law between two numbers; rounding may reach the upper one.
    Uniform {
        /// The lower bound.
        lo: f64,
        /// The upper bound.
        up: f64,
    },
}

impl Distribution {
    /// Mean 0, standard deviation 1.
    pub const STANDARD_NORMAL: Self = Self::Normal { mean: 0.0, stdev: 1.0 };
    /// Between 0 and 1.
    pub const UNIT_UNIFORM: Self = Self::Uniform { lo: 0.0, up: 1.0 };

    /// A tensor whose elements are those of `key`.
    ///
    /// # Errors
    /// [`Error::Argument`] for parameters that are not finite, a negative deviation or reversed
    /// bounds; [`Error::Shape`] for a shape that does not fit memory; [`Error::DType`] unless f32,
    /// bf16 or f64.
    ///
    /// # Examples
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn3d::Distribution;
    /// let key = keyed_random::Key::new(7).with("noise");
    /// let noise = Distribution::STANDARD_NORMAL.tensor(&key, (1, 1, 8, 8, 8), DType::F32, &Device::Cpu)?;
    /// let mut same = vec![0.0_f32; 512];
    /// key.fill_normal(&mut same);
    /// assert_eq!(noise.flatten_all()?.to_vec1::<f32>()?, same);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn tensor(
        self,
        key: &Key,
        shape: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        self.draw(std::slice::from_ref(key), shape.into(), dtype, device)
    }

    /// A batch whose items are drawn from a key each, so that an item is the same in any batch.
    ///
    /// # Shapes
    /// `[keys.len(), ..item]`.
    ///
    /// # Errors
    /// As for [`tensor`](Self::tensor).
    pub fn batch(
        self,
        keys: &[Key],
        item: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let item: Shape = item.into();
        let dims: Vec<usize> = std::iter::once(keys.len()).chain(item.dims().to_vec()).collect();
        self.draw(keys, dims.into(), dtype, device)
    }

    fn draw(self, keys: &[Key], shape: Shape, dtype: DType, device: &Device) -> Result<Tensor> {
        self.check()?;
        let count = element_count(&shape)?;
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = device {
            return self.on_gpu(keys, shape, dtype, device);
        }
        match dtype {
            DType::F32 => Tensor::from_vec(self.elements::<f32>(keys, count), shape, device),
            DType::F64 => Tensor::from_vec(self.elements::<f64>(keys, count), shape, device),
            DType::BF16 => Tensor::from_vec(self.elements::<bf16>(keys, count), shape, device),
            other => Err(unknown_dtype("random_tensor", "dtype", other)),
        }
    }

    #[cfg(feature = "cuda")]
    fn on_gpu(
        self,
        keys: &[Key],
        shape: Shape,
        dtype: DType,
        device: &candle_core::CudaDevice,
    ) -> Result<Tensor> {
        use candle_core::{Storage, op::BackpropOp};

        let per_key = shape.elem_count() / keys.len().max(1);
        let gpu = crate::cuda::gpu::Gpu::new(device);
        let storage = crate::typed_slice::by_dtype!("random_tensor", "dtype", dtype, T => {
            let drawn = crate::cuda::random::draw::<_, T>(&gpu, self, keys, per_key)?;
            Ok(gpu.storage(drawn))
        })?;
        Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
    }

    /// `count` elements, as many of each key.
    fn elements<T: Sample>(self, keys: &[Key], count: usize) -> Vec<T> {
        let mut out = vec![T::default(); count];
        if count == 0 {
            return out;
        }
        out.par_chunks_mut(count / keys.len()).zip(keys).for_each(|(item, key)| {
            item.par_chunks_mut(SHARD).enumerate().for_each(|(shard, out)| {
                T::sample(self, key, (shard * SHARD) as u64, out);
            });
        });
        out
    }

    fn check(self) -> std::result::Result<(), Error> {
        let (fits, expected) = match self {
            Self::Normal { mean, stdev } => (
                mean.is_finite() && stdev.is_finite() && stdev >= 0.0,
                "a finite mean and a finite deviation of at least 0",
            ),
            Self::Uniform { lo, up } => {
                (lo.is_finite() && up.is_finite() && lo <= up, "finite bounds, the lower one first")
            }
        };
        if fits {
            return Ok(());
        }
        Err(Error::Argument {
            op: "random_tensor",
            argument: "distribution",
            found: format!("{self:?}"),
            expected: expected.into(),
        })
    }

    /// A number of the unit law, brought to this one.
    #[inline(always)]
    fn scaled(self, unit: f64) -> f64 {
        match self {
            Self::Normal { mean, stdev } => mean + stdev * unit,
            Self::Uniform { lo, up } => lo + (up - lo) * unit,
        }
    }
}

/// The number of elements of a shape, or why there can be no such tensor.
fn element_count(shape: &Shape) -> std::result::Result<usize, Error> {
    let count = shape.dims().iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    count.filter(|&n| n <= isize::MAX as usize / 8).ok_or_else(|| Error::Shape {
        op: "random_tensor",
        argument: "shape",
        found: shape.dims().to_vec(),
        expected: "a tensor that fits memory".into(),
    })
}

/// What can be drawn.
trait Sample: Copy + Default + Send + Sync {
    /// Elements `start`, `start + 1`, … of the key.
    fn sample(law: Distribution, key: &Key, start: u64, out: &mut [Self]);
}

impl Sample for f32 {
    fn sample(law: Distribution, key: &Key, start: u64, out: &mut [Self]) {
        match law {
            Distribution::Normal { .. } => key.fill_normal_at(start, out),
            Distribution::Uniform { .. } => key.fill_uniform_at(start, out),
        }
        if law != Distribution::STANDARD_NORMAL && law != Distribution::UNIT_UNIFORM {
            out.iter_mut().for_each(|value| *value = law.scaled(f64::from(*value)) as Self);
        }
    }
}

impl Sample for f64 {
    fn sample(law: Distribution, key: &Key, start: u64, out: &mut [Self]) {
        match law {
            Distribution::Normal { .. } => key.fill_normal_at(start, out),
            Distribution::Uniform { .. } => key.fill_uniform_at(start, out),
        }
        if law != Distribution::STANDARD_NORMAL && law != Distribution::UNIT_UNIFORM {
            out.iter_mut().for_each(|value| *value = law.scaled(*value));
        }
    }
}

impl Sample for bf16 {
    fn sample(law: Distribution, key: &Key, start: u64, out: &mut [Self]) {
        let mut wide = vec![0.0_f32; out.len()];
        f32::sample(law, key, start, &mut wide);
        out.iter_mut().zip(wide).for_each(|(out, wide)| *out = Self::from_f32(wide));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Device = Device::Cpu;

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn threads_and_batches_change_no_bit() {
        let law = Distribution::Normal { mean: 1.0, stdev: 3.0 };
        let keys: Vec<_> = (0..3).map(|item| Key::new(1).with_index(item)).collect();
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let drawn = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| law.batch(&keys, (5, SHARD), dtype, &CPU).unwrap())
            };
            let batch = drawn(1);
            assert_eq!(batch.dims(), [3, 5, SHARD]);
            assert_eq!(values(&batch), values(&drawn(2)));
            assert_eq!(values(&batch), values(&drawn(3)));
            let alone = law.tensor(&keys[2], (5, SHARD), dtype, &CPU).unwrap();
            assert_eq!(values(&batch.get(2).unwrap()), values(&alone));
        }
    }

    #[test]
    fn moments_and_bounds_are_those_of_the_law() {
        let key = Key::new(2).with("law");
        let n = 200_000;
        let moments = |law: Distribution, dtype| {
            let all = values(&law.tensor(&key, n, dtype, &CPU).unwrap());
            let mean = all.iter().sum::<f64>() / n as f64;
            let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let within = |lo: f64, up: f64| all.iter().all(|x| (lo..=up).contains(x));
            (mean, variance, within(-2.0, 4.0))
        };
        for dtype in [DType::F32, DType::F64] {
            // Five standard errors: 2/√n for the mean, 4·√(2/n) for the variance.
            let (mean, variance, _) =
                moments(Distribution::Normal { mean: 1.0, stdev: 2.0 }, dtype);
            assert!((mean - 1.0).abs() < 0.023 && (variance - 4.0).abs() < 0.064);
            // Variance of the uniform law: width² / 12 = 3.
            let (mean, variance, within) =
                moments(Distribution::Uniform { lo: -2.0, up: 4.0 }, dtype);
            assert!((mean - 1.0).abs() < 0.02 && (variance - 3.0).abs() < 0.031 && within);
        }
    }

    #[test]
    fn misuse_is_an_error() {
        let key = Key::new(3);
        let refused = |law: Distribution| law.tensor(&key, 4, DType::F32, &CPU).unwrap_err();
        for law in [
            Distribution::Normal { mean: f64::NAN, stdev: 1.0 },
            Distribution::Normal { mean: 0.0, stdev: -1.0 },
            Distribution::Uniform { lo: 1.0, up: 0.0 },
        ] {
            assert!(refused(law).to_string().contains("distribution"));
        }
        let law = Distribution::UNIT_UNIFORM;
        assert!(law.tensor(&key, (usize::MAX, 3), DType::F32, &CPU).is_err());
        assert!(law.tensor(&key, 4, DType::U8, &CPU).unwrap_err().to_string().contains("u8"));
        assert_eq!(law.batch(&[], (2, 2), DType::F32, &CPU).unwrap().dims(), [0, 2, 2]);
        assert_eq!(law.tensor(&key, (2, 0), DType::F32, &CPU).unwrap().dims(), [2, 0]);
    }
}
