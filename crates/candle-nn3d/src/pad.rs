//! Constant padding and cropping.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::channels_last::ChannelsLast;
#[cfg(feature = "cuda")]
use crate::cuda::{gpu::Gpu, layout as on_gpu, tensors::slice};
use crate::error::Error;
use crate::kernels::real::{Element, Real};
use crate::kernels::window::{self, Window};
use crate::resample::check_output_size;
use crate::tape::{Needs, apply1};
use crate::typed_slice::{by_dtype, elements};

#[cfg(test)]
mod tests;

/// Puts `[before, after]` voxels of `value` around each axis.
///
/// # Shapes
/// `[n, x, y, z, c]` to size + before + after voxels along each axis.
///
/// # Errors
/// An output beyond memory, or a dtype other than f32, bf16 and f64.
///
/// # Source
/// `torch.nn.functional.pad(mode="constant")`, axes in the order x, y, z; [`crop`] stands for its
/// negative padding.
///
/// # Examples
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn3d::{ChannelsLast, ops};
/// let x = Tensor::new(&[1.0_f32, 2.0], &Device::Cpu)?.reshape((1, 1, 1, 2, 1))?;
/// let y = ops::pad_constant(&ChannelsLast::new(x)?, [[0, 0], [0, 0], [1, 2]], 7.0)?;
/// assert_eq!(y.tensor().flatten_all()?.to_vec1::<f32>()?, [7.0, 1.0, 2.0, 7.0, 7.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn pad_constant(
    x: &ChannelsLast,
    padding: [[usize; 2]; 3],
    value: f64,
) -> Result<ChannelsLast> {
    const OP: &str = "pad_constant";
    let input = x.space();
    let output = std::array::from_fn(|axis| {
        let [before, after] = padding[axis];
        input[axis].saturating_add(before).saturating_add(after)
    });
    check_output_size(OP, "padding", padding, x, output)?;
    // No overflow: every one is less than the output's size.
    let offset = padding.map(|[before, _]| -(before as isize));
    let window = Window { input, output, offset, channels: x.channels() };
    ChannelsLast::new(apply1(
        x.tensor(),
        CopyWindow { op: OP, window, fill: value },
        Needs::Shapes,
    )?)
}

/// Keeps `size` voxels from `start` on along each axis.
///
/// # Shapes
/// `[n, x, y, z, c]` to `[n, size.., c]`.
///
/// # Errors
/// A window that is empty or reaches beyond the input, or a dtype other than f32, bf16 and f64.
pub fn crop(x: &ChannelsLast, start: [usize; 3], size: [usize; 3]) -> Result<ChannelsLast> {
    const OP: &str = "crop";
    let input = x.space();
    let inside = |axis: usize| {
        let end = start[axis].checked_add(size[axis]);
        size[axis] > 0 && end.is_some_and(|end| end <= input[axis])
    };
    if !(0..3).all(inside) {
        let (found, shape) = (format!("{size:?} from {start:?} on"), x.tensor().dims());
        let expected = format!("a window within x of {shape:?}, no axis empty");
        return Err(Error::Argument { op: OP, argument: "size", found, expected }.into());
    }
    let offset = start.map(|axis| axis as isize);
    let window = Window { input, output: size, offset, channels: x.channels() };
    ChannelsLast::new(apply1(x.tensor(), CopyWindow { op: OP, window, fill: 0.0 }, Needs::Shapes)?)
}

/// Copies a window; its gradient is copied back, with zeros where nothing was read.
struct CopyWindow {
    op: &'static str,
    window: Window,
    fill: f64,
}

impl CopyWindow {
    fn run<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = elements::<T>(self.op, "x", storage, layout)?;
        let (n, [sx, sy, sz], c) = (layout.dims()[0], self.window.output, self.window.channels);
        let mut y = T::unwritten(n * sx * sy * sz * c);
        window::copy(&self.window, x, T::store(T::Real::from_f64(self.fill)), &mut y);
        Ok((T::to_cpu_storage_owned(y), Shape::from((n, sx, sy, sz, c))))
    }
}

impl CustomOp1 for CopyWindow {
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(self.op, "x", storage.dtype(), T => self.run::<T>(storage, layout))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let Window { input, output, offset, channels } = self.window;
        let (n, [sx, sy, sz]) = (layout.dims()[0], output);
        let offset = offset.map(|axis| axis as i64);
        let window = (on_gpu::Window { offset, size: output }, self.fill);
        by_dtype!(self.op, "x", x.dtype(), T => {
            let (gpu, of_x) = (Gpu::of(x), slice::<T>(self.op, (x, layout))?);
            let y = on_gpu::window_filled(&gpu, window, (n, input, channels), of_x)?;
            Ok((gpu.storage(y), Shape::from((n, sx, sy, sz, channels))))
        })
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let back = Self { op: self.op, window: self.window.reversed(), fill: 0.0 };
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(&back)?))
    }
}
