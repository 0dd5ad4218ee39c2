//! The ten real datatypes that files store voxels in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How a file stores one voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Datatype {
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 16-bit integer.
    I16,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
}

impl Datatype {
    /// All ten.
    pub const ALL: [Self; 10] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// The name in Rust: `u8` … `f64`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Bytes per voxel.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// True for the eight integer types.
    #[must_use]
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Datatype {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|d| d.name() == name).ok_or_else(|| Error::Argument {
            field: "datatype",
            found: format!("{name:?}"),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Runs one generic expression with `$T` the Rust type of a [`Datatype`].
macro_rules! with_datatype {
    ($datatype:expr, $T:ident => $body:expr) => {{
        macro_rules! run {
            ($type:ty) => {{
                type $T = $type;
                $body
            }};
        }
        match $datatype {
            $crate::datatype::Datatype::U8 => run!(u8),
            $crate::datatype::Datatype::I8 => run!(i8),
            $crate::datatype::Datatype::U16 => run!(u16),
            $crate::datatype::Datatype::I16 => run!(i16),
            $crate::datatype::Datatype::U32 => run!(u32),
            $crate::datatype::Datatype::I32 => run!(i32),
            $crate::datatype::Datatype::U64 => run!(u64),
            $crate::datatype::Datatype::I64 => run!(i64),
            $crate::datatype::Datatype::F32 => run!(f32),
            $crate::datatype::Datatype::F64 => run!(f64),
        }
    }};
}
pub(crate) use with_datatype;

/// A voxel value of one of the ten datatypes.
///
/// Sealed: the datatypes are those that NIfTI can store as a real number.
pub trait Sample:
    Copy + PartialOrd + Default + Send + Sync + fmt::Debug + sealed::Sealed + 'static
{
    /// How files store it.
    const DATATYPE: Datatype;
    /// The value in double precision; integers beyond 2⁵³ are rounded to the nearest.
    fn to_f64(self) -> f64;
    /// The value in single precision, rounded once.
    fn to_f32(self) -> f32;
}

mod sealed {
    /// Closes [`Sample`](super::Sample) to other crates.
    pub trait Sealed: bytemuck::Zeroable {}
}

macro_rules! samples {
    ($($rust:ident $variant:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Sample for $rust {
            const DATATYPE: Datatype = Datatype::$variant;
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn to_f32(self) -> f32 {
                self as f32
            }
        }
    )*};
}
samples!(u8 U8, i8 I8, u16 U16, i16 I16, u32 U32, i32 I32, u64 U64, i64 I64, f32 F32, f64 F64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for datatype in Datatype::ALL {
            assert_eq!(datatype.name().parse::<Datatype>().unwrap(), datatype);
        }
        assert!("float".parse::<Datatype>().unwrap_err().to_string().contains("f32"));
    }
}
