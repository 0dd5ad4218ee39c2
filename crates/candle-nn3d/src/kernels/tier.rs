//! Which instructions the kernels run on.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// The environment variable that forces a tier: `portable`, `avx2`, `avx512` or `avx512bf16`.
pub const TIER_VARIABLE: &str = "CANDLE_NN3D_TIER";

/// A set of instructions. Results are the same bits for any number of threads on one tier; between
/// tiers they differ by rounding, since the wider ones fuse multiplications and additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// What every processor has.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 (F, BW, DQ, VL).
    Avx512,
    /// The same with BF16 dot products.
    Avx512Bf16,
}

impl Tier {
    /// All tiers, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16];

    /// The tier that operations use: the widest of this processor, or the one that the environment
    /// variable [`TIER_VARIABLE`] names, decided once per process.
    ///
    /// A name that is unknown, or of a tier that the processor lacks, is ignored here; programs
    /// that want to refuse it call [`Tier::from_environment`] first.
    #[must_use]
    pub fn current() -> Self {
        static CURRENT: OnceLock<Tier> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::from_environment().ok().flatten().unwrap_or(Self::widest()))
    }

    /// The tier that the environment variable asks for, if it is set.
    ///
    /// # Errors
    /// [`Error::Argument`] when it names no tier, or one that this processor lacks.
    pub fn from_environment() -> Result<Option<Self>> {
        let Ok(name) = std::env::var(TIER_VARIABLE) else { return Ok(None) };
        let tier: Self = name.parse()?;
        if tier.is_available() {
            return Ok(Some(tier));
        }
        Err(Error::Argument {
            op: "tier",
            argument: TIER_VARIABLE,
            found: name,
            expected: format!("a tier of this processor, at most {}", Self::widest()),
        })
    }

    /// The widest tier of this processor.
    #[must_use]
    pub fn widest() -> Self {
        Self::ALL.into_iter().rev().find(|tier| tier.is_available()).unwrap_or(Self::Portable)
    }

    /// The tiers that run on this processor, the portable one first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|tier| tier.is_available())
    }

    /// Whether this processor has the instructions.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = || {
                avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            };
            match self {
                Self::Portable => true,
                Self::Avx2 => avx2(),
                Self::Avx512 => avx512(),
                Self::Avx512Bf16 => avx512() && is_x86_feature_detected!("avx512bf16"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// The name by which the environment variable knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Tier {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name).ok_or_else(|| Error::Argument {
            op: "tier",
            argument: TIER_VARIABLE,
            found: format!("{name:?}"),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_and_others_are_refused_with_the_list() {
        for tier in Tier::ALL {
            assert_eq!(tier.name().parse::<Tier>().unwrap(), tier);
        }
        assert!("sse".parse::<Tier>().unwrap_err().to_string().contains("avx512bf16"));
    }

    #[test]
    fn the_portable_tier_is_always_there_and_the_widest_is_the_last() {
        let available: Vec<_> = Tier::available().collect();
        assert_eq!(available[0], Tier::Portable);
        assert_eq!(available.last(), Some(&Tier::widest()));
    }
}
