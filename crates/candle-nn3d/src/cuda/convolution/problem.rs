//! A convolution as cuDNN is told of it: sizes, strides in memory, and the same padding at both ends.

use candle_core::Result;

use super::choice::{Key, Order, Pass};
use crate::conv_shape::ConvShape;
use crate::cuda::layout::Window;
use crate::error::Error;

/// A [`ConvShape`] in cuDNN's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    shape: ConvShape,
    /// What cuDNN sees as the input's size.
    input: [usize; 3],
    /// Zeros at both ends of each axis.
    pub(super) padding: [i32; 3],
    /// The part of the padded input that is handed over instead of the input, if not the whole.
    pub(crate) window: Option<Window>,
}

/// Sizes and strides of an array, in cuDNN's order of axes: batch, channels, space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axes {
    pub(super) sizes: [i32; 5],
    pub(super) strides: [i32; 5],
}

impl Problem {
    /// # Errors
    /// [`Error::Gpu`] where an array has more elements than cuDNN counts.
    pub(crate) fn new(shape: &ConvShape) -> Result<Self> {
        let ConvShape { input, output, kernel, stride, dilation, padding, .. } = *shape;
        let reach = |axis: usize| (kernel[axis] - 1) * dilation[axis] + 1;
        let symmetric = (0..3).all(|axis| {
            let padded = padding[axis].saturating_mul(2).saturating_add(input[axis]);
            padded >= reach(axis) && (padded - reach(axis)) / stride[axis] + 1 == output[axis]
        });
        let window = (!symmetric).then(|| Window {
            offset: padding.map(|before| -(before as i64)),
            size: std::array::from_fn(|axis| (output[axis] - 1) * stride[axis] + reach(axis)),
        });
        let problem = Self {
            shape: *shape,
            input: window.map_or(input, |window| window.size),
            padding: if symmetric { padding.map(|before| before as i32) } else { [0; 3] },
            window,
        };
        let settings = [stride, dilation, padding].into_iter().flatten();
        let mut largest = vec![problem.len_in(), problem.len_out(), problem.len_weight()];
        largest.extend(settings);
        match largest.iter().find(|&&len| len > i32::MAX as usize) {
            Some(len) => {
                let found = format!("an array or a setting of {len}, cuDNN counts to {}", i32::MAX);
                Err(Error::gpu("conv3d", found, "use a smaller batch or volume").into())
            }
            None => Ok(problem),
        }
    }

    pub(crate) fn voxels_in(&self) -> usize {
        self.input.iter().product()
    }

    pub(crate) fn len_in(&self) -> usize {
        self.shape.batch * self.voxels_in() * self.shape.c_in
    }

    pub(crate) fn len_out(&self) -> usize {
        self.shape.batch * self.shape.n_out() * self.shape.c_out
    }

    pub(crate) fn len_weight(&self) -> usize {
        self.shape.c_out * self.shape.c_in_per_group() * self.shape.n_taps()
    }

    pub(super) fn axes_in(&self, order: Order) -> Axes {
        Axes::new(order, self.shape.batch, self.shape.c_in, self.input)
    }

    pub(super) fn axes_out(&self, order: Order) -> Axes {
        Axes::new(order, self.shape.batch, self.shape.c_out, self.shape.output)
    }

    /// Sizes of the weight: output channels, input channels of a group, taps.
    pub(super) fn weight(&self) -> [i32; 5] {
        let [x, y, z] = self.shape.kernel;
        [self.shape.c_out, self.shape.c_in_per_group(), x, y, z].map(|n| n as i32)
    }

    pub(super) fn stride(&self) -> [i32; 3] {
        self.shape.stride.map(|n| n as i32)
    }

    pub(super) fn dilation(&self) -> [i32; 3] {
        self.shape.dilation.map(|n| n as i32)
    }

    pub(super) fn groups(&self) -> i32 {
        self.shape.groups as i32
    }

    /// What its algorithm is recorded under.
    pub(super) fn key(&self, pass: Pass, dtype: &str) -> Key {
        let ConvShape { batch, c_in, c_out, groups, output, kernel, stride, dilation, .. } =
            self.shape;
        let (input, padding, dtype) =
            (self.input, self.padding.map(i32::cast_unsigned), dtype.to_owned());
        Key {
            pass,
            dtype,
            batch,
            c_in,
            c_out,
            groups,
            input,
            output,
            kernel,
            stride,
            dilation,
            padding,
        }
    }
}

impl Axes {
    fn new(order: Order, batch: usize, c: usize, [x, y, z]: [usize; 3]) -> Self {
        let strides = match order {
            Order::ChannelsLast => [x * y * z * c, 1, y * z * c, z * c, c],
            Order::ChannelsFirst => [x * y * z * c, x * y * z, y * z, z, 1],
        };
        Self { sizes: [batch, c, x, y, z].map(|n| n as i32), strides: strides.map(|n| n as i32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv_shape::Conv3dConfig;

    fn problem(input: [usize; 5], weight: [usize; 5], config: &Conv3dConfig) -> Problem {
        Problem::new(&ConvShape::new(input, weight, config).unwrap()).unwrap()
    }

    #[test]
    fn padding_that_is_the_same_at_both_ends_is_cudnns() {
        let same = problem([2, 5, 6, 7, 4], [8, 4, 3, 3, 3], &Conv3dConfig::same(3));
        assert_eq!((same.window, same.padding), (None, [1; 3]));
        let last = Axes { sizes: [2, 4, 5, 6, 7], strides: [840, 1, 168, 28, 4] };
        assert_eq!(same.axes_in(Order::ChannelsLast), last);
        let first = Axes { sizes: [2, 8, 5, 6, 7], strides: [1680, 210, 42, 7, 1] };
        assert_eq!(same.axes_out(Order::ChannelsFirst), first);
        assert_eq!(same.weight(), [8, 4, 3, 3, 3]);
    }

    #[test]
    fn one_zero_more_at_an_end_that_no_tap_reads_is_no_window() {
        // Stride 2 over an even axis: MONAI pads (0, 1), and the symmetric padding is another.
        let config = |padding| Conv3dConfig { stride: [2; 3], padding, ..Default::default() };
        let one = config([[1, 1]; 3]);
        assert_eq!(problem([1, 8, 8, 8, 1], [1, 1, 3, 3, 3], &one).window, None);
        let one = config([[1, 0]; 3]);
        let problem = problem([1, 8, 8, 8, 1], [1, 1, 3, 3, 3], &one);
        assert_eq!((problem.window, problem.padding), (None, [1; 3]));
    }

    #[test]
    fn padding_of_one_end_alone_goes_through_a_window_as_large_as_the_taps_reach() {
        let config = Conv3dConfig { stride: [2; 3], padding: [[0, 1]; 3], ..Default::default() };
        let problem = problem([1, 8, 8, 8, 3], [5, 3, 3, 3, 3], &config);
        assert_eq!(problem.window, Some(Window { offset: [0; 3], size: [9; 3] }));
        assert_eq!((problem.padding, problem.len_in()), ([0; 3], 9 * 9 * 9 * 3));
        let back = Window { offset: [0; 3], size: [8; 3] };
        assert_eq!(problem.window.map(|window| window.back([8; 3])), Some(back));
    }

    #[test]
    fn arrays_that_cudnn_cannot_count_are_an_error() {
        let shape =
            ConvShape::new([40, 128, 128, 128, 32], [32, 32, 3, 3, 3], &Conv3dConfig::same(3));
        let error = Problem::new(&shape.unwrap()).unwrap_err().to_string();
        assert!(error.contains("of 2684354560") && error.contains("smaller batch"), "{error}");
    }
}
