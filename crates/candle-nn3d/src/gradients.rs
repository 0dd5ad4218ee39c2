//! The gradients of named parameters: their norm, clipping, and sums over micro-batches.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use crate::cuda::{in_place as on_gpu, parameters as kernels};
use crate::error::Error;
use crate::in_place::{CHUNK, Float, change, change_with, read, with_float};
use crate::parameters::ParameterStore;

/// One gradient per parameter that has one, in the order of the names.
#[derive(Debug, Default)]
pub struct Gradients(BTreeMap<String, Tensor>);

/// The Euclidean norm of all gradients together.
#[derive(Clone, Debug, PartialEq)]
pub enum GradientNorm {
    /// A number.
    Finite(f64),
    /// Some gradient holds a NaN or an infinity (or numbers whose squares exceed f64).
    NotFinite {
        /// The parameters whose gradients do, ascending.
        parameters: Vec<String>,
    },
}

impl GradientNorm {
    /// The norm, if it is a number.
    #[must_use]
    pub fn finite(&self) -> Option<f64> {
        if let Self::Finite(norm) = self { Some(*norm) } else { None }
    }
}

impl Gradients {
    /// Takes the gradients of the parameters out of what a backward pass has left.
    ///
    /// A parameter that the loss does not depend on has no gradient.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a gradient whose shape or dtype is not its parameter's.
    pub fn of(parameters: &ParameterStore, mut store: GradStore) -> Result<Self> {
        let mut gradients = BTreeMap::new();
        for (name, var) in parameters.variables() {
            let Some(gradient) = store.remove(&var) else { continue };
            if gradient.shape() != var.shape() || gradient.dtype() != var.dtype() {
                let found = format!("{:?} of {}", gradient.shape(), gradient.dtype().as_str());
                let expected = format!("{:?} of {}", var.shape(), var.dtype().as_str());
                let problem = format!("the gradient is {found}, the parameter {expected}");
                return Err(Error::Tensor { name, problem }.into());
            }
            let gradient = gradient.contiguous()?.detach();
            #[cfg(feature = "cuda")]
            let gradient = on_gpu::owned(gradient)?;
            gradients.insert(name, gradient);
        }
        Ok(Self(gradients))
    }

