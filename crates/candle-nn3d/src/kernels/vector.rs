//! Vectors of f32 in three widths, and the dispatch of a task to the widest that a tier has.
#![expect(unsafe_code, reason = "instructions that not every processor has")]

use half::bf16;

use super::conv_element::Element;
use super::gemm::Block;
use super::tier::Tier;

/// A matrix kernel for some rows and vectors of columns.
pub(crate) type Kernel = unsafe fn(&Block);

/// The kernels of one or two vectors of columns for 1, 2, … rows.
macro_rules! kernels {
    ($kernel:ident, $packed:literal, [$($rows:literal)*]) => {
        [&[$($kernel::<$rows, 1, $packed>),*], &[$($kernel::<$rows, 2, $packed>),*]]
    };
}

/// A register of f32.
///
/// # Safety
/// Every function may be called only on a processor that has the tier's instructions, which holds
/// inside [`dispatch`]; pointers must be valid for [`Vector::LANES`] numbers, of any alignment.
pub(crate) trait Vector: Copy {
    /// Numbers in one vector.
    const LANES: usize;
    /// Rows of the largest matrix kernel; they leave registers for a panel's row and a broadcast.
    const ROWS: usize;
    /// The matrix kernels for strided rows, by vectors of columns − 1 and rows − 1.
    const STRIDED: [&'static [Kernel]; 2];
    /// The same for packed rows.
    const PACKED: [&'static [Kernel]; 2];

    /// All lanes the same.
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// From the bits of bf16, of any alignment too.
    unsafe fn load_bf16(from: *const u16) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Rounded to the bits of bf16, ties to even; a NaN stays one.
    unsafe fn store_bf16(self, to: *mut u16);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c − self · b`
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// Asks for the cache line of an address, which need not be valid.
    #[inline(always)]
    fn prefetch(from: *const f32) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 has SSE, and a prefetch never faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(from.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = from;
    }
}

/// Work that is written once for all widths.
pub(crate) trait Task {
    /// Does it; implement as `#[inline(always)]`, so that the body gets the tier's instructions.
    ///
    /// # Safety
    /// The processor must have the instructions of `V`.
    unsafe fn run<V: Vector>(self);
}

/// Runs a task on the vectors of a tier.
///
/// # Panics
/// If the processor lacks the tier.
pub(crate) fn dispatch<T: Task>(tier: Tier, task: T) {
    assert!(tier.is_available(), "the processor lacks the tier {tier}");
    match tier {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX-512, as asserted above.
        Tier::Avx512 | Tier::Avx512Bf16 => unsafe { x86::run_avx512(task) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has AVX2 and FMA, as asserted above.
        Tier::Avx2 => unsafe { x86::run_avx2(task) },
        // SAFETY: the portable vector needs no instructions beyond the target's baseline.
        _ => unsafe { task.run::<F32x4>() },
    }
}

/// Lanes of the vectors of a tier.
pub(crate) fn lanes(tier: Tier) -> usize {
    match tier {
        #[cfg(target_arch = "x86_64")]
        Tier::Avx512 | Tier::Avx512Bf16 => <std::arch::x86_64::__m512 as Vector>::LANES,
        #[cfg(target_arch = "x86_64")]
        Tier::Avx2 => <std::arch::x86_64::__m256 as Vector>::LANES,
        _ => F32x4::LANES,
    }
}

/// Four lanes that the compiler maps to whatever the target has.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct F32x4([f32; 4]);

impl Vector for F32x4 {
    const LANES: usize = 4;
    const ROWS: usize = 4;
    const STRIDED: [&'static [Kernel]; 2] = kernels!(portable, false, [1 2 3 4]);
    const PACKED: [&'static [Kernel]; 2] = kernels!(portable, true, [1 2 3 4]);

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for four numbers, by the trait's contract.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: valid for four numbers, by the trait's contract.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        Self(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for four numbers, by the trait's contract.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut u16) {
        let bits = self.0.map(|value| <bf16 as Element>::round(value).to_bits());
        // SAFETY: valid for four numbers, by the trait's contract.
        unsafe { to.cast::<[u16; 4]>().write_unaligned(bits) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| c.0[i] - self.0[i] * b.0[i]))
    }
}

/// The matrix kernel of [`F32x4`].
#[inline(never)]
unsafe fn portable<const R: usize, const N: usize, const PACKED: bool>(block: &Block) {
    // SAFETY: the caller's promise on the block is passed on.
    unsafe { block.run::<F32x4, R, N, PACKED>() }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, Kernel, Task, Vector};

    macro_rules! vector {
        ($vector:ty, $lanes:literal, $features:literal, $run:ident, $kernel:ident, [$($rows:literal)*],
         $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $fma:ident $fnma:ident,
         $as_f32:ident $shift:ident $widen:ident $load_half:ident $store_bf16:ident) => {
            impl Vector for $vector {
                const LANES: usize = $lanes;
                const ROWS: usize = [$($rows),*].len();
                const STRIDED: [&'static [Kernel]; 2] = kernels!($kernel, false, [$($rows)*]);
                const PACKED: [&'static [Kernel]; 2] = kernels!($kernel, true, [$($rows)*]);

                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: instruction and pointer hold by the trait's contract.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn load_bf16(from: *const u16) -> Self {
                    // SAFETY: instructions and pointer hold by the trait's contract.
                    unsafe { $as_f32($shift::<16>($widen($load_half(from.cast())))) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: instruction and pointer hold by the trait's contract.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn store_bf16(self, to: *mut u16) {
                    // SAFETY: instructions and pointer hold by the trait's contract.
                    unsafe { $store_bf16(self, to) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn sub(self, other: Self) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $sub(self, other) }
                }
                #[inline(always)]
                unsafe fn mul(self, other: Self) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $mul(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $fma(self, b, c) }
                }
                #[inline(always)]
                unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $fnma(self, b, c) }
                }
            }

            /// Runs a task with these instructions.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $run<T: Task>(task: T) {
                // SAFETY: the caller vouches for the instructions.
                unsafe { task.run::<$vector>() }
            }

            /// The matrix kernel: a function of its own, so that its registers are its own.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn $kernel<const R: usize, const N: usize, const PACKED: bool>(
    block: &Block,
) {
                // SAFETY: the caller's promises are passed on.
                unsafe { block.run::<$vector, R, N, PACKED>() }
            }
        };
    }

