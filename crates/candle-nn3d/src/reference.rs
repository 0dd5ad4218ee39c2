//! Small volumes in f64, for the closed forms that tests compare with.

use candle_core::{DType, Device, Tensor};

use crate::channels_last::ChannelsLast;
use crate::gradient_check::distinct;

/// A volume `[n, x, y, z, c]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) shape: [usize; 5],
    pub(crate) values: Vec<f64>,
}

impl Volume {
    /// The values of a function of the index.
    pub(crate) fn from_fn(shape: [usize; 5], value: impl Fn([usize; 5]) -> f64) -> Self {
        let mut values = Vec::new();
        for n in 0..shape[0] {
            for x in 0..shape[1] {
                for y in 0..shape[2] {
                    for z in 0..shape[3] {
                        values.extend((0..shape[4]).map(|c| value([n, x, y, z, c])));
                    }
                }
            }
        }
        Self { shape, values }
    }

    /// Numbers in (-1, 1) that bf16 holds exactly, no two neighbours alike.
    pub(crate) fn sample(shape: [usize; 5]) -> Self {
        let exact = |t: Tensor| t.to_dtype(DType::BF16).unwrap().to_dtype(DType::F64).unwrap();
        Self::from(&exact(distinct(&shape, 0.25).unwrap()))
    }

    pub(crate) fn at(&self, [n, x, y, z, c]: [usize; 5]) -> f64 {
        let [_, sx, sy, sz, sc] = self.shape;
        self.values[(((n * sx + x) * sy + y) * sz + z) * sc + c]
    }

    pub(crate) fn channels_last(&self, dtype: DType) -> ChannelsLast {
        let tensor = Tensor::from_vec(self.values.clone(), &self.shape, &Device::Cpu).unwrap();
        ChannelsLast::new(tensor.to_dtype(dtype).unwrap()).unwrap()
    }

    /// Fails unless `got` has this shape and these values within `tolerance`.
    pub(crate) fn assert_close(&self, got: &ChannelsLast, tolerance: f64) {
        let got = Self::from(got.tensor());
        assert_eq!(got.shape, self.shape);
        for (i, (got, want)) in got.values.iter().zip(&self.values).enumerate() {
            let close = (got - want).abs() <= tolerance || (got.is_nan() && want.is_nan());
            assert!(close, "element {i} of {:?}: {got}, expected {want}", self.shape);
        }
    }
}

impl From<&Tensor> for Volume {
    fn from(tensor: &Tensor) -> Self {
        let (n, x, y, z, c) = tensor.dims5().unwrap();
        let values = tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
        Self { shape: [n, x, y, z, c], values: values.to_vec1().unwrap() }
    }
}

/// Rounding allowed for sums of a few numbers in (-1, 1).
pub(crate) const TOLERANCES: [(DType, f64); 3] =
    [(DType::F64, 1e-14), (DType::F32, 5e-7), (DType::BF16, 4e-3)];

/// Shapes with axes of one voxel, sizes that fit no vector, and several items.
pub(crate) const SHAPES: [[usize; 5]; 5] =
    [[1, 1, 1, 1, 1], [2, 3, 4, 5, 3], [1, 5, 1, 7, 17], [3, 2, 6, 1, 33], [1, 7, 3, 4, 1]];