    /// The gradient of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Names and gradients, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, gradient)| (name.as_str(), gradient))
    }

    /// Adds the gradients of another micro-batch; a parameter may be missing on either side.
    ///
    /// # Errors
    /// What candle reports for gradients of different shapes.
    pub fn add(&mut self, other: Self) -> Result<()> {
        for (name, gradient) in other.0 {
            match self.0.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(gradient);
                }
                Entry::Occupied(sum) => {
                    let sum = sum.get();
                    if sum.shape() != gradient.shape() {
                        candle_core::bail!("gradients of {:?} and {:?}", sum, gradient);
                    }
                    #[cfg(feature = "cuda")]
                    if sum.device().is_cuda() {
                        with_float!(sum.dtype(), "gradients", "gradient", T => {
                            on_gpu::change_with::<T>("gradients", sum, &gradient, |gpu, a, b| {
                                kernels::accumulate(gpu, a, b)
                            })
                        })?;
                        continue;
                    }
                    with_float!(sum.dtype(), "gradients", "gradient", T => {
                        change_with::<T>(sum, &gradient, |sum, more| {
                            let chunks = sum.par_chunks_mut(CHUNK).zip(more.par_chunks(CHUNK));
                            chunks.for_each(|(sum, more)| {
                                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                            });
                            Ok(())
                        })
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Multiplies every gradient, as by one over the number of micro-batches.
    ///
    /// # Errors
    /// None for gradients from [`of`](Self::of).
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        for gradient in self.0.values() {
            #[cfg(feature = "cuda")]
            if gradient.device().is_cuda() {
                let n = gradient.elem_count();
                with_float!(gradient.dtype(), "gradients", "gradient", T => {
                    on_gpu::change::<T>("gradients", gradient, |gpu, x| {
                        kernels::multiply(gpu, n, factor, x)
                    })
                })?;
                continue;
            }
            with_float!(gradient.dtype(), "gradients", "gradient", T => {
                change::<T>(gradient, |elements| {
                    let factor = factor as T;
                    elements.par_chunks_mut(CHUNK).for_each(|chunk| {
                        chunk.iter_mut().for_each(|element| *element *= factor);
                    });
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// √Σ g², summed in f64 over chunks of a fixed size and then in order: the same bits for any
    /// number of threads, and on a GPU, which is waited for once.
    ///
    /// # Errors
    /// None for gradients from [`of`](Self::of).
    pub fn norm(&self) -> Result<GradientNorm> {
        let mut total = 0.0;
        let mut parameters = Vec::new();
        for (name, squares) in self.0.keys().zip(self.squares()?) {
            if !squares.is_finite() {
                parameters.push(name.clone());
            }
            total += squares;
        }
        let norm = f64::sqrt(total);
        Ok(if norm.is_finite() {
            GradientNorm::Finite(norm)
        } else {
            GradientNorm::NotFinite { parameters }
        })
    }

    /// The sum of squares of each gradient.
    fn squares(&self) -> Result<Vec<f64>> {
        #[cfg(feature = "cuda")]
        if self.0.values().next().is_some_and(|gradient| gradient.device().is_cuda()) {
            return self.squares_on_gpu();
        }
        let of = |gradient: &Tensor| {
            with_float!(gradient.dtype(), "gradients", "gradient", T => {
                read::<T, f64>(gradient, sum_of_squares)
            })
        };
        self.0.values().map(of).collect()
    }

    #[cfg(feature = "cuda")]
    fn squares_on_gpu(&self) -> Result<Vec<f64>> {
        use candle_core::op::BackpropOp;

        let Some(first) = self.0.values().next() else { return Ok(Vec::new()) };
        let gpu = crate::cuda::gpu::Gpu::new(first.device().as_cuda_device()?);
        let mut squares = kernels::Squares::new(&gpu, self.0.values().map(Tensor::elem_count))?;
        for (place, gradient) in self.0.values().enumerate() {
            with_float!(gradient.dtype(), "gradients", "gradient", T => {
                on_gpu::read::<T, ()>("gradients", gradient, |gpu, x| squares.add(gpu, place, x))
            })?;
        }
        let totals = candle_core::Storage::Cuda(gpu.storage(squares.totals(&gpu)?));
        Tensor::from_storage(totals, self.0.len(), BackpropOp::none(), false).to_vec1()
    }

    /// Scales the gradients so that their norm is at most `limit`, and returns the norm they had.
    ///
    /// Gradients whose norm is not finite stay as they are: the caller decides whether to skip the
    /// step or to stop.
    ///
    /// # Errors
    /// [`Error::Argument`] unless the limit is positive (it may be infinite, to measure only).
    ///
    /// # Source
    /// `torch.nn.utils.clip_grad_norm_`: the factor is min(1, limit / (norm + 10⁻⁶)).
    pub fn clip_norm(&mut self, limit: f64) -> Result<GradientNorm> {
        if limit.is_nan() || limit <= 0.0 {
            let (found, expected) = (limit.to_string(), "a positive number".to_owned());
            let argument = "limit";
            return Err(Error::Argument { op: "clip_norm", argument, found, expected }.into());
        }
        let norm = self.norm()?;
        if let GradientNorm::Finite(norm) = norm {
            let factor = limit / (norm + 1e-6);
            if factor < 1.0 {
                self.scale(factor)?;
            }
        }
        Ok(norm)
    }
}

/// Sums the chunks in their order.
fn sum_of_squares<T: Float>(elements: &[T]) -> f64 {
    let sums: Vec<f64> = elements.par_chunks(CHUNK).map(chunk_sum_of_squares).collect();
    sums.iter().sum()
}

/// Sums interleaved lanes, which the compiler puts in vectors: enough of them to hide how long an
/// addition takes.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn chunk_sum_of_squares<T: Float>(chunk: &[T]) -> f64 {
    const LANES: usize = 32;
    let (rows, rest) = chunk.as_chunks::<LANES>();
    let mut lanes = [0.0_f64; LANES];
    for row in rows {
        for lane in 0..LANES {
            let value = row[lane].to_f64();
            lanes[lane] += value * value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value.to_f64() * value.to_f64();
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests;
