//! The innermost product of two packed matrices: 8 rows by 32 columns of the result, held in
//! registers while the sum runs.
#![expect(unsafe_code, reason = "vector instructions on pointers whose bounds one function checks")]

use super::real::Real;
use super::tier::Tier;

/// Rows of a tile.
pub(crate) const ROWS: usize = 8;
/// Columns of a tile.
pub(crate) const COLUMNS: usize = 32;

/// `out[i][j] = Σ_k left[k][i] · right[k][j]` for `i` < [`ROWS`], `j` < [`COLUMNS`], the terms
/// added in the order of `k`, one after the other.
#[derive(Debug)]
pub(crate) struct TileProduct<'a, T> {
    /// Terms of each sum.
    pub(crate) depth: usize,
    /// The left matrix, turned: element `i` of its column `k` is at `k * left_step + i`.
    pub(crate) left: &'a [T],
    pub(crate) left_step: usize,
    /// The right matrix: element `j` of its row `k` is at `k * COLUMNS + j`.
    pub(crate) right: &'a [T],
    /// Element `j` of row `i` is at `i * out_step + j`.
    pub(crate) out: &'a mut [T],
    pub(crate) out_step: usize,
    /// Whether the sums start at what `out` holds, or at zero.
    pub(crate) accumulate: bool,
}

impl<T> TileProduct<'_, T> {
    /// Panics unless every element lies within its slice.
    #[inline(always)]
    fn check(&self) {
        let last = self.depth.saturating_sub(1);
        assert!(
            self.left.len() >= last * self.left_step + ROWS
                && self.right.len() >= self.depth * COLUMNS
                && self.out.len() >= (ROWS - 1) * self.out_step + COLUMNS,
            "a tile beyond its matrices"
        );
    }
}

/// The product on a tier, which the processor must have.
#[inline(always)]
pub(crate) fn multiply_f32(tier: Tier, product: TileProduct<'_, f32>) {
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => {
            debug_assert!(tier.is_available());
            product.check();
            // SAFETY: a tier is only used where it is available; the bounds are checked.
            unsafe { multiply_avx2(product) }
        }
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => {
            debug_assert!(tier.is_available());
            product.check();
            // SAFETY: as above.
            unsafe { multiply_avx512(product) }
        }
        _ => multiply_portable(product),
    }
}

