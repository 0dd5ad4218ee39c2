//! Numbers in memory: f32, or bf16 that is widened as it is read and rounded once as it is written.
#![expect(unsafe_code, reason = "vectors are read and written through pointers")]

use half::bf16;

use super::aligned::LINE;
use super::vector::Vector;

/// A number that kernels read and write; they compute in f32.
pub(crate) trait Element: Copy + Default + Send + Sync + 'static {
    /// The exact value.
    fn widen(self) -> f32;
    /// The nearest number, ties to even.
    fn round(value: f32) -> Self;
    /// The slice itself, if it needs no conversion.
    fn as_f32(slice: &[Self]) -> Option<&[f32]>;
    /// The slice itself, if it needs no conversion.
    fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]>;

    /// A vector from `valid` numbers, zeros beyond.
    ///
    /// # Safety
    /// The processor has the instructions of `V`; `from` is valid for `valid` numbers, or for a
    /// vector of them if that is less.
    unsafe fn load<V: Vector>(from: *const Self, valid: usize) -> V;

    /// The first `valid` numbers of a vector.
    ///
    /// # Safety
    /// As for [`Element::load`], for writing.
    #[inline(always)]
    unsafe fn store<V: Vector>(vector: V, to: *mut Self, valid: usize) {
        let mut part = [0.0_f32; LINE];
        // SAFETY: only `valid` numbers are written; the buffer is no shorter than any vector.
        unsafe {
            vector.store(part.as_mut_ptr());
            if valid >= V::LANES {
                for i in 0..V::LANES {
                    to.add(i).write(Self::round(part[i]));
                }
            } else {
                for i in 0..valid {
                    to.add(i).write(Self::round(part[i]));
                }
            }
        }
    }
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    fn round(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn as_f32(slice: &[Self]) -> Option<&[f32]> {
        Some(slice)
    }
    #[inline(always)]
    fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]> {
        Some(slice)
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self, valid: usize) -> V {
        // SAFETY: only `valid` numbers are read; the buffer is no shorter than any vector.
        unsafe {
            if valid >= V::LANES {
                return V::load(from);
            }
            let mut part = [0.0_f32; LINE];
            std::ptr::copy_nonoverlapping(from, part.as_mut_ptr(), valid);
            V::load(part.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(vector: V, to: *mut Self, valid: usize) {
        // SAFETY: only `valid` numbers are written; the buffer is no shorter than any vector.
        unsafe {
            if valid >= V::LANES {
                return vector.store(to);
            }
            let mut part = [0.0_f32; LINE];
            vector.store(part.as_mut_ptr());
            std::ptr::copy_nonoverlapping(part.as_ptr(), to, valid);
        }
    }
}

impl Element for bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// Without branches, so that it becomes vector instructions.
    #[inline(always)]
    fn round(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let nan = bits >> 16 | 0x40;
        Self::from_bits(if value.is_nan() { nan } else { rounded } as u16)
    }
    #[inline(always)]
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }
    #[inline(always)]
    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self, valid: usize) -> V {
        // SAFETY: only `valid` numbers are read; bf16 is its bits; the buffer is no shorter than
        // any vector.
        unsafe {
            if valid >= V::LANES {
                return V::load_bf16(from.cast());
            }
            let mut part = [bf16::ZERO; LINE];
            std::ptr::copy_nonoverlapping(from, part.as_mut_ptr(), valid);
            V::load_bf16(part.as_ptr().cast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_nearest_even_and_keeps_what_is_not_finite() {
        for value in [0.0, -0.0, 1.0, 1.003_906_3, 1.011_718_8, -3.3e38, 3.4e38, 1e-40, 0.1] {
            assert_eq!(<bf16 as Element>::round(value), bf16::from_f32(value), "{value}");
            let rounded = bf16::from_f32(value);
            assert_eq!(Element::widen(rounded), rounded.to_f32());
        }
        assert!(<bf16 as Element>::round(f32::NAN).is_nan());
        assert!(<bf16 as Element>::round(f32::from_bits(0x7fff_ffff)).is_nan());
        assert_eq!(<bf16 as Element>::round(f32::NEG_INFINITY), bf16::NEG_INFINITY);
    }
}
