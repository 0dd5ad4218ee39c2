//! The check that scans can be compared voxel by voxel.

use std::path::Path;

use mrisynth_volume::{Geometry, Volume};

use super::event::{Observer, told};
use super::scan_set::{ScanSet, rescale};
use crate::error::{Error, Result};

/// Affines stored as `f32`, or as quaternions, differ by less.
const TOLERANCE_MM: f64 = 0.01;

/// Refuses scans that cannot be compared, ones with NaN and ones without contrast, by the name of the
/// file.
pub(super) fn check<'a>(
    sets: impl Iterator<Item = &'a ScanSet>,
    observer: &mut Observer<'_>,
) -> Result<()> {
    let paths: Vec<&Path> = sets.flat_map(ScanSet::paths).collect();
    let mut first: Option<(&Path, Geometry)> = None;
    told(paths.into_iter(), "reading", observer, |path| {
        let mut volume: Volume = Volume::read(path)?;
        let bad = volume.voxels().iter().filter(|value| !value.is_finite()).count();
        if bad > 0 {
            let found = format!("{bad} that are NaN or infinite");
            return Err(Error::format(path, "of the voxels there", found, "numbers"));
        }
        let (reference, expected) = first.get_or_insert((path, *volume.geometry()));
        check_grid(path, volume.geometry(), reference, expected)?;
        let fault = |source: mrisynth_volume::Error| Error::Scan {
            path: path.to_owned(),
            source: source.into(),
        };
        rescale().apply_in_place(&mut volume, None).map_err(fault)?;
        Ok(())
    })?;
    Ok(())
}

fn check_grid(path: &Path, found: &Geometry, reference: &Path, expected: &Geometry) -> Result<()> {
    let told = |grid: &Geometry| {
        let [x, y, z] = grid.spacing_mm();
        format!("{:?} voxels of {x:.3} × {y:.3} × {z:.3} mm, {}", grid.shape(), grid.orientation())
    };
    let reference = reference.display();
    if told(found) != told(expected) {
        let expected = format!(
            "{}, as that of {reference}; bring all scans to one grid first",
            told(expected)
        );
        return Err(Error::format(path, "the grid", told(found), expected));
    }
    if !expected.matches(found, TOLERANCE_MM) {
        let expected = format!("where {reference} lies; bring all scans to one grid first");
        return Err(Error::format(path, "the grid", "elsewhere in the world", expected));
    }
    Ok(())
}
