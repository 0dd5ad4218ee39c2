//! Numbers in memory: f32, or bf16 that is widened as it is read and rounded once as it is written.
#![expect(unsafe_code, reason = "vectors are read and written through pointers")]

use half::bf16;

use super::aligned::LINE;
use super::fresh::Plain;
use super::vector::Vector;

/// A number that kernels read and write; they compute in f32.
pub(crate) trait Element: Plain + Default + Send + Sync + 'static {
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
    unsafe fn store<V: Vector>(vector: V, to: *mut Self, valid: usize);
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
    #[inline(always)]
    unsafe fn store<V: Vector>(vector: V, to: *mut Self, valid: usize) {
        // SAFETY: only `valid` numbers are written; bf16 is its bits; the buffer is no shorter than
        // any vector.
        unsafe {
            if valid >= V::LANES {
                return vector.store_bf16(to.cast());
            }
            let mut part = [bf16::ZERO; LINE];
            vector.store_bf16(part.as_mut_ptr().cast());
            std::ptr::copy_nonoverlapping(part.as_ptr(), to, valid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tier::Tier;
    use crate::kernels::vector::{Task, dispatch};

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

    /// Stores and loads vectors of numbers, whole and in part.
    struct There<'a> {
        values: &'a [f32],
        stored: &'a mut [bf16],
        loaded: &'a mut [f32],
    }

    impl Task for There<'_> {
        unsafe fn run<V: Vector>(self) {
            for at in (0..self.values.len()).step_by(V::LANES) {
                let valid = V::LANES.min(self.values.len() - at);
                // SAFETY: `valid` numbers from `at` on are within each slice.
                unsafe {
                    let vector: V = f32::load(self.values.as_ptr().add(at), valid);
                    bf16::store(vector, self.stored.as_mut_ptr().add(at), valid);
                    let back: V = bf16::load(self.stored.as_ptr().add(at), valid);
                    f32::store(back, self.loaded.as_mut_ptr().add(at), valid);
                }
            }
        }
    }

    #[test]
    fn vectors_of_every_tier_round_as_single_numbers_do() {
        let mut values: Vec<f32> = (0..1003_u32)
            .map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)))
            .filter(|value| !value.is_nan())
            .collect();
        values.extend([f32::NAN, f32::INFINITY, -0.0, 1.003_906_3, 1.011_718_8]);
        let want: Vec<bf16> = values.iter().map(|&value| Element::round(value)).collect();
        for tier in Tier::available() {
            let mut stored = vec![bf16::ZERO; values.len()];
            let mut loaded = vec![0.0; values.len()];
            dispatch(tier, There { values: &values, stored: &mut stored, loaded: &mut loaded });
            for i in 0..values.len() {
                assert_eq!(stored[i].to_bits(), want[i].to_bits(), "{tier} {}", values[i]);
                assert_eq!(loaded[i].to_bits(), want[i].to_f32().to_bits(), "{tier} {}", values[i]);
            }
        }
    }
}
