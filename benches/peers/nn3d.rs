//! Our side of the comparison of 3-D layers: does a piece of work when told to, and says how long
//! it took. `run_nn3d.sh` builds it and `nn3d.py` drives it; there is no use in running it by hand.
//!
//! It answers commands on stdin, one line each:
//! - `load OPERATION DTYPE FILE` takes the inputs from a safetensors file, `[n, c, x, y, z]` in f32;
//! - `time` does the work once and prints the seconds;
//! - `keep FILE` does it once more and writes the result, raw little-endian f32, `[n, c, x, y, z]`;
//! - `tier` prints the instructions that the kernels run on.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Module, Shape, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn3d::{ChannelsLast, Conv3dConfig, ConvTranspose3dConfig, Tier, ops};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The inputs by name, in the dtype of the job.
type Inputs = HashMap<String, Tensor>;

/// What is measured: its result is dropped outside the clock, as Python drops its own.
trait Work {
    fn run(&mut self) -> candle_core::Result<Outcome>;

    /// The result to compare with the peer's, where it is not that of `run`.
    fn kept(&mut self) -> candle_core::Result<Outcome> {
        self.run()
    }
}

enum Outcome {
    Volume(ChannelsLast),
    Plain(Tensor),
    Tape(GradStore),
}
