//! Left and right exchanged.

use std::collections::BTreeMap;

use mrisynth_volume::{LabelMap, Unlisted};
use rayon::prelude::*;

use crate::error::Result;
use crate::label_scheme::LabelScheme;

/// The map mirrored on its own grid, so twice is nothing. The mirror is the middle of the field of
/// view: a head beside it comes out on the other side of it.
pub(super) fn flipped(scheme: &LabelScheme, labels: &LabelMap) -> Result<LabelMap> {
    let geometry = *labels.geometry();
    let [nx, ny, nz] = geometry.shape();
    let (axis, _) = geometry.orientation().voxel_axis_along(0);
    let source = labels.voxels();
    let mut mirrored = vec![0; source.len()];
    mirrored.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
        let (y, z) = (row % ny, row / ny);
        let (y, z) =
            (if axis == 1 { ny - 1 - y } else { y }, if axis == 2 { nz - 1 - z } else { z });
        out.copy_from_slice(&source[nx * (y + ny * z)..][..nx]);
        if axis == 0 {
            out.reverse();
        }
    });
    let mirrored = LabelMap::new(mirrored, geometry)?;
    let partner = |&id: &i32| scheme.partner(id).map(|partner| (id, partner));
    let swap: BTreeMap<i32, i32> = mirrored.counts().keys().filter_map(partner).collect();
    Ok(mirrored.remap(&swap, Unlisted::Keep)?)
}
