//! New masks, as files, from those of a cohort.

use std::path::Path;

use keyed_random::Key;
use mrisynth_conditioning::{LabelScheme, MaskEdit};
use mrisynth_volume::{LabelMap, WriteOptions};

use crate::error::Result;
use crate::mask_file::MaskFile;

/// One mask to be made of another.
pub(crate) struct EditedMask<'a> {
    /// The mask that is there.
    pub(crate) mask: &'a MaskFile,
    /// One after the other.
    pub(crate) edits: &'a [MaskEdit],
    /// Which one of the masks that are made of it.
    pub(crate) number: u64,
    /// What random edits are drawn from.
    pub(crate) seed: u64,
}

impl EditedMask<'_> {
    /// A session of its own, so that it is a visit of the subject it was made of.
    pub(crate) fn session(&self) -> String {
        let session = self.mask.session.as_deref().unwrap_or("ses-");
        format!("{session}edit{:03}", self.number + 1)
    }

    /// Makes the file, unless it is there; the inner error is that of an edit that the mask cannot take.
    pub(crate) fn make(
        &self,
        folder: &Path,
        scheme: &LabelScheme,
    ) -> Result<std::result::Result<MaskFile, mrisynth_conditioning::Error>> {
        let (subject, session) = (self.mask.subject.clone(), self.session());
        let path = folder.join(format!("{subject}_{session}_dseg.nii.gz"));
        if !path.is_file() {
            let key = Key::new(self.seed).with("study mask").with(&subject);
            let key = key.with(self.mask.session.as_deref().unwrap_or("")).with_index(self.number);
            let mut labels: LabelMap = self.mask.read()?;
            for (place, edit) in (0..).zip(self.edits) {
                match edit.apply(scheme, &labels, &key.with("edit").with_index(place)) {
                    Ok(edited) => labels = edited.labels,
                    Err(reason) => return Ok(Err(reason)),
                }
            }
            labels.write(&path, &WriteOptions::default())?;
        }
        Ok(Ok(MaskFile { path, subject, session: Some(session) }))
    }
}
