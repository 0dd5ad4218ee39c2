//! The layout that kernels work in: batch, x, y, z, channels, with channels fastest.
//!
//! candle and PyTorch put channels before space, `[n, c, x, y, z]`. With channels last the vector
//! lanes of a kernel hold channels of one voxel, so that every width of volume fills them, a
//! neighbouring voxel is one stride away, and attention sees its tokens as rows.
//!
//! A network converts once at its ends and stays in this layout between them.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use crate::cuda::{gpu::Gpu, layout, tensors::slice};
use crate::error::Error;
use crate::kernels::fresh::{self, Plain};
use crate::tape::{Needs, apply1, reshape};
#[cfg(feature = "cuda")]
use crate::typed_slice::by_dtype;

/// Activations as `[n, x, y, z, c]`, contiguous.
#[derive(Clone, Debug)]
pub struct ChannelsLast(Tensor);

impl ChannelsLast {
    /// Takes a tensor that is in this layout already.
    ///
    /// # Shapes
    /// `[n, x, y, z, c]`, no axis empty.
    ///
    /// # Errors
    /// [`Error::Shape`] for another rank or an empty axis.
    pub fn new(tensor: Tensor) -> Result<Self> {
        check_rank_5("channels_last", &tensor, "[n, x, y, z, c]")?;
        Ok(Self(tensor.contiguous()?))
    }

    /// Moves the channels of `[n, c, x, y, z]` to the end.
    ///
    /// # Errors
    /// [`Error::Shape`] for another rank or an empty axis; [`Error::DType`] unless f32, bf16 or f64.
    ///
    /// # Examples
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use candle_nn3d::ChannelsLast;
    /// let x = Tensor::arange(0.0_f32, 12.0, &Device::Cpu)?.reshape((1, 2, 1, 2, 3))?;
    /// let last = ChannelsLast::from_ncxyz(&x)?;
    /// assert_eq!(last.tensor().dims(), [1, 1, 2, 3, 2]);
    /// assert_eq!(last.tensor().flatten_all()?.to_vec1::<f32>()?[..4], [0.0, 6.0, 1.0, 7.0]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn from_ncxyz(x: &Tensor) -> Result<Self> {
        check_rank_5("channels_last", x, "[n, c, x, y, z]")?;
        let (n, c, sx, sy, sz) = x.dims5()?;
        let already = x.permute((0, 2, 3, 4, 1))?;
        if already.is_contiguous() {
            return Ok(Self(already));
        }
        let rows = reshape(&x.contiguous()?, (n, c, sx * sy * sz))?;
        Ok(Self(reshape(&apply1(&rows, TransposeLastTwo, Needs::Shapes)?, (n, sx, sy, sz, c))?))
    }

    /// The usual layout, `[n, c, x, y, z]`, contiguous.
    ///
    /// # Errors
    /// [`Error::DType`] unless f32, bf16 or f64.
    pub fn to_ncxyz(&self) -> Result<Tensor> {
        let (n, sx, sy, sz, c) = self.0.dims5()?;
        if c == 1 {
            return reshape(&self.0, (n, c, sx, sy, sz));
        }
        let rows = reshape(&self.0, (n, sx * sy * sz, c))?;
        reshape(&apply1(&rows, TransposeLastTwo, Needs::Shapes)?, (n, c, sx, sy, sz))
    }

    /// Runs an operation on `[n, c, x, y, z]`: there, and back.
    pub(crate) fn through(
        x: &Tensor,
        operation: impl FnOnce(&Self) -> Result<Self>,
    ) -> Result<Tensor> {
        operation(&Self::from_ncxyz(x)?)?.to_ncxyz()
    }

    /// The tensor, `[n, x, y, z, c]`, contiguous.
    #[must_use]
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }

    /// The tensor, given up.
    #[must_use]
    pub fn into_tensor(self) -> Tensor {
        self.0
    }

    /// How many volumes.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.0.dims()[0]
    }

    /// Voxels along x, y and z.
    #[must_use]
    pub fn space(&self) -> [usize; 3] {
        let d = self.0.dims();
        [d[1], d[2], d[3]]
    }

    /// How many channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.0.dims()[4]
    }
}

fn check_rank_5(op: &'static str, x: &Tensor, expected: &str) -> Result<()> {
    if x.rank() == 5 && x.elem_count() > 0 {
        return Ok(());
    }
    let found = x.dims().to_vec();
    let expected = format!("{expected}, no axis empty");
    Err(Error::Shape { op, argument: "x", found, expected }.into())
}

/// `[n, a, b]` to `[n, b, a]`, contiguous, on all cores; its own gradient.
struct TransposeLastTwo;

/// Rows and columns of a tile that stays in the first-level cache.
const TILE: usize = 32;

