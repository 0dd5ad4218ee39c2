//! Which voxels a statistic looks at.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::volume::Volume;

/// Which voxels a statistic is taken over; NaN and infinite ones are always left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoxelSelection {
    /// All voxels.
    #[default]
    All,
    /// Voxels above this intensity.
    Above(f64),
    /// Voxels inside the mask that is handed over with the volume.
    InMask,
}

/// A [`VoxelSelection`] with the mask it needs.
pub(super) enum Selected<'a> {
    All,
    Above(f64),
    InMask(&'a [bool]),
}

impl<'a> Selected<'a> {
    pub(super) fn new(
        over: VoxelSelection,
        volume: &Volume,
        mask: Option<&'a Volume<bool>>,
    ) -> Result<Self> {
        match (over, mask) {
            (VoxelSelection::All, _) => Ok(Self::All),
            (VoxelSelection::Above(threshold), _) if threshold.is_nan() => Err(Error::Argument {
                field: "above",
                found: threshold.to_string(),
                expected: "an intensity".into(),
            }),
            (VoxelSelection::Above(threshold), _) => Ok(Self::Above(threshold)),
            (VoxelSelection::InMask, Some(mask)) => {
                volume.check_same_grid("mask", mask.geometry())?;
                Ok(Self::InMask(mask.voxels()))
            }
            (VoxelSelection::InMask, None) => Err(Error::Argument {
                field: "mask",
                found: "none".into(),
                expected: "a mask, which the selection `in_mask` needs".into(),
            }),
        }
    }

    /// Whether a voxel is selected, be it finite or not.
    pub(super) fn contains(&self, index: usize, value: f32) -> bool {
        match self {
            Self::All => true,
            Self::Above(threshold) => f64::from(value) > *threshold,
            Self::InMask(mask) => mask[index],
        }
    }

    /// What to call the selection in a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::All => "the volume",
            Self::Above(_) => "the part of the volume above the threshold",
            Self::InMask(_) => "the part of the volume inside the mask",
        }
    }
}
