//! Channels of several activations, side by side.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{concat as on_gpu, gpu::Gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::channel_slice;
use crate::kernels::real::Element;
use crate::tape::{Needs, apply2};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

const OP: &str = "concat_channels";

/// Puts the channels of all inputs behind one another, voxel by voxel.
///
/// Two inputs cost one copy; each further one copies what was joined before it again.
///
/// # Shapes
/// `[n, x, y, z, cᵢ]` each, to `[n, x, y, z, Σ cᵢ]`.
///
/// # Errors
/// No input, inputs that differ in more than their channels, or a dtype other than f32, bf16 and
/// f64.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 2.0], &Device::Cpu)?;
/// let x = ChannelsLast::new(x.reshape((1, 1, 1, 2, 1))?)?;
/// let y = ops::concat_channels(&[&x, &x])?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn concat_channels(inputs: &[&ChannelsLast]) -> Result<ChannelsLast> {
    let Some((&first, rest)) = inputs.split_first() else {
        let (found, expected) = ("empty".into(), "at least one tensor".into());
        return Err(Error::Argument { op: OP, argument: "inputs", found, expected }.into());
    };
    rest.iter().try_fold(first.clone(), |joined, next| concat_two(&joined, next))
}

fn concat_two(a: &ChannelsLast, b: &ChannelsLast) -> Result<ChannelsLast> {
    let (a, b) = (a.tensor(), b.tensor());
    if a.dims()[..4] != b.dims()[..4] {
        let (found, first) = (b.dims().to_vec(), a.dims());
        let expected = format!("that of the one before it, {first:?}, in all but channels");
        return Err(Error::Shape { op: OP, argument: "inputs", found, expected }.into());
    }
    if a.dtype() != b.dtype() {
        let (found, expected) = (b.dtype().as_str().into(), a.dtype().as_str().into());
        return Err(Error::DType { op: OP, argument: "inputs", found, expected }.into());
    }
    ChannelsLast::new(apply2(a, b, Concat, Needs::Shapes)?)
}

struct Concat;

impl Concat {
    fn run<T: Element>(
        (a, a_layout): (&CpuStorage, &Layout),
        (b, b_layout): (&CpuStorage, &Layout),
    ) -> Result<(CpuStorage, Shape)> {
        let (n, sx, sy, sz, c_a) = a_layout.shape().dims5()?;
        let c_b = b_layout.dims()[4];
        let a = elements::<T>(OP, "inputs", a, a_layout)?;
        let b = elements::<T>(OP, "inputs", b, b_layout)?;
        let mut y = T::unwritten(a.len() + b.len());
        channel_slice::interleave(a, b, [c_a, c_b], &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, sx, sy, sz, c_a + c_b))))
    }
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = ((a, a_layout), (b, b_layout));
        by_dtype!(OP, "inputs", a.0.dtype(), T => Self::run::<T>(a, b))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (n, sx, sy, sz, c_a) = a_layout.shape().dims5()?;
        let c_b = b_layout.dims()[4];
        by_dtype!(OP, "inputs", a.dtype(), T => {
            let gpu = Gpu::of(a);
            let (a, b) = (slice::<T>(OP, (a, a_layout))?, slice(OP, (b, b_layout))?);
            let y = on_gpu::interleave(&gpu, [c_a, c_b], a, b)?;
            Ok((gpu.storage(y), Shape::from((n, sx, sy, sz, c_a + c_b))))
        })
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (c_a, c_b) = (a.dims()[4], b.dims()[4]);
        let part = |first, taken| gradient.apply_op1_no_bwd(&Take { first, taken });
        Ok((
            a.track_op().then(|| part(0, c_a)).transpose()?,
            b.track_op().then(|| part(c_a, c_b)).transpose()?,
        ))
    }
}

/// Some of the channels.
struct Take {
    first: usize,
    taken: usize,
}

impl Take {
    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, sx, sy, sz, c) = layout.shape().dims5()?;
        let x = elements::<T>(OP, "gradient", storage, layout)?;
        let mut y = T::unwritten(x.len() / c * self.taken);
        channel_slice::take(x, c, self.first, self.taken, &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, sx, sy, sz, self.taken))))
    }
}

impl CustomOp1 for Take {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(OP, "gradient", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, sx, sy, sz, c) = layout.shape().dims5()?;
        by_dtype!(OP, "gradient", x.dtype(), T => {
            let (gpu, x) = (Gpu::of(x), slice::<T>(OP, (x, layout))?);
            let y = on_gpu::take(&gpu, c, [self.first, self.taken], x)?;
            Ok((gpu.storage(y), Shape::from((n, sx, sy, sz, self.taken))))
        })
    }
}