impl CustomOp1 for TransposeLastTwo {
    fn name(&self) -> &'static str {
        "transpose-last-two"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, a, b) = layout.shape().dims3()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("transpose-last-two wants a contiguous tensor");
        };
        let transposed = match storage {
            CpuStorage::F32(x) => CpuStorage::F32(transposed(&x[start..end], a, b)),
            CpuStorage::F64(x) => CpuStorage::F64(transposed(&x[start..end], a, b)),
            CpuStorage::BF16(x) => CpuStorage::BF16(transposed(&x[start..end], a, b)),
            other => return Err(unknown_dtype("channels_last", "x", other.dtype())),
        };
        Ok((transposed, Shape::from((n, b, a))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, x_layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (n, a, b) = x_layout.shape().dims3()?;
        by_dtype!("channels_last", "x", x.dtype(), T => {
            let gpu = Gpu::of(x);
            let y = layout::transpose::<_, T>(&gpu, [a, b], slice(self.name(), (x, x_layout))?)?;
            Ok((gpu.storage(y), Shape::from((n, b, a))))
        })
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op1_no_bwd(&Self)?))
    }
}

fn transposed<T: Copy + Plain + Send + Sync>(x: &[T], a: usize, b: usize) -> Vec<T> {
    let mut out = fresh::unwritten(x.len());
    // A block of `TILE` rows of the result reads `TILE` columns of the source, tile by tile.
    let matrices = out.par_chunks_mut(a * b).zip(x.par_chunks(a * b));
    matrices.for_each(|(out, x)| {
        out.par_chunks_mut(TILE * a).enumerate().for_each(|(block, rows)| {
            let first = block * TILE;
            for from in (0..a).step_by(TILE) {
                let to = (from + TILE).min(a);
                for (i, row) in rows.chunks_exact_mut(a).enumerate() {
                    for j in from..to {
                        row[j] = x[j * b + first + i];
                    }
                }
            }
        });
    });
    out
}

/// The error for a dtype that no kernel knows.
pub(crate) fn unknown_dtype(
    op: &'static str,
    argument: &'static str,
    found: DType,
) -> candle_core::Error {
    let (found, expected) = (found.as_str().to_owned(), "f32, bf16 or f64".to_owned());
    Error::DType { op, argument, found, expected }.into()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn ramp(shape: (usize, usize, usize, usize, usize)) -> Tensor {
        let n = shape.0 * shape.1 * shape.2 * shape.3 * shape.4;
        Tensor::arange(0.0_f32, n as f32, &Device::Cpu).unwrap().reshape(shape).unwrap()
    }

    #[test]
    fn there_and_back_is_the_identity_in_every_dtype() {
        for shape in [(2, 3, 4, 5, 6), (1, 1, 7, 3, 2), (1, 65, 1, 1, 33), (3, 2, 1, 1, 1)] {
            for dtype in [DType::F32, DType::F64, DType::BF16] {
                let x = ramp(shape).to_dtype(dtype).unwrap();
                let last = ChannelsLast::from_ncxyz(&x).unwrap();
                let naive = x.permute((0, 2, 3, 4, 1)).unwrap().contiguous().unwrap();
                let as_f64 = |t: &Tensor| {
                    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
                };
                assert_eq!(as_f64(last.tensor()), as_f64(&naive));
                assert_eq!(as_f64(&last.to_ncxyz().unwrap()), as_f64(&x));
            }
        }
    }

    #[test]
    fn gradients_come_back_in_the_usual_layout() {
        let x = Var::from_tensor(&ramp((2, 3, 2, 2, 5))).unwrap();
        let weights = ramp((2, 2, 2, 5, 3));
        let last = ChannelsLast::from_ncxyz(x.as_tensor()).unwrap();
        let loss = (last.tensor() * &weights).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let got = gradients.get(x.as_tensor()).unwrap();
        let want = weights.permute((0, 4, 1, 2, 3)).unwrap();
        let difference = (got - want).unwrap().abs().unwrap().sum_all().unwrap();
        assert_eq!(difference.to_scalar::<f32>().unwrap(), 0.0);
    }

    #[test]
    fn misuse_names_the_shape() {
        let flat = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        let message = ChannelsLast::from_ncxyz(&flat).unwrap_err().to_string();
        assert!(message.contains("[2, 3]") && message.contains("[n, c, x, y, z]"), "{message}");
        let empty = Tensor::zeros((1, 0, 2, 2, 2), DType::F32, &Device::Cpu).unwrap();
        assert!(ChannelsLast::from_ncxyz(&empty).is_err());
        let whole = Tensor::zeros((1, 2, 2, 2, 2), DType::U32, &Device::Cpu).unwrap();
        assert!(ChannelsLast::from_ncxyz(&whole).unwrap_err().to_string().contains("u32"));
    }
}