/// The product by whatever the compiler makes of it, in blocks of 4 × 8.
pub(crate) fn multiply_portable<T: Real>(product: TileProduct<'_, T>) {
    const R: usize = 4;
    const C: usize = 8;
    product.check();
    let TileProduct { depth, left, left_step, right, out, out_step, accumulate } = product;
    for row in (0..ROWS).step_by(R) {
        for column in (0..COLUMNS).step_by(C) {
            let mut sums = [[T::ZERO; C]; R];
            if accumulate {
                for (i, sums) in sums.iter_mut().enumerate() {
                    sums.copy_from_slice(&out[(row + i) * out_step + column..][..C]);
                }
            }
            for k in 0..depth {
                let l = &left[k * left_step + row..][..R];
                let r = &right[k * COLUMNS + column..][..C];
                for i in 0..R {
                    for j in 0..C {
                        sums[i][j] += l[i] * r[j];
                    }
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                out[(row + i) * out_step + column..][..C].copy_from_slice(sums);
            }
        }
    }
}

/// # Safety
/// The processor has AVX-512F, and [`TileProduct::check`] passes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn multiply_avx512(product: TileProduct<'_, f32>) {
    use std::arch::x86_64::{
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    let TileProduct { depth, left, left_step, right, out, out_step, accumulate } = product;
    let out = out.as_mut_ptr();
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // SAFETY: row `i` < ROWS of the tile ends at `i * out_step + 32`, within `out`; column `k` <
    // `depth` of `left` ends at `k * left_step + ROWS`, row `k` of `right` at `k * 32 + 32`.
    unsafe {
        if accumulate {
            for (i, [first, second]) in sums.iter_mut().enumerate() {
                *first = _mm512_loadu_ps(out.add(i * out_step));
                *second = _mm512_loadu_ps(out.add(i * out_step + 16));
            }
        }
        let (mut l, mut r) = (left.as_ptr(), right.as_ptr());
        for _ in 0..depth {
            let [r0, r1] = [_mm512_loadu_ps(r), _mm512_loadu_ps(r.add(16))];
            for (i, [first, second]) in sums.iter_mut().enumerate() {
                let factor = _mm512_set1_ps(*l.add(i));
                *first = _mm512_fmadd_ps(factor, r0, *first);
                *second = _mm512_fmadd_ps(factor, r1, *second);
            }
            // The last step may point past the end: it is never read.
            l = l.wrapping_add(left_step);
            r = r.wrapping_add(COLUMNS);
        }
        for (i, [first, second]) in sums.into_iter().enumerate() {
            _mm512_storeu_ps(out.add(i * out_step), first);
            _mm512_storeu_ps(out.add(i * out_step + 16), second);
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA, and [`TileProduct::check`] passes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn multiply_avx2(product: TileProduct<'_, f32>) {
    use std::arch::x86_64::{
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    // Four rows by two vectors: eight sums hide the latency, and sixteen registers hold them.
    const R: usize = 4;
    let TileProduct { depth, left, left_step, right, out, out_step, accumulate } = product;
    for row in (0..ROWS).step_by(R) {
        for column in (0..COLUMNS).step_by(16) {
            let mut sums = [[_mm256_setzero_ps(); 2]; R];
            // SAFETY: as for AVX-512, with `row + R` <= ROWS and `column + 16` <= COLUMNS.
            unsafe {
                let out = out.as_mut_ptr().add(row * out_step + column);
                if accumulate {
                    for (i, [first, second]) in sums.iter_mut().enumerate() {
                        *first = _mm256_loadu_ps(out.add(i * out_step));
                        *second = _mm256_loadu_ps(out.add(i * out_step + 8));
                    }
                }
                let (mut l, mut r) = (left.as_ptr().add(row), right.as_ptr().wrapping_add(column));
                for _ in 0..depth {
                    let [r0, r1] = [_mm256_loadu_ps(r), _mm256_loadu_ps(r.add(8))];
                    for (i, [first, second]) in sums.iter_mut().enumerate() {
                        let factor = _mm256_set1_ps(*l.add(i));
                        *first = _mm256_fmadd_ps(factor, r0, *first);
                        *second = _mm256_fmadd_ps(factor, r1, *second);
                    }
                    l = l.wrapping_add(left_step);
                    r = r.wrapping_add(COLUMNS);
                }
                for (i, [first, second]) in sums.into_iter().enumerate() {
                    _mm256_storeu_ps(out.add(i * out_step), first);
                    _mm256_storeu_ps(out.add(i * out_step + 8), second);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
    }

    #[test]
    fn every_tier_multiplies_as_the_definition_says() {
        for (depth, left_step, out_step) in [(0, 8, 32), (1, 8, 32), (7, 32, 40), (300, 11, 64)] {
            let left = numbers(depth.max(1) * left_step + ROWS, 1);
            let right = numbers(depth * COLUMNS, 2);
            let start = numbers(ROWS * out_step, 3);
            for (tier, accumulate) in Tier::available().flat_map(|t| [(t, false), (t, true)]) {
                let mut out = start.clone();
                f32::multiply_tile(
                    tier,
                    TileProduct {
                        depth,
                        left: &left,
                        left_step,
                        right: &right,
                        out: &mut out,
                        out_step,
                        accumulate,
                    },
                );
                for (at, (&got, &before)) in out.iter().zip(&start).enumerate() {
                    let (i, j) = (at / out_step, at % out_step);
                    if j >= COLUMNS {
                        assert_eq!(got, before);
                        continue;
                    }
                    let term =
                        |k| f64::from(left[k * left_step + i]) * f64::from(right[k * COLUMNS + j]);
                    let sum: f64 = (0..depth).map(term).sum();
                    let want = sum + if accumulate { f64::from(before) } else { 0.0 };
                    assert!((f64::from(got) - want).abs() < 2e-5, "{tier} {i} {j}: {got} {want}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "beyond")]
    fn a_tile_beyond_its_matrices_is_caught() {
        let (left, right, mut out) = ([0.0_f32; 15], [0.0; 64], [0.0; 256]);
        f32::multiply_tile(
            Tier::current(),
            TileProduct {
                depth: 2,
                left: &left,
                left_step: 8,
                right: &right,
                out: &mut out,
                out_step: 32,
                accumulate: false,
            },
        );
    }
}
