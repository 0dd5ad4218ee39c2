//! Sums of outer products, `C += Σ_k a_k b_kᵀ`: the product that weight gradients are made of.
//!
//! `a_k` and `b_k` are the channels of one voxel in two arrays, so `k` runs over voxels and both
//! factors are read in place, row by row. A tile of `C` stays in registers while `k` runs.
#![expect(unsafe_code, reason = "vector loads and stores through pointers")]

use super::tier::Tier;

/// Steps of `k` along which both factors advance evenly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Index of `a_0` in `a`.
    pub(crate) a: usize,
    /// Index of `b_0` in `b`.
    pub(crate) b: usize,
    /// How many steps.
    pub(crate) len: usize,
}

/// Where the vectors of a sum of outer products are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors<'a> {
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    /// Distance of `a_k` and `a_{k+1}` within a run, and the same of `b`.
    pub(crate) steps: [usize; 2],
    pub(crate) runs: &'a [Run],
}

/// Adds the sum to `c` `[m, n]`. It is summed on its own first, in the order of the runs.
///
/// # Panics
/// When a run leaves its factor, or `c` has another size.
pub(crate) fn add_outer_products(
    tier: Tier,
    factors: &Factors<'_>,
    [m, n]: [usize; 2],
    c: &mut [f32],
) {
    assert_eq!(c.len(), m * n);
    let end =
        |start: usize, step: usize, len: usize, width: usize| start + (len - 1) * step + width;
    for run in factors.runs.iter().filter(|run| run.len > 0) {
        assert!(end(run.a, factors.steps[0], run.len, m) <= factors.a.len());
        assert!(end(run.b, factors.steps[1], run.len, n) <= factors.b.len());
    }
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 if tier.is_available() => {
            // SAFETY: the processor has the instructions.
            tiles(m, n, [14, 32], |tile| unsafe { x86::avx512_tile(factors, tile, n, c) });
        }
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 if tier.is_available() => {
            // SAFETY: the processor has the instructions.
            tiles(m, n, [6, 16], |tile| unsafe { x86::avx2_tile(factors, tile, n, c) });
        }
        _ => tiles(m, n, [4, PORTABLE], |tile| portable_tile(factors, tile, n, c)),
    }
}

/// A part of `C`: first row and column, rows and columns.
#[derive(Clone, Copy, Debug)]
struct Tile {
    start: [usize; 2],
    size: [usize; 2],
}

/// Cuts `C` into tiles of nearly equal height, column by column: the columns of `b` that one
/// column of tiles shares stay in the cache nearest to the processor.
fn tiles(m: usize, n: usize, [height, width]: [usize; 2], mut f: impl FnMut(Tile)) {
    let panels = m.div_ceil(height);
    for column in (0..n).step_by(width) {
        for panel in 0..panels {
            let (row, end) = (panel * m / panels, (panel + 1) * m / panels);
            f(Tile { start: [row, column], size: [end - row, width.min(n - column)] });
        }
    }
}

/// Columns of a tile without vector instructions of known width.
const PORTABLE: usize = 8;

