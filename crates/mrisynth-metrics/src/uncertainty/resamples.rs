//! Results of resamples that were computed side by side.

use rayon::prelude::*;

use crate::error::Result;

/// All values, or the error of the first that has one. Collected at once, it would be the error of
/// whichever thread came first, and errors are told in results: their bits would depend on chance.
pub(super) fn in_order<T: Send>(
    results: impl IndexedParallelIterator<Item = Result<T>>,
) -> Result<Vec<T>> {
    results.collect::<Vec<_>>().into_iter().collect()
}
