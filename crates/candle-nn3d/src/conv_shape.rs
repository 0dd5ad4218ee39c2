//! The sizes of a convolution, checked once, and the settings they follow from.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Stride, dilation, padding and groups of a convolution; the default is 1, 1, 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conv3dConfig {
    /// Steps of the output, in input voxels.
    pub stride: [usize; 3],
    /// Steps between the taps of the kernel, in input voxels.
    pub dilation: [usize; 3],
    /// Zeros before and after each axis.
    pub padding: [[usize; 2]; 3],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv3dConfig {
    fn default() -> Self {
        Self { stride: [1; 3], dilation: [1; 3], padding: [[0; 2]; 3], groups: 1 }
    }
}

impl Conv3dConfig {
    /// Stride 1 with the padding that keeps the shape under an odd kernel of this width.
    #[must_use]
    pub fn same(kernel: usize) -> Self {
        Self { padding: [[kernel / 2; 2]; 3], ..Self::default() }
    }
}

/// All sizes of one convolution of a batch; consistent by construction.
///
/// Arrays are channels-last: input `[batch, x, y, z, c_in]`, output `[batch, x, y, z, c_out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConvShape {
    pub(crate) batch: usize,
    pub(crate) c_in: usize,
    pub(crate) c_out: usize,
    pub(crate) groups: usize,
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 3],
    pub(crate) stride: [usize; 3],
    pub(crate) dilation: [usize; 3],
    /// Zeros before each axis; those after it follow from the output's size.
    pub(crate) padding: [usize; 3],
}

impl ConvShape {
    /// The sizes for an input `[batch, x, y, z, c_in]` and a weight
    /// `[c_out, c_in / groups, kx, ky, kz]`.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] when they do not fit together.
    pub(crate) fn new(
        input: [usize; 5],
        weight: [usize; 5],
        config: &Conv3dConfig,
    ) -> Result<Self> {
        const OP: &str = "conv3d";
        let [batch, sx, sy, sz, c_in] = input;
        let [c_out, c_per_group, kx, ky, kz] = weight;
        let (space, kernel) = ([sx, sy, sz], [kx, ky, kz]);
        let Conv3dConfig { stride, dilation, padding, groups } = *config;
        let refused = |argument, found: String, expected: String| {
            Err(Error::Argument { op: OP, argument, found, expected })
        };
        if input.contains(&0) {
            return Err(Error::Shape {
                op: OP,
                argument: "x",
                found: input.to_vec(),
                expected: "no axis empty".into(),
            });
        }
        if groups == 0 || c_in % groups != 0 || c_out % groups != 0 {
            let expected = format!("a divisor of {c_in} input and {c_out} output channels");
            return refused("groups", groups.to_string(), expected);
        }
        if weight.contains(&0) || c_per_group != c_in / groups {
            return Err(Error::Shape {
                op: OP,
                argument: "weight",
                found: weight.to_vec(),
                expected: format!(
                    "[c_out, {}, kx, ky, kz] for x of the shape {input:?} in {groups} groups",
                    c_in / groups
                ),
            });
        }
        let mut output = [0; 3];
        for axis in 0..3 {
            if stride[axis] == 0 || dilation[axis] == 0 {
                let found = format!("{stride:?} and {dilation:?}");
                return refused("stride and dilation", found, "at least 1 along each axis".into());
            }
            let [before, after] = padding[axis];
            let padded = space[axis].checked_add(before).and_then(|n| n.checked_add(after));
            let reach =
                (kernel[axis] - 1).checked_mul(dilation[axis]).and_then(|n| n.checked_add(1));
            match (padded, reach) {
                (Some(padded), Some(reach)) if reach <= padded => {
                    output[axis] = (padded - reach) / stride[axis] + 1;
                }
                _ => {
                    return Err(Error::Shape {
                        op: OP,
                        argument: "weight",
                        found: weight.to_vec(),
                        expected: format!(
                            "a kernel within the padded input: x of the shape {input:?}, padding \
                             {padding:?}, dilation {dilation:?}"
                        ),
                    });
                }
            }
        }
        let sizes = output.iter().try_fold(batch, |n, &axis| n.checked_mul(axis));
        if sizes.and_then(|n| n.checked_mul(c_out)).is_none_or(|n| n > isize::MAX as usize / 8) {
            return refused("padding", format!("{padding:?}"), "an output that fits memory".into());
        }
        let padding = padding.map(|[before, _]| before);
        Ok(Self {
            batch,
            c_in,
            c_out,
            groups,
            input: space,
            output,
            kernel,
            stride,
            dilation,
            padding,
        })
    }

    /// Input channels that one output channel sees.
    pub(crate) fn c_in_per_group(&self) -> usize {
        self.c_in / self.groups
    }

    /// Output channels of one group.
    pub(crate) fn c_out_per_group(&self) -> usize {
        self.c_out / self.groups
    }

    /// Taps of the kernel.
    pub(crate) fn n_taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Voxels of one input volume.
    pub(crate) fn n_in(&self) -> usize {
        self.input.iter().product()
    }

    /// Voxels of one output volume.
    pub(crate) fn n_out(&self) -> usize {
        self.output.iter().product()
    }

    /// The input index that tap `tap` of output index `out` reads along `axis`, if it is not padding.
    pub(crate) fn input_index(&self, axis: usize, out: usize, tap: usize) -> Option<usize> {
        let padded = out * self.stride[axis] + tap * self.dilation[axis];
        padded.checked_sub(self.padding[axis]).filter(|&index| index < self.input[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sizes_are_those_of_the_closed_form() {
        let config = Conv3dConfig {
            stride: [1, 2, 3],
            dilation: [1, 2, 1],
            padding: [[1, 1], [0, 3], [2, 0]],
            groups: 2,
        };
        let shape = ConvShape::new([2, 7, 8, 9, 4], [6, 2, 3, 3, 2], &config).unwrap();
        assert_eq!(shape.output, [7, 4, 4]);
        assert_eq!(shape.input_index(1, 3, 1), None);
        assert_eq!(shape.input_index(2, 0, 1), None);
        assert_eq!(shape.input_index(2, 1, 1), Some(2));
    }

    #[test]
    fn misuse_names_the_argument_and_both_shapes() {
        let case = |input, weight, config: Conv3dConfig| {
            ConvShape::new(input, weight, &config).unwrap_err().to_string()
        };
        let plain = Conv3dConfig::default();
        let message = case([1, 4, 4, 4, 3], [8, 4, 3, 3, 3], plain);
        assert!(message.contains("weight") && message.contains("[1, 4, 4, 4, 3]"), "{message}");
        let message = case([1, 4, 4, 2, 3], [8, 3, 3, 3, 3], plain);
        assert!(message.contains("padded input"), "{message}");
        assert!(
            case([1, 4, 4, 4, 3], [8, 3, 1, 1, 1], Conv3dConfig { groups: 2, ..plain })
                .contains("groups")
        );
        assert!(case([0, 4, 4, 4, 3], [8, 3, 1, 1, 1], plain).contains("empty"));
        let config = Conv3dConfig { stride: [0, 1, 1], ..plain };
        assert!(case([1, 4, 4, 4, 3], [8, 3, 1, 1, 1], config).contains("stride"));
        let config = Conv3dConfig { padding: [[usize::MAX, 1]; 3], ..plain };
        case([1, 4, 4, 4, 3], [8, 3, 1, 1, 1], config);
        let config = Conv3dConfig { padding: [[1 << 40, 0]; 3], ..plain };
        assert!(case([1, 4, 4, 4, 3], [8, 3, 1, 1, 1], config).contains("fits memory"));
    }
}