fn portable_tile(factors: &Factors<'_>, tile: Tile, n: usize, c: &mut [f32]) {
    let ([row, column], [rows, columns]) = (tile.start, tile.size);
    let mut sums = [[0.0_f32; PORTABLE]; 4];
    for run in factors.runs {
        for k in 0..run.len {
            let a = &factors.a[run.a + k * factors.steps[0] + row..][..rows];
            let b = &factors.b[run.b + k * factors.steps[1] + column..][..columns];
            let mut wide = [0.0; PORTABLE];
            wide[..columns].copy_from_slice(b);
            for (sums, &a) in sums.iter_mut().zip(a) {
                for (sum, b) in sums.iter_mut().zip(wide) {
                    *sum += a * b;
                }
            }
        }
    }
    for (i, sums) in sums.iter().enumerate().take(rows) {
        for (c, sum) in c[(row + i) * n + column..][..columns].iter_mut().zip(sums) {
            *c += sum;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Factors, Tile};

    /// Calls `$tile::<ROWS, VECTORS>` with the constants that fit the tile.
    macro_rules! with_constants {
        ($tile:ident, $lanes:literal, [$($rows:literal)*], $factors:ident, $at:ident, $n:ident, $c:ident) => {
            match ($at.size[0], $at.size[1] > $lanes) {
                // SAFETY: the caller's: instructions, and the tile within factors and `c`.
                $(($rows, false) => unsafe { $tile::<$rows, 1>($factors, $at, $n, $c) },)*
                // SAFETY: the same.
                $(($rows, true) => unsafe { $tile::<$rows, 2>($factors, $at, $n, $c) },)*
                _ => unreachable!("no tile has {} rows", $at.size[0]),
            }
        };
    }

    /// # Safety
    /// The processor has AVX-512F; every run of `factors` stays within its arrays for all rows and
    /// columns of the tile, and so does the tile within `c`.
    pub(super) unsafe fn avx512_tile(f: &Factors<'_>, tile: Tile, n: usize, c: &mut [f32]) {
        with_constants!(avx512, 16, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], f, tile, n, c);
    }

    /// # Safety
    /// The processor has AVX2 and FMA; the rest as for [`avx512_tile`].
    pub(super) unsafe fn avx2_tile(f: &Factors<'_>, tile: Tile, n: usize, c: &mut [f32]) {
        with_constants!(avx2, 8, [1 2 3 4 5 6], f, tile, n, c);
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn avx512<const ROWS: usize, const VECTORS: usize>(
        f: &Factors<'_>,
        tile: Tile,
        n: usize,
        c: &mut [f32],
    ) {
        let ([row, column], [_, columns]) = (tile.start, tile.size);
        let last = columns - 16 * (VECTORS - 1);
        let mask = (0xffff_u32 >> (16 - last)) as u16;
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        for run in f.runs {
            let mut a = f.a.as_ptr().wrapping_add(run.a + row);
            let mut b = f.b.as_ptr().wrapping_add(run.b + column);
            for _ in 0..run.len {
                let mut wide = [_mm512_setzero_ps(); VECTORS];
                for v in 0..VECTORS - 1 {
                    // SAFETY: whole vectors of the tile's columns, within `b`.
                    wide[v] = unsafe { _mm512_loadu_ps(b.add(16 * v)) };
                }
                // SAFETY: the mask hides what is beyond the tile's columns.
                wide[VECTORS - 1] =
                    unsafe { _mm512_maskz_loadu_ps(mask, b.add(16 * (VECTORS - 1))) };
                for i in 0..ROWS {
                    // SAFETY: row `i` of the tile, within `a`.
                    let value = _mm512_set1_ps(unsafe { *a.add(i) });
                    for v in 0..VECTORS {
                        sums[i][v] = _mm512_fmadd_ps(value, wide[v], sums[i][v]);
                    }
                }
                a = a.wrapping_add(f.steps[0]);
                b = b.wrapping_add(f.steps[1]);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let c = c[(row + i) * n + column..][..columns].as_mut_ptr();
            for (v, &sum) in sums.iter().enumerate() {
                let mask = if v + 1 == VECTORS { mask } else { u16::MAX };
                // SAFETY: `columns` numbers at `c`, and the mask hides what is beyond them.
                unsafe {
                    let old = _mm512_maskz_loadu_ps(mask, c.add(16 * v));
                    _mm512_mask_storeu_ps(c.add(16 * v), mask, _mm512_add_ps(old, sum));
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<const ROWS: usize, const VECTORS: usize>(
        f: &Factors<'_>,
        tile: Tile,
        n: usize,
        c: &mut [f32],
    ) {
        let ([row, column], [_, columns]) = (tile.start, tile.size);
        let last = (columns - 8 * (VECTORS - 1)) as i32;
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(last), lanes);
        let all = _mm256_set1_epi32(-1);
        let mut sums = [[_mm256_setzero_ps(); VECTORS]; ROWS];
        for run in f.runs {
            let mut a = f.a.as_ptr().wrapping_add(run.a + row);
            let mut b = f.b.as_ptr().wrapping_add(run.b + column);
            for _ in 0..run.len {
                let mut wide = [_mm256_setzero_ps(); VECTORS];
                for v in 0..VECTORS - 1 {
                    // SAFETY: whole vectors of the tile's columns, within `b`.
                    wide[v] = unsafe { _mm256_loadu_ps(b.add(8 * v)) };
                }
                // SAFETY: the mask hides what is beyond the tile's columns.
                wide[VECTORS - 1] = unsafe { _mm256_maskload_ps(b.add(8 * (VECTORS - 1)), mask) };
                for i in 0..ROWS {
                    // SAFETY: row `i` of the tile, within `a`.
                    let value = _mm256_set1_ps(unsafe { *a.add(i) });
                    for v in 0..VECTORS {
                        sums[i][v] = _mm256_fmadd_ps(value, wide[v], sums[i][v]);
                    }
                }
                a = a.wrapping_add(f.steps[0]);
                b = b.wrapping_add(f.steps[1]);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            let c = c[(row + i) * n + column..][..columns].as_mut_ptr();
            for (v, &sum) in sums.iter().enumerate() {
                let mask = if v + 1 == VECTORS { mask } else { all };
                // SAFETY: `columns` numbers at `c`, and the mask hides what is beyond them.
                unsafe {
                    let old = _mm256_maskload_ps(c.add(8 * v), mask);
                    _mm256_maskstore_ps(c.add(8 * v), mask, _mm256_add_ps(old, sum));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv3d_reference::tests::numbers;
    use super::*;

    #[test]
    fn every_tile_size_of_every_tier_follows_the_definition() {
        let of_f32 = |seed| numbers(4000, seed).into_iter().map(|v| v as f32).collect::<Vec<_>>();
        let (a, b) = (of_f32(1), of_f32(2));
        let runs =
            [Run { a: 3, b: 1, len: 7 }, Run { a: 0, b: 0, len: 0 }, Run { a: 9, b: 50, len: 20 }];
        let factors = Factors { a: &a, b: &b, steps: [41, 73], runs: &runs };
        for tier in Tier::available() {
            for m in (1..=16).chain([28, 29]) {
                for n in (1..=35).chain([64, 70]) {
                    let mut c = vec![1.0; m * n];
                    add_outer_products(tier, &factors, [m, n], &mut c);
                    for (at, &c) in c.iter().enumerate() {
                        let (i, j) = (at / n, at % n);
                        let want: f64 = 1.0
                            + runs
                                .iter()
                                .flat_map(|r| (0..r.len).map(move |k| (r.a + k * 41, r.b + k * 73)))
                                .map(|(p, q)| f64::from(a[p + i]) * f64::from(b[q + j]))
                                .sum::<f64>();
                        assert!((f64::from(c) - want).abs() < 1e-5, "{tier} {m}×{n} at {i}, {j}");
                    }
                }
            }
        }
    }
}
