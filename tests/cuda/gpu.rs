//! The GPU that the tests use, if there is one, and comparisons with the CPU.

use std::io::Write;
use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};

/// The first GPU; without one, a line that says why, past the capture of passing tests.
pub(crate) fn gpu(test: &str) -> Option<Device> {
    static GPU: OnceLock<Result<Device, String>> = OnceLock::new();
    match GPU.get_or_init(|| candle_nn3d::gpu::open(0).map_err(|error| error.to_string())) {
        Ok(device) => Some(device.clone()),
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
            None
        }
    }
}

/// The numbers of a tensor, wherever it is.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, as a part of the largest number wanted.
pub(crate) fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (numbers(got), numbers(want));
    let largest = want.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs());
    // NaN anywhere counts: `max` alone would pass over it.
    let off =
        off.fold(0.0_f64, |off, x| if x.is_nan() || off.is_nan() { f64::NAN } else { off.max(x) });
    off / largest.max(1e-3)
}

/// Fails unless the two are as close as that.
pub(crate) fn close(what: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    let off = distance(got, want);
    assert!(off <= tolerance, "{what}: off by {off} of the largest number, at most {tolerance}");
}

/// Fails unless the two are the same bits.
pub(crate) fn same(what: &str, a: &Tensor, b: &Tensor) {
    let bits = |x: &Tensor| numbers(x).into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert!(bits(a) == bits(b), "{what}: other bits when done again");
}
