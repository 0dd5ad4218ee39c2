//! Scans and masks side by side on one grid, as metrics want them.

use std::path::Path;

use durable_file::create_folder;
use mrisynth_cohort::{Manifest, Visit};
use mrisynth_volume::{LabelMap, Volume, WriteOptions};

use crate::conversion::Conversion;
use crate::error::{Error, Result};

/// Writes the first image and the mask of each visit, on the networks' grid around the origin of the
/// world, into a folder with a manifest; `observer` is told after each how many are done.
///
/// Every scan is cut around its own centre, as the networks see it: where it lies in the world says
/// nothing of it.
pub(super) fn to_common_grid(
    visits: &[Visit],
    conversion: &Conversion,
    folder: &Path,
    observer: &mut dyn FnMut(),
) -> Result<Manifest> {
    let config = conversion.config();
    let grid = config.file_grid()?;
    let suffix = config
        .images
        .first()
        .ok_or_else(|| Error::argument("data.images", "empty", "at least one suffix"))?;
    create_folder(folder)?;
    let mut moved = Vec::with_capacity(visits.len());
    for visit in visits {
        let lacks = || Error::argument("a scan", &visit.subject, format!("{suffix} and a mask"));
        let image = visit.images.get(suffix).ok_or_else(lacks)?;
        let mask = visit.mask.as_ref().ok_or_else(lacks)?;
        let session = visit.session.iter().map(|session| format!("_{session}"));
        let stem = session.fold(visit.subject.clone(), |stem, session| stem + &session);
        let (image_name, mask_name) =
            (format!("{stem}_{suffix}.nii.gz"), format!("{stem}_dseg.nii.gz"));

        let volume = Volume::read(image)?;
        let regrid = conversion.regrid(volume.geometry())?;
        let volume = regrid.apply(&volume, &config.resampling)?.with_geometry(grid)?;
        volume.write(folder.join(&image_name), &WriteOptions::default())?;
        let labels = LabelMap::read(mask)?;
        let regrid = conversion.regrid(labels.geometry())?;
        let labels = regrid.apply_labels(&labels, config.labels)?.with_geometry(grid)?;
        labels.write(folder.join(&mask_name), &WriteOptions::default())?;
        // Without what else is known of people: so few are not to be compared by group.
        moved.push(Visit {
            subject: visit.subject.clone(),
            session: visit.session.clone(),
            images: [(suffix.clone(), image_name.into())].into(),
            mask: Some(mask_name.into()),
            ..Visit::default()
        });
        observer();
    }
    let manifest = Manifest::new(folder, moved);
    manifest.write(Manifest::path_in(folder))?;
    Ok(manifest)
}
