//! The numbers that kernels store and the numbers that they compute with.

use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Sub};

use half::bf16;

use super::tier::Tier;

/// A number in a tensor.
pub(crate) trait Element: Copy + Default + Debug + Send + Sync + 'static {
    /// What sums and products of it are made in.
    type Compute: Real;

    /// Exactly the same number.
    fn widen(self) -> Self::Compute;

    /// The nearest number.
    fn narrow(wide: Self::Compute) -> Self;
}

/// A number that kernels compute with.
pub(crate) trait Real:
    Element<Compute = Self>
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;

    fn from_f64(value: f64) -> Self;

    fn ln(self) -> Self;

    /// e to the power of this number, which is at most 0, or barely above by rounding; `FUSED` says
    /// that the processor fuses multiplication and addition.
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self;

    /// One tile of a product of matrices: see [`super::tile`].
    fn multiply_tile(tier: Tier, product: super::tile::TileProduct<'_, Self>);
}

impl Element for f32 {
    type Compute = Self;

    fn widen(self) -> Self {
        self
    }

    fn narrow(wide: Self) -> Self {
        wide
    }
}

impl Element for f64 {
    type Compute = Self;

    fn widen(self) -> Self {
        self
    }

    fn narrow(wide: Self) -> Self {
        wide
    }
}

impl Element for bf16 {
    type Compute = f32;

    fn widen(self) -> f32 {
        // Without the special case for NaN of `to_f32`, which keeps loops from vectorising.
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    fn narrow(wide: f32) -> Self {
        Self::from_f32(wide)
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn ln(self) -> Self {
        self.ln()
    }

    #[inline(always)]
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self {
        super::softmax_exp::exp_of_nonpositive::<FUSED>(self)
    }

    #[inline(always)]
    fn multiply_tile(tier: Tier, product: super::tile::TileProduct<'_, Self>) {
        super::tile::multiply_f32(tier, product);
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn ln(self) -> Self {
        self.ln()
    }

    #[inline(always)]
    fn exp_of_nonpositive<const FUSED: bool>(self) -> Self {
        self.exp()
    }

    fn multiply_tile(_: Tier, product: super::tile::TileProduct<'_, Self>) {
        super::tile::multiply_portable(product);
    }
}
