//! Everything that makes a cohort unfit for use, in one list.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::error::ScanFault;
use crate::leakage::Leakage;
use crate::manifest::Manifest;
use crate::survey::Survey;

/// Whether a cohort is fit for use, and if not, why not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// Whether nothing is wrong.
    pub fit: bool,
    /// The files that can be read.
    pub files: usize,
    /// Those that cannot.
    pub faults: Vec<ScanFault>,
    /// What leaks between splits.
    pub leakage: Leakage,
    /// Images that say that they are synthetic in their header or in the JSON beside them, and not
    /// in both: somebody who finds one alone may take it for real.
    pub half_marked: Vec<PathBuf>,
}

impl Inspection {
    /// Looks through a cohort whose files were surveyed.
    #[must_use]
    pub fn of(manifest: &Manifest, survey: &Survey) -> Self {
        let half = survey.files.iter().filter(|f| f.marks.header != f.marks.sidecar);
        let half_marked: Vec<PathBuf> = half.map(|file| file.path.clone()).collect();
        let (leakage, faults) = (Leakage::of(manifest, survey), survey.faults.clone());
        let fit = leakage.is_clean() && faults.is_empty() && half_marked.is_empty();
        Self { fit, files: survey.files.len(), faults, leakage, half_marked }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))?;
        write!(f, "{}", self.leakage)?;
        for path in &self.half_marked {
            writeln!(f, "{}: marked as synthetic in one place of two", path.display())?;
        }
        let summary = if self.fit { "fit for use" } else { "NOT fit for use" };
        writeln!(f, "{} files can be read: {summary}", self.files)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use mrisynth_volume::{Affine, Geometry, Image, Volume, WriteOptions};

    use super::*;
    use crate::visit::Visit;
    use crate::{SyntheticMark, mark_synthetic};

    #[test]
    fn what_is_wrong_is_told_and_what_is_right_is_fit() {
        let folder = tempfile::tempdir().unwrap();
        let visit = |i: usize| {
            let geometry = Geometry::new([4; 3], Affine::identity()).unwrap();
            let scan = Volume::from_fn(geometry, |[x, y, z]| (x + i * y + z * z) as f32);
            let path = folder.path().join(format!("sub-{i}_T1w.nii"));
            Image::from(scan).write(&path, &WriteOptions::default()).unwrap();
            let images = [("T1w".to_owned(), path)].into();
            Visit { subject: format!("sub-{i}"), images, ..Visit::default() }
        };
        let mut manifest = Manifest::new("", (0..3).map(visit).collect());
        let inspect = |manifest: &Manifest| {
            let survey = Survey::of(manifest, &|_, _| ControlFlow::Continue(())).unwrap();
            Inspection::of(manifest, &survey)
        };
        assert!(inspect(&manifest).to_string().starts_with("3 files can be read: fit"));
        mark_synthetic(folder.path().join("sub-0_T1w.nii"), &SyntheticMark::default()).unwrap();
        std::fs::remove_file(folder.path().join("sub-0_T1w.json")).unwrap();
        std::fs::remove_file(folder.path().join("sub-1_T1w.nii")).unwrap();
        manifest.visits[2].session = Some("ses-1".into());
        manifest.visits[0].subject = "sub-2".into();
        manifest.visits[0].split = Some("test".into());
        let unfit = inspect(&manifest);
        let text = unfit.to_string();
        assert!(!unfit.fit && text.contains("NOT fit"), "{text}");
        for part in
            ["sub-1_T1w.nii: cannot read", "in one place of two", "several splits: no split, test"]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
