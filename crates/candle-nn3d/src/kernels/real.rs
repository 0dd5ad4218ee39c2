//! What the kernels compute in, and what they read and write.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use candle_core::WithDType;
use half::bf16;

use super::fresh::{self, Plain};
use super::tier::Tier;
use super::tile::{self, TileProduct};
use super::{exponential, normal};

/// The numbers that a kernel computes in: `f32`, or `f64` where gradients are checked.
pub(crate) trait Real:
    Copy
    + Debug
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    fn abs(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// `self · factor + term`, rounded once if `FUSED`: fast only where the processor fuses them.
    fn mul_add<const FUSED: bool>(self, factor: Self, term: Self) -> Self;
    /// e to the power of this number, which is at most 0, or barely above by rounding; `FUSED` says
    /// that the processor fuses multiplication and addition.
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self;
    /// The standard normal distribution and its density.
    fn normal<const FUSED: bool>(self) -> (Self, Self);
    /// One tile of a product of matrices.
    fn multiply_tile(tier: Tier, product: TileProduct<'_, Self>);
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }

    fn ln(self) -> Self {
        self.ln()
    }

    #[inline(always)]
    fn mul_add<const FUSED: bool>(self, factor: Self, term: Self) -> Self {
        if FUSED { self.mul_add(factor, term) } else { self * factor + term }
    }

    #[inline(always)]
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self {
        exponential::exp_of_nonpositive::<FUSED>(self)
    }

    #[inline(always)]
    fn normal<const FUSED: bool>(self) -> (Self, Self) {
        normal::normal::<FUSED, _, _>(self, &normal::SINGLE)
    }

    #[inline(always)]
    fn multiply_tile(tier: Tier, product: TileProduct<'_, Self>) {
        tile::multiply_f32(tier, product);
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }

    fn ln(self) -> Self {
        self.ln()
    }

    #[inline(always)]
    fn mul_add<const FUSED: bool>(self, factor: Self, term: Self) -> Self {
        if FUSED { self.mul_add(factor, term) } else { self * factor + term }
    }

    #[inline(always)]
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn normal<const FUSED: bool>(self) -> (Self, Self) {
        normal::normal::<FUSED, _, _>(self, &normal::DOUBLE)
    }

    #[inline(always)]
    fn multiply_tile(_: Tier, product: TileProduct<'_, Self>) {
        tile::multiply_portable(product);
    }
}

/// The elements of a tensor: widened when read, rounded once when written.
pub(crate) trait Element: WithDType + Plain + Send + Sync {
    type Real: Real;
    fn load(self) -> Self::Real;
    fn store(x: Self::Real) -> Self;
    /// `n` zeros that no thread has touched yet, if the allocator has such pages.
    fn zeros(n: usize) -> Vec<Self> {
        fresh::zeros(n)
    }
    /// `n` numbers that the caller overwrites, every one.
    fn unwritten(n: usize) -> Vec<Self> {
        fresh::unwritten(n)
    }
}

impl Element for f32 {
    type Real = Self;

    #[inline(always)]
    fn load(self) -> Self {
        self
    }

    #[inline(always)]
    fn store(x: Self) -> Self {
        x
    }
}

impl Element for f64 {
    type Real = Self;

    #[inline(always)]
    fn load(self) -> Self {
        self
    }

    #[inline(always)]
    fn store(x: Self) -> Self {
        x
    }
}

/// The conversions of `half` branch; these are a few integer instructions that vectorise.
impl Element for bf16 {
    type Real = f32;

    #[inline(always)]
    fn load(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn store(x: f32) -> Self {
        let bits = x.to_bits();
        // Half a unit in the last place, less one where that leaves an even number: ties to even.
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let quiet_nan = (bits >> 16) | 0x40;
        Self::from_bits(if x.is_nan() { quiet_nan } else { rounded } as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_converts_as_half_does_for_every_pattern() {
        for bits in 0..=u16::MAX {
            let x = bf16::from_bits(bits);
            assert_eq!(x.load().is_nan(), x.is_nan());
            assert!(x.is_nan() || x.load() == x.to_f32());
        }
        for high in 0..=u16::MAX {
            for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff_u32] {
                let x = f32::from_bits((u32::from(high) << 16) | low);
                let (got, want) = (<bf16 as Element>::store(x), bf16::from_f32(x));
                assert_eq!(got.to_bits(), want.to_bits(), "{x:e}");
            }
        }
    }
}