    /// As `<bf16 as Element>::round`, sixteen at a time.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn store_bf16_avx512(v: __m512, to: *mut u16) {
        let bits = _mm512_castps_si512(v);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
        let rounded = _mm512_mask_mov_epi32(_mm512_add_epi32(bits, half), nan, quiet);
        let narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded));
        // SAFETY: valid for sixteen numbers, by the trait's contract.
        unsafe { _mm256_storeu_si256(to.cast(), narrow) }
    }

    /// As `<bf16 as Element>::round`, eight at a time.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store_bf16_avx2(v: __m256, to: *mut u16) {
        let bits = _mm256_castps_si256(v);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
        let rounded = _mm256_blendv_epi8(_mm256_add_epi32(bits, half), quiet, nan);
        let words = _mm256_srli_epi32::<16>(rounded);
        // Packing works on halves of 128 bits: the first and third quarters are the result.
        let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(words, words));
        // SAFETY: valid for eight numbers, by the trait's contract.
        unsafe { _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed)) }
    }

    vector!(
        __m512, 16, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma", run_avx512, block_avx512,
        [1 2 3 4 5 6 7 8 9 10 11 12],
        _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps
        _mm512_fmadd_ps _mm512_fnmadd_ps,
        _mm512_castsi512_ps _mm512_slli_epi32 _mm512_cvtepu16_epi32 _mm256_loadu_si256
        store_bf16_avx512
    );
    vector!(
        __m256, 8, "avx2,fma", run_avx2, block_avx2,
        [1 2 3 4 5 6],
        _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps
        _mm256_fmadd_ps _mm256_fnmadd_ps,
        _mm256_castsi256_ps _mm256_slli_epi32 _mm256_cvtepu16_epi32 _mm_loadu_si128
        store_bf16_avx2
    );
}
