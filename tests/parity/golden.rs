//! Reading the committed goldens.

use std::path::{Path, PathBuf};

use mrisynth_volume::{Affine, Geometry, LabelMap, Volume};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The folder of the fixtures of `mrisynth-volume`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/volume")
}

/// One of the JSON files in it.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = folder().join(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Bytes in hexadecimal: little-endian numbers, x fastest.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Bits(pub(crate) Vec<u8>);

impl TryFrom<String> for Bits {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |c: u8| (c as char).to_digit(16).ok_or(format!("{:?} is not hexadecimal", c));
        let digits: Vec<u32> = text.bytes().map(digit).collect::<Result<_, _>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("an odd number of hexadecimal digits".into());
        }
        Ok(Self(pairs.iter().map(|[high, low]| (high << 4 | low) as u8).collect()))
    }
}

impl Bits {
    pub(crate) fn f32s(&self) -> Vec<f32> {
        let (chunks, rest) = self.0.as_chunks();
        assert!(rest.is_empty());
        chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }

    pub(crate) fn f64s(&self) -> Vec<f64> {
        let (chunks, rest) = self.0.as_chunks();
        assert!(rest.is_empty());
        chunks.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
    }
}

/// A string of 0 and 1, one per voxel.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Mask(pub(crate) Vec<bool>);

impl TryFrom<String> for Mask {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let flag = |c| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            _ => Err(format!("{c:?} is neither 0 nor 1")),
        };
        text.chars().map(flag).collect::<Result<_, _>>().map(Self)
    }
}

/// A grid.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grid {
    pub(crate) shape: [usize; 3],
    pub(crate) affine: Affine,
}

impl Grid {
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry::new(self.shape, self.affine).unwrap()
    }

    pub(crate) fn volume(&self, voxels: &Bits) -> Volume {
        Volume::new(voxels.f32s(), self.geometry()).unwrap()
    }

    pub(crate) fn labels(&self, labels: Vec<i32>) -> LabelMap {
        LabelMap::new(labels, self.geometry()).unwrap()
    }
}
