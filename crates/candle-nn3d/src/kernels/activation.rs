//! Activation functions of one number, with their derivatives.

use super::real::Real;

/// A function of one number.
pub(crate) trait Activation: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// What the function depends on beside x.
    #[cfg(feature = "cuda")]
    fn parameter(self) -> f64 {
        0.0
    }
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R;
    fn slope<const FUSED: bool, R: Real>(self, x: R) -> R;
}

/// x
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity;

/// x / (1 + e⁻ˣ)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silu;

/// x Φ(x)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gelu;

/// x above 0, a multiple of it elsewhere
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeakyRelu(pub(crate) f64);

impl Activation for Identity {
    const NAME: &'static str = "identity";

    #[inline(always)]
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R {
        x
    }

    #[inline(always)]
    fn slope<const FUSED: bool, R: Real>(self, _: R) -> R {
        R::ONE
    }
}

/// 1 / (1 + e⁻ˣ), on the left by way of eˣ: neither overflows.
#[inline(always)]
fn sigmoid<const FUSED: bool, R: Real>(x: R) -> R {
    let power = (-x.abs()).exp_of_nonpositive::<FUSED>();
    (if x < R::ZERO { power } else { R::ONE }) / (R::ONE + power)
}

impl Activation for Silu {
    const NAME: &'static str = "silu";

    #[inline(always)]
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R {
        x * sigmoid::<FUSED, _>(x)
    }

    #[inline(always)]
    fn slope<const FUSED: bool, R: Real>(self, x: R) -> R {
        let sigmoid = sigmoid::<FUSED, _>(x);
        sigmoid * x.mul_add::<FUSED>(R::ONE - sigmoid, R::ONE)
    }
}

impl Activation for Gelu {
    const NAME: &'static str = "gelu";

    #[inline(always)]
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R {
        x * x.normal::<FUSED>().0
    }

    #[inline(always)]
    fn slope<const FUSED: bool, R: Real>(self, x: R) -> R {
        let (distribution, density) = x.normal::<FUSED>();
        x.mul_add::<FUSED>(density, distribution)
    }
}

impl Activation for LeakyRelu {
    const NAME: &'static str = "leaky_relu";

    #[cfg(feature = "cuda")]
    fn parameter(self) -> f64 {
        self.0
    }

    #[inline(always)]
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R {
        // The comparison is this way round so that a NaN is multiplied, not replaced.
        if x > R::ZERO { x } else { x * R::from_f64(self.0) }
    }

    #[inline(always)]
    fn slope<const FUSED: bool, R: Real>(self, x: R) -> R {
        if x > R::ZERO { R::ONE } else { R::from_f64(self.0) }
    }
}

/// max(x, 0), NaN for NaN
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relu;

impl Activation for Relu {
    const NAME: &'static str = "relu";

    #[inline(always)]
    fn value<const FUSED: bool, R: Real>(self, x: R) -> R {
        // Not a product with zero: that would make -∞ a NaN.
        if x <= R::ZERO { R::ZERO } else { x }
    }

    #[inline(always)]
    fn slope<const FUSED: bool, R: Real>(self, x: R) -> R {
        if x > R::ZERO { R::ONE } else { R::ZERO }
    }
}
